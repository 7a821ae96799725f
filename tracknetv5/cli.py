"""The command line, `tracknetv5 ...`: thin over the library."""

import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tracknetv5.trajectory import GAP

if TYPE_CHECKING:
    from tracknetv5.tracker import BallTracker

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Find the ball in every frame of a sports video."""


def _fail(message: object) -> NoReturn:
    """One line on standard error, and exit status 1."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


class _ProgressLine:
    """Frames done and frames per second, rewritten in place on a terminal and silent elsewhere."""

    def __init__(self, name: str):
        self.name, self.started, self.shown, self.done = name, time.monotonic(), 0.0, 0
        # Processes of a launch would write over each other.
        self.terminal = sys.stderr.isatty() and "WORLD_SIZE" not in os.environ

    def __call__(self, done: int, total: int | None) -> None:
        self.done = done
        now = time.monotonic()
        if self.terminal and now - self.shown > 0.2:
            self.shown = now
            share = f"/{total}" if total else ""
            sys.stderr.write(f"\r{self.name}: {done}{share} frames, {self.rate:.1f} frames/s ")
            sys.stderr.flush()

    @property
    def rate(self) -> float:
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def clear(self) -> None:
        if self.terminal and self.shown:
            sys.stderr.write("\r\x1b[K")


@app.command()
def track(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files.")],
    # Not where the videos are: labels lie beside them, under the name that the results get.
    output: Annotated[Path, typer.Option(help="Folder for <stem>.csv, _ball.mp4, _track.json.")] = Path("out"),
    weights: Annotated[str | None, typer.Option(help="Folder, .onnx file, Hub id; default: the bundled ones.")] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Also write a video with the ball marked.")] = False,
    step: Annotated[
        int | None,
        typer.Option(min=1, help="Frames between windows: as many as a window has is fast, 1 sees every frame often."),
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Heat above which a peak is a ball, between 0 and 1.")] = None,
    fill_gaps: Annotated[int, typer.Option(min=0, metavar="N", help="Fill gaps in flight of up to N frames.")] = GAP,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda ...")] = "auto",
    runtime: Annotated[str, typer.Option(help="auto, torch or onnx (extra: onnx).")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Faster after a slow start.")] = False,
) -> None:
    """Write the trajectory of the ball in each video as CSV: Frame,Visibility,X,Y,Score,Source,Time.

    Videos that were tracked with the same settings before are left alone. Under `torchrun -m tracknetv5 track` each
    process takes its share of the videos.
    """
    from tracknetv5.many import launch, own_device
    from tracknetv5.runtime import keep_freed_memory
    from tracknetv5.tracker import BallTracker

    keep_freed_memory()
    stems = [video.stem for video in videos]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        _fail(f"two inputs are called {twice[0]!r} and would write the same files: rename one or use two folders")
    films = {(output / f"{stem}_ball.mp4").resolve() for stem in stems} if overlay else set()
    if lost := [video for video in videos if video.resolve() in films]:
        _fail(f"{lost[0]}: would be written over by the overlay of another input: choose another folder for the output")
    try:
        with launch() as (rank, processes):
            tracker = BallTracker.from_pretrained(
                weights,
                device=own_device(device),
                runtime=runtime,
                precision=precision,
                compiled=compiled,
                threshold=threshold,
                step=step,
            )
            try:
                output.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                _fail(f"{output}: cannot be a folder for the results ({error.strerror}); choose another --output")
            with _terminated_cleanly():
                done = [_track_one(tracker, video, output, fill_gaps, overlay) for video in videos[rank::processes]]
    except (ValueError, OSError) as error:
        _fail(error)
    if not all(done):
        raise typer.Exit(1)


@contextmanager
def _terminated_cleanly() -> Iterator[None]:
    """SIGTERM raises SystemExit within, as Ctrl-C raises KeyboardInterrupt: what is half written is removed."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _track_one(tracker: "BallTracker", video: Path, output: Path, fill_gaps: int, overlay: bool) -> bool:
    """Track one video unless that is done, and say how it went; whether it went well."""
    from tracknetv5.many import Record, write_whole
    from tracknetv5.overlay import write_overlay
    from tracknetv5.video import VideoWarning

    table, film = output / f"{video.stem}.csv", output / f"{video.stem}_ball.mp4"
    files = [table, film] if overlay else [table]
    record = Record(video, files, tracker, {"fill_gaps": fill_gaps})
    named = ", ".join(map(str, files))
    if record.finished(files):
        typer.echo(f"{video}: already tracked with these settings -> {named}")
        return True
    lacks_overlay = record.finished([table])
    line = _ProgressLine(video.name)
    try:
        record.check()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideoWarning)
            if lacks_overlay:
                trajectory, told = record.tracked()
            else:
                trajectory = tracker.track(video, fill_gaps=fill_gaps, progress=line)
                rate = line.rate
                told = list(dict.fromkeys(str(item.message) for item in caught if item.category is VideoWarning))
                record.begin()
                write_whole(table, trajectory.to_csv)
            if overlay:
                record.finish([table], trajectory, told)  # a stop while drawing does not cost the tracking
                write_overlay(video, trajectory, film)  # decodes the file again, and gives the same warnings
        record.finish(files, trajectory, told)
    except (ValueError, OSError) as error:  # this video's fault: settings were checked when the tracker was made
        line.clear()
        reason = str(error)
        typer.echo(f"error: {reason}" if reason.startswith(str(video)) else f"error: {video}: {reason}", err=True)
        return False
    line.clear()
    for message in told:
        typer.echo(f"warning: {message}", err=True)
    if lacks_overlay:
        typer.echo(f"{video}: already tracked with these settings, overlay drawn -> {named}")
        return True
    facts = [f"ball in {int(trajectory.visible.sum())} of {len(trajectory)} frames"]
    facts += [f"{len(trajectory.cuts)} camera cuts"] if trajectory.cuts else []
    facts += [f"{len(trajectory.repeats)} repeated frames"] if trajectory.repeats else []
    typer.echo(f"{video}: {', '.join(facts)}, {rate:.1f} frames/s -> {named}")
    return True


@app.command()
def live(
    source: Annotated[str, typer.Argument(help="A camera's number, an RTSP or HTTP address, or a file, played.")],
    weights: Annotated[str | None, typer.Option(help="Folder, .onnx file, Hub id; default: the bundled ones.")] = None,
    delay: Annotated[int, typer.Option(help="Frames to wait before answering: 2 is surer, 0 is at once.")] = 2,
    step: Annotated[int | None, typer.Option(min=1, help="Frames between windows, up to the delay + 1.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Heat above which a peak is a ball, between 0 and 1.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda ...")] = "auto",
    runtime: Annotated[str, typer.Option(help="auto, torch or onnx (extra: onnx).")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Faster after a slow start.")] = False,
) -> None:
    """Follow the ball as it is seen: one line of JSON a frame on standard output, all else on standard error.

    What cannot be looked at in time is dropped: its frame number is missing, and the drops are reported.
    """
    from tracknetv5.live import LiveSource
    from tracknetv5.runtime import keep_freed_memory
    from tracknetv5.tracker import BallTracker

    if step is not None and step > delay + 1:
        _fail(f"--step must lie between 1 and the delay + 1, here {delay + 1}, not {step}: or use --delay {step - 1}")
    keep_freed_memory()
    feed, looked, seen, reported, shown = LiveSource(source), 0, 0, 0, time.monotonic()
    try:
        tracker = BallTracker.from_pretrained(
            weights,
            device=device,
            runtime=runtime,
            precision=precision,
            compiled=compiled,
            threshold=threshold,
            step=step,
        )
        for point in tracker.follow(feed, delay=delay):
            x, y = point.xy or (None, None)
            row = {"frame": point.frame, "time": point.time, "x": x, "y": y, "score": point.score}
            print(json.dumps(row | {"source": point.source, "picture": point.picture}), flush=True)
            looked += 1
            seen += point.xy is not None
            if feed.dropped > reported and time.monotonic() > shown + 5:
                typer.echo(f"{source}: dropped {feed.dropped - reported} frames in the last seconds", err=True)
                reported, shown = feed.dropped, time.monotonic()
    except BrokenPipeError:  # nobody reads on, as after `| head`: Typer ends quietly
        raise
    except (ValueError, OSError) as error:
        _fail(error)
    except KeyboardInterrupt:
        pass  # the way to end a source that has no end
    typer.echo(
        f"{source}: {feed.received} frames in {feed.seconds:.1f} s, {feed.dropped} dropped; ball in {seen} of {looked}",
        err=True,
    )
    if feed.error:
        _fail(feed.error)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to train, on what, and how.")],
) -> None:
    """Train a network; a run folder that holds a checkpoint is resumed."""
    from tracknetv5.runtime import keep_freed_memory

    try:
        from tracknetv5.training.config import read_config
        from tracknetv5.training.loop import Trainer
    except ImportError as error:
        _fail(f'{error.name} is not installed: in a copy of the project, pip install -e ".[train]"')
    keep_freed_memory()
    try:
        weights = Trainer(read_config(config)).run()
    except (ValueError, OSError) as error:
        _fail(error)
    typer.echo(f"weights: {weights}")


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(metavar="INPUT", help="A file of tensors: .pt, .pth, .safetensors ...")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT_DIR", help="Folder for the weights; made if not there.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="The network in it; inpaintnet is V3's rectifier.")],
    rectifier: Annotated[
        Path | None, typer.Option(help="InpaintNet to put in with a tracker's weights: a checkpoint or a folder.")
    ] = None,
) -> None:
    """Turn a checkpoint of other code, or of ours, into a folder of weights: tensors, config and model card."""
    from tracknetv5.convert import convert

    try:
        folder = convert(checkpoint, output, model, rectifier=rectifier)
    except (ValueError, OSError) as error:
        _fail(error)
    typer.echo(f"weights: {folder}")


@app.command()
def export(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT.onnx", help="The file to write.")],
    weights: Annotated[str | None, typer.Option(help="Folder or Hub id; default: the bundled weights.")] = None,
) -> None:
    """Write a network as ONNX: any number of windows in, heatmaps out; `--weights OUTPUT.onnx` takes it back."""
    from tracknetv5.export import OPSET, export_onnx
    from tracknetv5.weights import load_weights, resolve

    if output.suffix != ".onnx":
        _fail(f"{output}: call it {output.name}.onnx, which is how such a file is known again")
    try:
        model, config = load_weights(resolve(weights))
        output.parent.mkdir(parents=True, exist_ok=True)
        export_onnx(model, config, output)
    except (ValueError, OSError) as error:
        _fail(error)
    typer.echo(f"{config.model}, opset {OPSET}, {output.stat().st_size / 1e6:.1f} MB -> {output}")
    if config.rectifier:
        typer.echo("warning: the rectifier that comes with these weights is not in the file", err=True)


@app.command()
def push(
    repo_id: Annotated[str, typer.Argument(metavar="REPO_ID", help="organisation/name on the Hugging Face Hub.")],
    weights: Annotated[Path, typer.Option(metavar="DIR", help="Folder of weights.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository a private one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Upload a folder of weights with its model card; `hf auth login` comes before."""
    from tracknetv5.hub import prepare, push

    try:
        upload = prepare(repo_id, weights)
        for name in upload.files:
            typer.echo(f"{upload.size(name):>11,} bytes  {name}")
        if dry_run:
            typer.echo(f"nothing was sent to {upload.repo_id}")
        else:
            typer.echo(f"weights: {push(upload, private=private or None)}")
    except (ValueError, OSError) as error:
        _fail(error)


@app.command()
def models() -> None:
    """List the weights that load without a network: those that come with the package and those fetched from the Hub."""
    from tracknetv5.hub import known_weights
    from tracknetv5.models import list_models
    from tracknetv5.weights import NOT_STATED, WeightsError

    rows = [("WEIGHTS", "WHERE", "MODEL", "MB", "F1", "LICENCE")]
    unread = None
    try:
        for known in known_weights():
            f1 = NOT_STATED if known.f1 is None else f"{known.f1:.3f}"
            facts = known.config.model, f"{known.size / 1e6:.1f}", f1, known.config.licence or NOT_STATED
            rows.append((known.name, known.place, *map(str, facts)))
    except WeightsError as error:
        unread = error
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo(f"\nArchitectures, with or without weights: {', '.join(list_models())}")
    if unread:
        typer.echo(f"warning: {unread}", err=True)
