"""The rows of the product itself, run as a user runs it: `veroallarme adapt`, then `score`."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from veroallarme_core.contract import read_zones
from veroallarme_training.evaluation.cameras import Camera, EvaluationError
from veroallarme_training.evaluation.intruders import Trial, try_intruders
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


class ZoneChoice(Enum):
    """Where motion counts for the user of a row."""

    NOWHERE_SAID = "none"
    DRAWN = "drawn"
    """The camera's `zones.json`; a camera without such a file has none."""
    SUGGESTED = "suggested"
    """What a fresh installation suggests, taken as it is."""


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
        states: folder for what is learned of the cameras.
        adapts: whether it learns the camera first; else it judges as on the first day.
        intruders: synthetic ones that it must find on each camera afterwards.
        seed: of these intruders.
        thumbs: what the user said of single events, True for relevant.
        zones: that the user has drawn or accepted.
        command: starts the program.
    """

    name: str
    states: Path
    adapts: bool = True
    intruders: int = 0
    seed: int = 0
    thumbs: Mapping[str, bool] = field(default_factory=dict)
    zones: ZoneChoice = ZoneChoice.NOWHERE_SAID
    command: Sequence[str] = COMMAND
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    """Of every adaptation, by camera."""
    _adapted: set[str] = field(default_factory=set, init=False)
    _suggested: dict[str, Path] = field(default_factory=dict, init=False)

    def taught(self, thumbs: Mapping[str, bool]) -> Product:
        """Return the same row with these thumbs."""
        return replace(self, thumbs=thumbs, intruders=0, states=self.states / "taught")

    def state(self, camera: Camera) -> Path:
        """Return the folder of what is learned of a camera; the first call adapts.

        Raises:
            EvaluationError: the program failed; the sentence holds its last words.
        """
        folder = self.states / camera.name
        if camera.name not in self._adapted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            words = ["--data-dir", str(camera.folder), "--state-dir", str(folder)]
            words += self._write_thumbs(folder / "labels.csv") + self._zones(camera)
            cost = self._run("adapt", *words, events=len(camera.events))
            self.costs.setdefault(camera.name, []).append(cost)
            self._adapted.add(camera.name)
        return folder

    def learn(self, camera: Camera) -> None:
        """Adapt to a camera where that is wanted and not done yet.

        Raises:
            EvaluationError: the program failed; the sentence holds its last words.
        """
        if self.adapts:
            self.state(camera)

    def score(self, camera: Camera) -> list[EventScore]:
        """Adapt to the camera and score its events.

        Raises:
            EvaluationError: the program failed; the sentence holds its last words.
        """
        state = ["--state-dir", str(self.state(camera))] if self.adapts else []
        state += self._zones(camera)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "scores.csv"
            self._run("score", "--data-dir", str(camera.folder), *state, "--output", str(output))
            return read_scores(output)

    def try_intruders(self, camera: Camera, scores: Sequence[EventScore]) -> list[Trial]:
        """Let `intruders` appear on a camera that was adapted to; `scores` are of its events."""
        if not self.intruders or not self.adapts:
            return []
        path = self._zones_file(camera)
        zones = () if path is None else read_zones(path)
        state = self.state(camera)
        return try_intruders(camera, state, scores, self.intruders, self.seed, zones)

    def _zones(self, camera: Camera) -> list[str]:
        path = self._zones_file(camera)
        return [] if path is None else ["--zones", str(path)]

    def _zones_file(self, camera: Camera) -> Path | None:
        if self.zones is ZoneChoice.DRAWN and camera.zones.is_file():
            return camera.zones
        if self.zones is not ZoneChoice.SUGGESTED:
            return None
        if camera.name not in self._suggested:
            path = self.states / f"{camera.name}.zones.json"
            self.states.mkdir(parents=True, exist_ok=True)
            self._run("suggest", "--data-dir", str(camera.folder), "--output", str(path))
            self._suggested[camera.name] = path
        return self._suggested[camera.name]

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
