"""The training loop, on Accelerate: the same code on a CPU, a GPU, or many of them by `accelerate launch`."""

import csv
import json
import math
import shutil
import time
from copy import deepcopy
from datetime import timedelta
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from statistics import median

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from safetensors import SafetensorError
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from tracknetv5.data.dataset import WindowDataset
from tracknetv5.data.readers import Clip, exclude, read_clips
from tracknetv5.models import create_model
from tracknetv5.training.config import OptimOptions, TrainConfig, differences
from tracknetv5.training.loss import weighted_bce
from tracknetv5.training.validate import validate
from tracknetv5.weights import NOT_STATED, WeightsConfig, read_config, resolve, round_weights, save_weights

NORM_WINDOWS = 256  # windows on which the statistics of batch norm are measured
PATIENCE = timedelta(days=1)  # of the other processes while the main one saves or validates
STEADY, COLLAPSED = 10, 3.0  # lines of the log that say what the loss was, and how many times that ends a run
# What may change from one part of a run to the next.
MAY_CHANGE = {("data", "cache"), ("optim", "windows"), ("optim", "decay"), ("optim", "workers")}
LOG_COLUMNS = ("windows", "hours", "loss", "learning_rate", "windows_per_second")


def learning_rate(windows: int, options: OptimOptions) -> float:
    """Warm-up, constant, and at the end a half cosine to zero; `windows` seen so far."""
    rate = options.learning_rate * min(1.0, (windows + options.batch) / max(options.warmup, 1))
    left = options.windows - windows
    if options.decay and left < options.decay:
        rate *= 0.5 * (1 - math.cos(math.pi * left / options.decay))
    return rate


class Progress:
    """Windows seen, seconds trained and the last losses, in the form that Accelerate saves with a checkpoint."""

    def __init__(self):
        self.windows = 0
        self.seconds = 0.0
        self.losses: list[float] = []  # of the last STEADY + 2 lines of the log

    def state_dict(self) -> dict:
        return vars(self).copy()

    def load_state_dict(self, state: dict) -> None:
        vars(self).update(state)


class Trainer:
    """One run: its clips, network, averaged weights (EMA) and folder."""

    def __init__(self, config: TrainConfig):
        """Read the data and build the network.

        Raises:
            ValueError: the data, the weights to start from or the model's options do not fit.
        """
        self.config, optim = config, config.optim
        init = config.model.init
        self.folder = Path(config.output.folder)
        self.cache = Path(config.data.cache)
        self.accelerator = Accelerator(
            mixed_precision=optim.precision, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)]
        )
        torch.manual_seed(optim.seed)
        training, self.held_out = _divide(config)
        try:
            model = create_model(config.model.name, pretrained=init or None, **config.model.options)
        except (TypeError, RuntimeError, AssertionError) as error:  # torch's layers raise any of these
            raise ValueError(f"[model] options {dict(config.model.options)}: {error}") from error
        start = read_config(resolve(init)) if init else WeightsConfig(model=config.model.name, options={})
        self.size = config.data.size or (start.height, start.width)  # pixels of the network's input
        if config.data.crop and any(part > whole for part, whole in zip(config.data.crop, self.size, strict=True)):
            raise ValueError(f"[data] crop must fit into the size {self.size}, not {config.data.crop}")
        multiple = model.options.multiple
        for name, size in (("size", self.size), ("crop", config.data.crop or self.size)):
            if any(side % multiple for side in size):
                raise ValueError(f"[data] {name} must be multiples of {multiple} for {config.model.name}, not {size}")
        if start.channel_order != "RGB":
            raise ValueError(f"[model] init {init}: takes {start.channel_order}, and training feeds RGB frames alone")
        self.length = model.options.frames
        self.facts = WeightsConfig(
            model=config.model.name,
            options={},
            height=self.size[0],
            width=self.size[1],
            frames=self.length,
            step=start.step if init else None,
            ensemble=start.ensemble,
            threshold=start.threshold,  # chosen for other weights, it is a better guess than none
            training_data=f"Went on from {init}: {start.training_data}" if init else NOT_STATED,
            sports=sorted({clip.sport for clip in training}.union(start.sports)),
            provenance=f"Went on from {init}: {start.provenance}" if init else NOT_STATED,
        )
        model = model.train().to(self.accelerator.device, memory_format=torch.channels_last)
        self.ema = ModelEmaV3(model, decay=optim.ema, use_warmup=True)
        self.dataset = WindowDataset(
            training,
            count=optim.windows,
            length=self.length,
            size=self.size,
            crop=config.data.crop,
            radius=config.data.radius,
            cache=self.cache,
            augmentation=config.augment,
            sampling=config.sampling,
            background=model.takes_background,
            seed=optim.seed,
        )
        # A mean over all pixels makes gradients of 1e-7 and less, which the usual eps of 1e-8 would damp.
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=optim.learning_rate, weight_decay=optim.weight_decay, eps=1e-12, fused=True
        )
        self.progress = Progress()
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.accelerator.register_for_checkpointing(self.progress, self.ema.module)

    def run(self) -> Path:
        """Train to the end, resuming the checkpoint in the run's folder if there is one.

        Writes `log.csv`, `validation.jsonl`, `checkpoint/` and `weights/` (the averaged weights, which
        `create_model(..., pretrained=folder)` reads).

        Returns:
            The folder of the averaged weights.

        Raises:
            ValueError: the checkpoint in the folder does not fit, or the training has collapsed; checkpoint and weights
                are then those of before.
        """
        output, optim, progress = self.config.output, self.config.optim, self.progress
        self.folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.accelerator.wait_for_everyone()  # all have read what the main process now writes
        if self.accelerator.is_main_process:
            self._forget()
            (self.folder / "config.json").write_text(json.dumps(self.config.as_dict(), indent=1) + "\n")
        loader = DataLoader(
            Subset(self.dataset, range(progress.windows, optim.windows)),
            batch_size=optim.batch,
            num_workers=optim.workers,
            drop_last=True,
        )
        step = optim.batch * self.accelerator.num_processes
        losses, logged, clock = [], progress.seconds, time.monotonic()
        for batch in self.accelerator.prepare(loader):
            losses.append(self._step(*batch))
            progress.windows += step
            self.ema.update(self.accelerator.unwrap_model(self.model), step=progress.windows // step)
            progress.seconds += time.monotonic() - clock
            if self._due(output.log_every):
                self._log(losses, progress.seconds - logged)
                losses, logged = [], progress.seconds
            if self._due(output.save_every):
                self.save()
            if self._due(output.validate_every):
                self.validate()
            clock = time.monotonic()  # saving and validating is not training
        self.save()
        self.validate()
        return self.folder / "weights"

    def _resume(self) -> None:
        """Load the last checkpoint of the folder, if there is one, unless it is of a run of another config."""
        checkpoint, before = self.folder / "checkpoint", self.folder / "checkpoint.old"
        if not checkpoint.is_dir():
            if not before.is_dir():
                return
            checkpoint = before  # killed between the two moves of `_save_state`
        path = self.folder / "config.json"
        try:
            stated = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: not the config of the run beside it: choose another folder: {error}") from error
        # Another config's weights would get the facts of this one.
        for table, name, then, now in differences(stated, self.config):
            if table != "output" and (table, name) not in MAY_CHANGE:
                raise ValueError(
                    f"{self.folder}: holds a run with [{table}] {name} = {json.dumps(then)}, not "
                    f"{json.dumps(now)}: choose another [output] folder, or to go on with it change {path}"
                )
        try:
            self.accelerator.load_state(checkpoint)
        except (OSError, EOFError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as error:
            raise ValueError(
                f"{checkpoint}: cannot be resumed: start from {self.folder / 'weights'} with [model] init and another "
                f"[output] folder: {error}"
            ) from error

    def _save_state(self) -> None:
        """Replace the checkpoint by the state of now; killed at any time, a whole one is left."""
        checkpoint, part, before = (self.folder / name for name in ("checkpoint", "checkpoint.part", "checkpoint.old"))
        if self.accelerator.is_main_process:
            shutil.rmtree(part, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(part)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            if checkpoint.is_dir():
                shutil.rmtree(before, ignore_errors=True)
                checkpoint.rename(before)
            part.rename(checkpoint)
            shutil.rmtree(before, ignore_errors=True)

    def _step(self, *batch: Tensor) -> Tensor:
        *inputs, target, labelled = batch
        rate = learning_rate(self.progress.windows, self.config.optim)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self.accelerator.autocast():
            logits = self.model(*(pictures.float() / 255 for pictures in inputs))
        loss = weighted_bce(logits, target, labelled)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.optim.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def _due(self, every: int) -> bool:
        """Whether the step just made has crossed a multiple of `every` windows."""
        step = self.config.optim.batch * self.accelerator.num_processes
        return bool(every) and self.progress.windows // every > (self.progress.windows - step) // every

    def _log(self, losses: list[Tensor], seconds: float) -> None:
        loss = self.accelerator.gather(torch.stack(losses).mean()).mean().item()
        windows = len(losses) * self.config.optim.batch * self.accelerator.num_processes
        rate = learning_rate(self.progress.windows, self.config.optim)
        row = (self.progress.seconds / 3600, loss, rate, windows / seconds)
        if self.accelerator.is_main_process:
            path = self.folder / "log.csv"
            new = not path.exists()
            with path.open("a", newline="") as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(LOG_COLUMNS)
                writer.writerow([self.progress.windows, *(f"{value:.6g}" for value in row)])
        self.progress.losses = [*self.progress.losses, loss][-(STEADY + 2) :]
        self._stop_if_collapsed()

    def _stop_if_collapsed(self) -> None:
        """Raise ValueError where the loss is no number, or a multiple of what it was: networks seldom come back."""
        *before, last, now = [math.inf] * (STEADY + 2 - len(self.progress.losses)) + self.progress.losses
        usual = median(before)
        if math.isfinite(now) and min(last, now) <= COLLAPSED * usual:  # two lines, because a hard batch can make one
            return
        raise ValueError(
            f"{self.folder}: the training has collapsed: its loss is {now:.3g} after {self.progress.windows} windows"
            f"{f', and was {usual:.3g}' if math.isfinite(usual) else ''}. Go on from {self.folder / 'weights'} with "
            "[model] init, a lower [optim] learning_rate and another [output] folder"
        )

    def _forget(self) -> None:
        """Take back what was noted after the checkpoint, by a run that was killed: it will be noted again."""
        log, validation = self.folder / "log.csv", self.folder / "validation.jsonl"
        if log.is_file():
            with log.open(newline="") as file:
                rows = list(csv.reader(file))
            kept = rows[:1] + [row for row in rows[1:] if float(row[0]) <= self.progress.windows]
            with log.open("w", newline="") as file:
                csv.writer(file).writerows(kept)
        if validation.is_file():
            lines = validation.read_text().splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["windows"] <= self.progress.windows]
            validation.write_text("".join(kept))

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, with statistics of batch norm that belong to them."""
        self._save_state()
        if self.accelerator.is_main_process:
            save_weights(self.averaged(), self.folder / "weights", self.facts, half=True)

    def averaged(self) -> nn.Module:
        """A copy of the averaged network as it is stored: weights rounded to 16 bits, then batch norm measured anew.

        Averages of statistics are not the statistics of averaged weights; and where a feature hardly varies, as those
        of still pixels do, rounding the weights or autocast alone moves it by many standard deviations.
        """
        network = deepcopy(self.ema.module)
        network.load_state_dict(round_weights(network.state_dict()))
        # Windows from the end of the stream: the same ones whether the run was interrupted or not.
        last = self.progress.windows - 1
        windows = (self.dataset[max(last - k, 0)] for k in range(NORM_WINDOWS))
        network.train()
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # all batches count alike
        with torch.no_grad():
            while group := list(islice(windows, self.config.optim.batch)):
                *inputs, _, _ = map(torch.stack, zip(*group, strict=True))
                network(*(pictures.to(self.accelerator.device).float() / 255 for pictures in inputs))
        return network.eval()

    def validate(self) -> None:
        """Append the scores of the averaged weights on the clips held out to `validation.jsonl`, if not done yet."""
        path = self.folder / "validation.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        if lines and json.loads(lines[-1])["windows"] == self.progress.windows:
            return
        if self.held_out and self.accelerator.is_main_process:
            scores = validate(self.averaged(), self.held_out, size=self.size, cache=self.cache)
            line = {"windows": self.progress.windows, "hours": round(self.progress.seconds / 3600, 3)} | {
                name: round(value, 4) for name, value in scores.items()
            }
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            self.accelerator.print(line)


def _divide(config: TrainConfig) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on, and others to validate on: the groups held out, else the split named for it."""
    data = config.data
    clips = read_clips(data.root, data.split or None)
    groups = {clip.group for clip in clips}
    if unknown := set(data.hold_out) - groups:
        raise ValueError(f"no group is called {sorted(unknown)[0]!r} in {data.root}: choose from {sorted(groups)}")
    training = [clip for clip in clips if clip.group not in data.hold_out]
    if data.validation_split and not data.hold_out:
        training = [clip for clip in training if clip.split != data.validation_split]
    if not training:
        raise ValueError(f"{data.root}: all of {sorted(groups)} are held out or validated on: none is left to train on")
    if data.exclude:
        training = exclude(training, Path(data.exclude))
    if data.hold_out:
        return training, [clip for clip in clips if clip.group in data.hold_out]
    return training, read_clips(data.root, data.validation_split) if data.validation_split else []
