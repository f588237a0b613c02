"""One phase from its first step, or from where it was stopped, to its last."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.utils.data import DataLoader

from veroallarme_core.relevance_mask import RelevanceMaskModel, save_checkpoint
from veroallarme_training.config import TrainingConfig
from veroallarme_training.epoch_batches import TrainingBatches, ValidationBatches
from veroallarme_training.errors import Interrupted, TrainingError
from veroallarme_training.phases import Phase
from veroallarme_training.reporting import Reporter
from veroallarme_training.schedule import Schedule
from veroallarme_training.stop_signal import StopSignal

STATE_FILE = "last.pth"
"""The state that `--resume` goes on from."""


@dataclass
class PhaseProgress:
    """How far a phase has come; all of it is in the saved state."""

    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that are done."""
    step: int = 0
    """Steps of the optimizer since the phase began."""
    loss_sum: float = 0.0
    """Of this epoch's batches so far."""
    crops: int = 0
    seconds: float = 0.0
    """Spent training in this epoch."""
    best: float | None = None
    stale: int = 0
    """Validations since the best one."""


class PhaseRun:
    """Trains a network through one phase.

    Args:
        phase: what is learned.
        model: the network, on its device.
        reporter: tells how it goes.
        stop: asked after every step.
        saved: what `_save` put beside the weights, to go on from; None starts anew.
    """

    def __init__(
        self,
        phase: Phase,
        model: RelevanceMaskModel,
        reporter: Reporter,
        stop: StopSignal,
        saved: dict[str, Any] | None = None,
    ) -> None:
        self.phase = phase
        self.model = model
        self.reporter = reporter
        self.stop = stop
        config = phase.config
        self.config: TrainingConfig = config
        self.device, self.ranks = phase.device, phase.ranks
        self.epochs: int = config.of_phase(phase.name, "num_epochs")
        batch_size: int = config.of_phase(phase.name, "batch_size")
        rate: float = config.of_phase(phase.name, "learning_rate")
        self.batches = TrainingBatches(len(phase.training), batch_size, config.seed, self.ranks)
        self.loader = self._loader(phase.training, self.batches)
        self.steps_per_epoch = math.ceil(
            self.batches.per_epoch / config.advanced.gradient_accumulation
        )
        self.optimizer = make_optimizer(config, model, rate)
        self.schedule = Schedule(
            config.scheduler,
            self.optimizer,
            rate,
            self.epochs * self.steps_per_epoch,
            config.warmup_epochs * self.steps_per_epoch,
        )
        self.amp = amp_type(config, self.device)
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.amp is torch.float16)
        self.progress = PhaseProgress()
        phase.prepare(model)
        if saved is not None:
            self._restore(saved)

    def run(self) -> Path:
        """Train to the end, and return the file of the best weights.

        Raises:
            Interrupted: the user stopped it; the state is saved.
            TrainingError: the loss is no number any more, or the memory is used up.
        """
        progress = self.progress
        steps = self.epochs * self.steps_per_epoch
        self.reporter.begin_phase(self.phase.name, progress.epoch, steps, progress.step)
        try:
            while progress.epoch < self.epochs and not self._is_out_of_patience():
                self._train_epoch()
                self._finish_epoch()
        finally:
            self.reporter.end_phase()
        if progress.epoch < self.epochs:
            self.reporter.say(
                f"Phase {self.phase.name} ends early: {progress.stale} validations without "
                f"improvement of {self.phase.goal.metric}."
            )
        return self.config.output_dir / self.phase.output

    # --- one epoch -------------------------------------------------------------------------------

    def _train_epoch(self) -> None:
        progress, accumulation = self.progress, self.config.advanced.gradient_accumulation
        self.batches.epoch, self.batches.start = progress.epoch, progress.batch
        self.phase.training.set_epoch(progress.epoch)
        is_frozen = progress.epoch < self.phase.freeze_epochs
        network = self._network(is_frozen)
        batches = iter(self.loader)
        started = time.monotonic()
        while group := list(islice(batches, accumulation)):
            with self._advice_on_memory():
                loss = self._step(network, group)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss of phase {self.phase.name} is {loss} in epoch "
                    f"{progress.epoch + 1}: lower learning_rate, or set advanced.grad_clip."
                )
            now = time.monotonic()
            progress.seconds, started = progress.seconds + now - started, now
            if self.ranks.any(self.stop.requested, self.device):
                self._save()
                raise Interrupted(
                    f"Stopped in epoch {progress.epoch + 1} of {self.epochs} of phase "
                    f"{self.phase.name}, and saved."
                )

    def _network(self, is_frozen: bool) -> nn.Module:
        """Put the network into training mode, its encoder only unless that is frozen."""
        self.phase.prepare(self.model)
        self.model.train()
        if is_frozen:
            self.model.encoder.requires_grad_(False)
            # Else batch normalisation would go on changing what shall stay as it is.
            self.model.encoder.eval()
        if self.ranks.is_alone:
            return self.model
        devices = [self.ranks.local_rank] if self.device.type == "cuda" else None
        return DistributedDataParallel(self.model, device_ids=devices)

    def _step(self, network: nn.Module, group: list[Any]) -> float:
        """Take one step of the optimizer over one or more batches; returns their mean loss."""
        progress, advanced = self.progress, self.config.advanced
        rate = self.schedule.apply(progress.step)
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for batch in group:
            with self._autocast():
                loss, crops = self.phase.loss(network, on_device(batch, self.device))
            self.scaler.scale(loss / len(group)).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            progress.crops += crops
        if advanced.grad_clip is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), advanced.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        progress.step += 1
        progress.batch += len(group)
        progress.loss_sum += total
        write = progress.step % self.config.logging.scalars_every == 0
        self.reporter.step(total / len(group), rate, write=write)
        return total / len(group)

    def _finish_epoch(self) -> None:
        """Validate, report, and save what has to be."""
        progress, config = self.progress, self.config
        epoch = progress.epoch
        losses, crops = self.ranks.sum([progress.loss_sum, progress.crops], self.device)
        values = {
            "train_loss": losses / max(progress.batch, 1) / self.ranks.world_size,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "crops_per_s": crops / max(progress.seconds, 1e-9),
            "seconds": progress.seconds,
        }
        is_last = epoch + 1 == self.epochs
        if (epoch + 1) % config.validate_every == 0 or is_last:
            values.update(self._validate())
            self._judge(values)
        epochs_apart = config.logging.pictures_every
        if self.ranks.is_main and epochs_apart and (epoch % epochs_apart == 0 or is_last):
            self.reporter.pictures(self._pictures())
        self.reporter.epoch(self.phase.name, epoch, self.epochs, values)
        progress.epoch, progress.batch, progress.loss_sum = epoch + 1, 0, 0.0
        progress.crops, progress.seconds = 0, 0.0
        if (epoch + 1) % config.save_every == 0 or is_last:
            self._save()

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        if self.phase.validation is None:
            return {}
        self.ranks.share_buffers(self.model)
        self.model.eval()
        size: int = self.config.of_phase(self.phase.name, "batch_size")
        batches = ValidationBatches(len(self.phase.validation), size, self.ranks)
        loader = self._loader(self.phase.validation, batches, is_kept=False)
        with self._autocast(), self._advice_on_memory():
            return self.phase.evaluate(
                self.model, (on_device(batch, self.device) for batch in loader)
            )

    @torch.no_grad()
    def _pictures(self) -> Tensor | None:
        self.model.eval()
        return self.phase.pictures(self.model, self.config.logging.num_pictures)

    def _judge(self, values: dict[str, float]) -> None:
        """Keep the weights when they are the best so far."""
        goal = self.phase.goal
        metric, higher = goal.metric, goal.higher_is_better
        if metric not in values:
            # Nothing was held out, or it lacks one of the labels: the training loss must do.
            metric, higher = ("val_loss" if "val_loss" in values else "train_loss"), False
        value = values[metric]
        judged = type(goal)(metric, higher)
        improved = judged.improves(value, self.progress.best, self.config.advanced.min_delta)
        self.schedule.validated(improved)
        self.progress.stale = 0 if improved else self.progress.stale + 1
        if improved:
            self.progress.best = value
            self._mark_trained()
            if self.ranks.is_main:
                save_checkpoint(
                    self.config.output_dir / self.phase.output,
                    self.model,
                    phase=self.phase.name,
                    epoch=self.progress.epoch + 1,
                    metrics=dict(values),
                    config=self.config.to_dict(),
                )
        self.ranks.wait()

    def _mark_trained(self) -> None:
        self.model.trained_heads |= set(self.model.mode.heads)
        if self.phase.name == "relevance" and not self.config.relevance.segmentation_weight:
            # The encoder has moved on, and the map that is read from it was left behind.
            self.model.trained_heads.discard("segmentation")

    def _is_out_of_patience(self) -> bool:
        patience = self.config.advanced.early_stopping_patience
        return patience is not None and self.progress.stale >= patience

    # --- state -----------------------------------------------------------------------------------

    def _save(self) -> None:
        if not self.ranks.is_main:
            return
        state = {
            "phase": self.phase.name,
            "progress": asdict(self.progress),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "scaler": self.scaler.state_dict(),
            "own": self.phase.state(),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }
        save_checkpoint(
            self.config.output_dir / STATE_FILE,
            self.model,
            training=state,
            config=self.config.to_dict(),
        )

    def _restore(self, saved: dict[str, Any]) -> None:
        self.progress = PhaseProgress(**saved["progress"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state(saved["schedule"])
        self.scaler.load_state_dict(saved["scaler"])
        self.phase.load_state(saved["own"])
        torch.set_rng_state(saved["random"])
        if self.device.type == "cuda" and len(saved["cuda_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(saved["cuda_random"])

    # --- means -----------------------------------------------------------------------------------

    def _loader(self, dataset: Any, batches: Any, *, is_kept: bool = True) -> DataLoader[Any]:
        workers = self.config.num_workers
        return DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            worker_init_fn=start_worker,
            # A forked copy of OpenCV waits for ever for threads that stayed behind.
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=is_kept and workers > 0,
            pin_memory=self.device.type == "cuda",
            # Its own: else every new iterator would take a number from the run's generator.
            generator=torch.Generator().manual_seed(self.config.seed),
        )

    def _autocast(self) -> Any:
        if self.amp is None:
            return contextlib.nullcontext()
        return torch.autocast("cuda", dtype=self.amp)

    @contextmanager
    def _advice_on_memory(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            size, count = self.batches.batch_size, self.config.advanced.gradient_accumulation
            if size < 4:
                advice = "lower crop_size, or close other programs that use this memory"
            else:
                advice = (
                    f"give --batch-size {size // 2} and set advanced.gradient_accumulation to "
                    f"{2 * count}, which learns from as many items per step"
                )
            raise TrainingError(
                f"Out of memory on {self.device} in phase {self.phase.name} with batches of "
                f"{size}: {advice}."
            ) from error


def make_optimizer(config: TrainingConfig, model: nn.Module, rate: float) -> Optimizer:
    """Return the optimizer that the configuration names."""
    weights = model.parameters()
    match config.optimizer:
        case "adam":
            return Adam(weights, lr=rate, weight_decay=config.weight_decay)
        case "adamw":
            return AdamW(weights, lr=rate, weight_decay=config.weight_decay)
        case _:
            return SGD(weights, lr=rate, momentum=0.9, weight_decay=config.weight_decay)


def amp_type(config: TrainingConfig, device: torch.device) -> torch.dtype | None:
    """Return the type of mixed precision, or None where everything is float32."""
    if device.type != "cuda" or not config.advanced.use_amp:
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def on_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors of a batch to a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: on_device(value, device) for key, value in batch.items()}
    return [on_device(value, device) for value in batch]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that the memory of the CPU or of a GPU is used up."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def start_worker(number: int) -> None:
    """Prepare a process that cuts crops."""
    # Ctrl-C reaches every process of the terminal; the main one decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)
