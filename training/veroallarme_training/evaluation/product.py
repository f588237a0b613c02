"""The rows of the product itself, run as a user runs it: `veroallarme adapt`, then `score`."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from veroallarme_training.evaluation.cameras import Camera, EvaluationError
from veroallarme_training.evaluation.scores import EventScore, read_scores

COMMAND = (sys.executable, "-m", "veroallarme_core.cli")

# A process counts the memory of the one that it was forked from as its own: a small one between
# the two keeps that of this evaluation out.
_LAUNCHER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code if code >= 0 else 128 - code)
"""


@dataclass(frozen=True)
class Cost:
    """What the adaptation of one camera took."""

    events: int
    seconds: float
    peak_mb: float


@dataclass(frozen=True, eq=False)
class Product:
    """The installed `veroallarme`, in processes of its own.

    Args:
        name: of the row.
        adapts: whether it learns the camera first; else it judges as on the first day.
        thumbs: what the user said of single events, True for relevant.
        command: starts the program.
    """

    name: str
    adapts: bool = True
    thumbs: Mapping[str, bool] = field(default_factory=dict)
    command: Sequence[str] = COMMAND
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    """Of every adaptation, by camera."""

    def taught(self, thumbs: Mapping[str, bool]) -> Product:
        """Return the same row with these thumbs."""
        return replace(self, thumbs=thumbs)

    def score(self, camera: Camera) -> list[EventScore]:
        """Adapt to the camera and score its events.

        Raises:
            EvaluationError: the program failed; the sentence holds its last words.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            state = ["--state-dir", str(folder / "state")]
            data = ["--data-dir", str(camera.folder)]
            if self.adapts:
                labels = self._write_thumbs(folder / "labels.csv")
                cost = self._run("adapt", *data, *state, *labels, events=len(camera.events))
                self.costs.setdefault(camera.name, []).append(cost)
            output = folder / "scores.csv"
            given = state if self.adapts else []
            self._run("score", *data, *given, "--output", str(output))
            return read_scores(output)

    def _write_thumbs(self, path: Path) -> list[str]:
        if not self.thumbs:
            return []
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("event_id", "label"))
            for event_id, relevant in self.thumbs.items():
                writer.writerow((event_id, "relevant" if relevant else "irrelevant"))
        return ["--labels", str(path)]

    def _run(self, *words: str, events: int = 0) -> Cost:
        started = time.perf_counter()
        with tempfile.NamedTemporaryFile(mode="r") as memory:
            launcher = [sys.executable, "-c", _LAUNCHER, memory.name]
            done = subprocess.run(
                [*launcher, *self.command, *words], capture_output=True, text=True, check=False
            )
            peak = int(memory.read() or 0)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            last = lines[-1] if lines else "it said nothing"
            raise EvaluationError(
                f"`veroallarme {' '.join(words)}` ended with {done.returncode}: {last}"
            )
        unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
        return Cost(events, time.perf_counter() - started, peak / unit)
