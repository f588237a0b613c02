"""What a run tells: a progress bar with the time left, a table of metrics, TensorBoard."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torchvision.utils import make_grid
from tqdm import tqdm

from veroallarme_core.files import atomic_text_file

METRICS_FILE = "metrics.csv"

COLUMNS = (
    "phase",
    "epoch",
    "learning_rate",
    "train_loss",
    "val_loss",
    "val_iou",
    "val_auc",
    "val_accuracy",
    "val_retrieval",
    "crops_per_s",
    "seconds",
)


class MetricsTable:
    """A CSV with one row per phase and epoch; a phase that runs again replaces its rows."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, phase: str, epoch: int) -> None:
        """Drop the rows of a phase from an epoch on: they are about to be made again."""
        rows = [row for row in self._read() if row["phase"] != phase or int(row["epoch"]) < epoch]
        self._write(rows)

    def add(self, phase: str, epoch: int, values: Mapping[str, float]) -> None:
        """Append the row of an epoch."""
        row = {"phase": phase, "epoch": str(epoch), **{k: f"{v:.6g}" for k, v in values.items()}}
        self._write([*self._read(), row])

    def _read(self) -> list[dict[str, str]]:
        try:
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except FileNotFoundError:
            return []
        return [row for row in rows if row.get("phase") and (row.get("epoch") or "").isdigit()]

    def _write(self, rows: Iterable[Mapping[str, str]]) -> None:
        with atomic_text_file(self.path) as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


class Reporter:
    """Tells the user and the files how the run goes; in all processes but the first, nothing.

    Args:
        output_dir: gets `metrics.csv`.
        log_dir: gets TensorBoard's files; None writes none.
        is_main: whether this process speaks.
        stream: where the progress bar and the sentences go; None takes the standard error.
    """

    def __init__(
        self, output_dir: Path, log_dir: Path | None, *, is_main: bool, stream: TextIO | None = None
    ) -> None:
        self.is_main = is_main
        self.stream = stream
        self.metrics = MetricsTable(output_dir / METRICS_FILE)
        self._log_dir = log_dir if is_main else None
        self._board: SummaryWriter | None = None
        self._bar: Any = None
        self._started = 0.0
        self._steps = self._done = self._done_before = 0

    def say(self, sentence: str) -> None:
        """Print a sentence, above the bar where there is one."""
        if self.is_main:
            tqdm.write(sentence, file=self.stream or sys.stderr)

    def watch(self, items: Iterable[Any], doing: str) -> Iterable[Any]:
        """Show a bar over items that are gone through once."""
        bar: Iterable[Any] = tqdm(
            items,
            desc=doing,
            file=self.stream or sys.stderr,
            disable=None if self.is_main else True,
            leave=False,
        )
        return bar

    def begin_phase(self, phase: str, epoch: int, steps: int, done: int) -> None:
        """Start the bar of a phase: `steps` in all its epochs, of which some may be done."""
        if not self.is_main:
            return
        self.metrics.begin(phase, epoch)
        if self._log_dir is not None:
            self._board = SummaryWriter(str(self._log_dir / phase), purge_step=done or None)
        # None: no bar where the output is no terminal; the epochs' lines tell the time left too.
        self._bar = tqdm(
            total=steps, initial=done, desc=phase, file=self.stream or sys.stderr, disable=None
        )
        self._started, self._done_before, self._steps = time.monotonic(), done, steps
        self._done = done

    def step(self, loss: float, learning_rate: float, *, write: bool) -> None:
        """Count one step of the optimizer."""
        if not self.is_main:
            return
        self._done += 1
        self._bar.update()
        if write:
            self._bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self._scalars({"loss": loss, "learning_rate": learning_rate}, self._done)

    def epoch(self, phase: str, epoch: int, epochs: int, values: Mapping[str, float]) -> None:
        """Write down what an epoch brought."""
        if not self.is_main:
            return
        self.metrics.add(phase, epoch, values)
        known = {k: v for k, v in values.items() if k.startswith("val_")}
        names = {"val_iou": "iou", "val_loss": "validation/loss"}
        self._scalars(
            {names.get(k, k.replace("val_", "validation/")): v for k, v in known.items()},
            self._done,
        )
        shown = [f"{k} {v:.4f}" for k, v in {"loss": values["train_loss"], **known}.items()]
        self.say(f"{phase} {epoch + 1}/{epochs}: {', '.join(shown)}; {self._time_left()}")

    def pictures(self, images: Tensor | None) -> None:
        """Show example pictures (N, 3, h, w) in [0, 1]."""
        if self._board is not None and images is not None:
            self._board.add_image("examples", make_grid(images, nrow=2), self._done)

    def end_phase(self) -> None:
        """Close the bar and TensorBoard's file."""
        if self._bar is not None:
            self._bar.close()
        if self._board is not None:
            self._board.close()
        self._bar = self._board = None

    def _scalars(self, values: Mapping[str, float], step: int) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def _time_left(self) -> str:
        done = self._done - self._done_before
        seconds = (time.monotonic() - self._started) / max(done, 1) * (self._steps - self._done)
        if seconds < 90:
            return f"{seconds:.0f} s left"
        return f"{seconds / 60:.0f} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"
