"""HeatmapPredictor: pictures in, heatmaps out, from one network on whatever computes it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn

from tracknetv5.background import RecentBackground, with_backgrounds
from tracknetv5.export import cached_onnx
from tracknetv5.heatmaps import HeatmapMerger
from tracknetv5.models.v5 import Inspection, TrackNetV5
from tracknetv5.runtime import (
    PRECISIONS,
    RUNTIMES,
    OnnxRuntime,
    TorchRuntime,
    available_cores,
    fastest,
    fastest_precision,
)
from tracknetv5.weights import WeightsConfig
from tracknetv5.windows import windows

Seen = tuple[Tensor, Tensor | None]  # a picture, (3, H, W) uint8 on the device, and the background behind it


class HeatmapPredictor:
    """A network with the facts about its weights, made ready to be asked again and again.

    What the network needs (window, background, input size, order of channels) it learns from the weights' config.
    """

    def __init__(
        self,
        model: nn.Module | OnnxRuntime,
        config: WeightsConfig,
        *,
        device: str = "auto",
        runtime: str = "auto",
        precision: str = "auto",
        compiled: bool = False,
        step: int | None = None,
    ):
        """
        Args:
            model: a network of `create_model`, or one that was exported, as `load_onnx` returns it.
            config: the facts about its weights; its step holds where none is given.
            device: "auto" (CUDA if there is any, else the CPU), or a name that torch knows.
            runtime: "torch", on any device; "onnx", ONNX Runtime on the CPU, for which the network is exported once and
                kept in the user's cache; or "auto", the faster of those installed.
            precision: what torch multiplies in: "float32", "bfloat16", "float16", or "auto", 16 bits where they are
                faster, which is on CUDA, and on CPUs with AMX or AVX-512 BF16 for the lite sizes. ONNX Runtime knows
                float32 alone.
            compiled: let `torch.compile` make the network faster; the first window then takes some seconds and, on a
                CPU, a C++ compiler.
            step: frames between windows; 1 sees every frame in several windows, the window's length sees it once.

        Raises:
            ValueError: step out of range, a device that torch does not have, a runtime that is not installed, settings
                that do not fit each other or the network, or a network that does not take frames.
        """
        if config.height is None:
            raise ValueError(f"{config.model} fills gaps and sees no frames: give it as rectifier of a tracker")
        self.config = config
        self.step = self._checked_step(step)
        self.runtime, self.device = _choose(runtime, device, model)
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        if self.device.type == "cpu" and torch.get_num_threads() > (cores := available_cores()):
            torch.set_num_threads(cores)  # more would only wait for each other
        if self.runtime == "onnx":
            if precision not in ("auto", "float32") or compiled:
                raise ValueError("ONNX Runtime computes in float32, not compiled: take the runtime torch for those")
            self.precision = "float32"
            self.model = None if isinstance(model, OnnxRuntime) else model.eval()
            self._network = model if self.model is None else OnnxRuntime(cached_onnx(model, config))
        else:
            self.precision = fastest_precision(model, self.device) if precision == "auto" else precision
            self.model = model.eval().to(self.device, memory_format=torch.channels_last)
            self._network = TorchRuntime(self.model, self.device, self.precision, compiled)

    def heatmaps(
        self, frames: Iterable[np.ndarray], *, background: np.ndarray | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """(frame number, (H, W) float32 heatmap in [0, 1]) of frames that already have the model's input size.

        All are taken as new pictures of one shot.

        Args:
            frames: (H, W, 3) uint8 RGB, letterboxed to the input size.
            background: (H, W, 3) uint8 RGB, the scene without what moves, letterboxed too, for weights that take one
                (`config.background`); None for the median of the frames around.

        Raises:
            ValueError: pictures of another size or kind, or a background for weights that take none.
        """
        self._check_background(background)
        return self._merged(self._seen(frames, background))

    def _seen(self, images: Iterable[np.ndarray], background: np.ndarray | None) -> Iterator[Seen]:
        """The pictures of one shot as the network sees them."""
        if not self.config.background:
            yield from ((self._planes(image), None) for image in images)
        elif background is not None:
            behind = self._planes(background)
            yield from ((self._planes(image), behind) for image in images)
        else:
            last = behind = None
            for image, around in with_backgrounds(images):
                if around is not last:
                    last, behind = around, self._planes(around)
                yield self._planes(image), behind

    def _seen_live(self, background: np.ndarray | None) -> Callable[[np.ndarray], Seen]:
        """For another shot, what makes `Seen` of one picture after the other; behind each the median of those so far,
        where a background is needed and none is given."""
        behind = RecentBackground() if background is None else lambda _: background

        def seen(image: np.ndarray) -> Seen:
            return self._planes(image), self._planes(behind(image)) if self.config.background else None

        return seen

    def _merged(self, pictures: Iterable[Seen], batch: int = 1) -> Iterator[tuple[int, np.ndarray]]:
        """(number, heatmap) of each picture: the mean over the windows that see it, of which `batch` make a pass."""
        length = self.config.frames
        merger = HeatmapMerger(length, step=self.step, weights=self.config.window_weights)
        count = 0

        def counted() -> Iterator[Seen]:
            nonlocal count
            for picture in pictures:
                count += 1
                yield picture

        cut = windows(counted(), length, self.step)
        while group := list(islice(cut, batch)):
            heatmaps = self._infer([window for _, window in group])
            for (start, _), of_window in zip(group, heatmaps, strict=True):
                yield from merger.add(start, of_window)
        yield from merger.flush(count)

    @torch.inference_mode()
    def inspect(self, window: Sequence[np.ndarray], background: np.ndarray | None = None) -> Inspection:
        """Everything that a V5 network computes for one window, in 32 bits, returned on the CPU.

        Args:
            window: as many frames as the network takes (`config.frames`), (H, W, 3) uint8 RGB, letterboxed to the
                input size.
            background: as in `heatmaps`; None for the median of the window, in which what moves is not gone.

        Raises:
            ValueError: a network that computes no more than its heatmaps, a window of another shape, or a background
                for weights that take none.
        """
        self._check_background(background)
        if self.model is None:
            raise ValueError("an ONNX file cannot be looked into: take the weights that it was exported from")
        if not isinstance(self.model, TrackNetV5):
            raise ValueError(f"{self.config.model} has nothing to look into: take weights of tracknet_v5 or its sizes")
        seen = self.model.inspect(*self._inputs([list(self._seen(window, background))]))
        return Inspection(*(None if part is None else part.cpu() for part in seen))

    def _checked_step(self, step: int | None) -> int:
        step = self.config.step if step is None else step
        if not isinstance(step, Integral) or not 1 <= step <= self.config.frames:
            raise ValueError(f"step must lie between 1 and the {self.config.frames} frames of a window, not {step}")
        return int(step)

    def _check_background(self, background: np.ndarray | None) -> None:
        if not self.config.background and background is not None:
            raise ValueError("these weights take no background: leave it out")

    def _infer(self, group: list[list[Seen]]) -> np.ndarray:
        """Heatmaps (B, T, H, W) of B windows of T pictures."""
        return self._network(*self._inputs(group))

    def _inputs(self, group: list[list[Seen]]) -> list[Tensor]:
        """Windows (B, T, 3, H, W) float32 in [0, 1], and the background (B, 3, H, W) behind the last picture of each,
        for weights that take one."""
        inputs = [torch.stack([torch.stack([planes for planes, _ in window]) for window in group])]
        if self.config.background:
            inputs.append(torch.stack([window[-1][1] for window in group]))
        return [pictures.float().div_(255) for pictures in inputs]

    def _planes(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 RGB -> (3, H, W) uint8 on the device, in the model's order of channels."""
        if not is_rgb(image):
            raise ValueError(f"expected (H, W, 3) uint8 RGB pictures, got {kind_of(image)}")
        height, width = self.config.height, self.config.width
        if image.shape[:2] != (height, width):
            raise ValueError(
                f"expected pictures of {height} x {width}, got {kind_of(image)}: bring them to that size by "
                "tracknetv5.geometry.Letterbox, or give `track` or `stream` whole frames"
            )
        planes = (image[..., ::-1] if self.config.channel_order == "BGR" else image).transpose(2, 0, 1)
        return torch.from_numpy(planes.copy()).to(self.device)


def is_rgb(image: object) -> bool:
    """Whether this is an image (H, W, 3) uint8."""
    return isinstance(image, np.ndarray) and image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8


def kind_of(image: object) -> str:
    """Shape and type of an image, for errors; None is what OpenCV gives for one that it cannot read."""
    return f"{image.shape} {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__


def _choose(runtime: str, device: str, model: nn.Module | OnnxRuntime) -> tuple[str, torch.device]:
    """The runtime and the device that settings, which may be "auto", come to for a network."""
    exported = isinstance(model, OnnxRuntime)
    known = ("auto", "onnx") if exported else RUNTIMES
    if runtime not in known:
        raise ValueError(f"runtime must be one of {', '.join(known)} for this network, not {runtime!r}")
    if exported or runtime == "onnx":
        if device not in ("auto", "cpu"):
            raise ValueError(f"ONNX Runtime computes on the CPU here, not on {device}: torch does, from weights")
        return "onnx", torch.device("cpu")
    place = _device(device)
    return fastest(model, place) if runtime == "auto" else "torch", place


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name).cpu()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device {name!r} cannot be used: {reason}; "cpu" always can') from error
    return torch.device(name)
