"""Intruders pasted over a camera's own pictures, judged as operation would judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder, picture_files, read_frames
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.adaptation.progress import ReportProgress
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.adaptation.synthetic_intruders import (
    IntruderOptions,
    SyntheticEvent,
    paste_intruder,
)
from veroallarme_core.adaptation.teacher import TaughtRegions
from veroallarme_core.adaptation.threads import map_in_order
from veroallarme_core.camera_memory import CameraModel, CameraState, SceneMemory
from veroallarme_core.contract import ALL_KINDS, CameraSettings, Mode, ObjectKind, State, Zone
from veroallarme_core.judgement import (
    ALWAYS_ALERTING,
    OUTSIDE,
    UNWANTED,
    BurstJudgement,
    Premises,
)
from veroallarme_core.motion_detection import MotionDetectionResult
from veroallarme_core.pictures import JUDGED_EDGE, DecodedFrame, Frame, FrameError, read_frame
from veroallarme_core.pipeline import EventPipeline, find_motion

Floats = NDArray[np.float64]

HIGHEST_LINE = 0.8
"""Rank above which no camera's line lies: below, a burst on trial is looked at twice."""
_OVER_ONE_BURST = 16  # intruders whose crops are remembered together
_AT_A_TIME = 8  # intruders that are looked at closely before the line is drawn anew
_SOURCE_SHARE = 0.75  # of the events, by rank: the others are likeliest to show a real mover


@dataclass(frozen=True)
class Attempt:
    """How an intruder fared."""

    rank: float
    """The highest threshold that still lets the alarm ring; -inf where no threshold does, inf
    where every one does."""
    is_seen: bool
    """Whether Stage 1 found a region on the intruder."""
    height_px: int
    """Of its tallest box."""
    number: int = 0
    """Which of the intruders it was."""
    is_exact: bool = True
    """Whether the rank is known, and not only that it is no lower."""


@dataclass(frozen=True, eq=False)
class Cast:
    """Who may appear: the camera's own movers, and how tall people are where."""

    sprites: tuple[Sprite, ...] = ()
    perspective: Perspective | None = None

    @classmethod
    def of(cls, known: Sequence[ObservedEvent]) -> Cast:
        """Take them from a history."""
        sprites = tuple(sprite for event in known for sprite in event.sprites)
        sightings = [person for event in known for person in event.sightings]
        return cls(sprites, Perspective.of(sightings))


@dataclass(frozen=True, eq=False)
class Trial:
    """Judges bursts as operation will, by the model whose promise is in question."""

    pipeline: EventPipeline
    memory: SceneMemory
    model: CameraModel
    zones: tuple[Zone, ...] = ()
    cast: Cast = field(default_factory=Cast)
    objects: tuple[ObjectKind, ...] = ALL_KINDS

    def sources(self, known: Sequence[ObservedEvent], event_ranks: Floats) -> list[ObservedEvent]:
        """Return the undamaged events that hardly show a real mover: intruders go over these."""
        if not known:
            return []
        highest = float(np.quantile(event_ranks, _SOURCE_SHARE))
        return [
            event
            for event, rank in zip(known, event_ranks, strict=True)
            if event.is_whole
            and not event.is_alerting
            and rank <= highest
            and self.memory.knows(event.evidence)
        ]

    def judge(
        self, motion: MotionDetectionResult, source: EventFolder, *, is_quick: bool = False
    ) -> BurstJudgement:
        """Judge a burst by the rules, the zones and the model.

        Args:
            motion: what Stage 1 found in it.
            source: the event that it was made of.
            is_quick: do without the detector and without a second look. Both only raise a rank.
        """
        line = -math.inf if is_quick else HIGHEST_LINE
        state = CameraState.on_trial(source.folder, self.memory, self.model, line)
        pipeline = self.pipeline.that_recognises_nobody() if is_quick else self.pipeline
        return pipeline.judge_motion(
            motion,
            CameraSettings(mode=Mode.FILTER, zones=self.zones, objects=self.objects),
            state=state,
            event_id=source.event_id,
            motion_at=datetime.fromtimestamp(source.at, UTC),
        ).judgement

    def over(self, frames: Sequence[Frame]) -> Trial:
        """Return the trial for some bursts that are one with an intruder in it, by one thread."""
        return replace(self, pipeline=self.pipeline.for_variants_of(frames))

    @property
    def has_bounds(self) -> bool:
        """Whether a quick judgement never ranks higher than a full one.

        Where some kinds of objects do not count, to be recognised as one of them is no rise.
        """
        chosen = [self.objects, *(zone.objects for zone in self.zones if zone.objects is not None)]
        return all(set(kinds) >= set(ALL_KINDS) for kinds in chosen)

    def rank(self, judged: BurstJudgement) -> float:
        """Return the rank that decides about a burst; see `Attempt`."""
        if judged.state is State.UNKNOWN or judged.score is None:
            return math.inf
        if judged.state is State.IRRELEVANT and not judged.undecided:
            return -math.inf
        if "rank" not in judged.cues or judged.reason in ALWAYS_ALERTING:
            return math.inf
        return self.model.rank_at(judged.score)


def try_intruders(
    trial: Trial,
    sources: Sequence[ObservedEvent],
    options: AdaptationOptions,
    progress: ReportProgress,
) -> list[Attempt]:
    """Let intruders appear in bursts that are undamaged and hardly show real ones.

    Where that bounds their ranks they are judged quickly: `settle` finds out more where it matters.
    """
    if not sources:
        return []
    run = _Run.of(trial, sources, options)
    attempts: list[Attempt] = []
    tried = run.attempts(range(options.intruders), options.threads, is_quick=trial.has_bounds)
    for count, fared in enumerate(tried, 1):
        if fared is not None:
            attempts.append(fared)
        progress("intruders", count, options.intruders)
    return sorted(attempts, key=lambda attempt: attempt.number)


def settle(
    trial: Trial,
    sources: Sequence[ObservedEvent],
    attempts: Sequence[Attempt],
    highest_line: Callable[[Sequence[Attempt]], float],
    options: AdaptationOptions,
    progress: ReportProgress,
) -> list[Attempt]:
    """Judge in full the intruders whose rank decides where a line lies, or on which side they are.

    Lines drawn by ranks that are too low are too low: each time some of them are found out the
    lines rise, until nobody below them is judged quickly.

    Args:
        trial: that the attempts were made in.
        sources: of the same.
        attempts: as `try_intruders` returned them.
        highest_line: returns the highest line that such attempts draw, -inf where they draw none.
        options: how to learn.
        progress: told how many were judged in full.
    """
    run = _Run.of(trial, sources, options)
    settled = list(attempts)
    looked = 0
    while True:
        line = highest_line(settled)
        quick = [index for index, attempt in enumerate(settled) if not attempt.is_exact]
        quick.sort(key=lambda index: settled[index].rank)
        below = sum(settled[index].rank <= line for index in quick)
        if not below:
            return settled
        # The line will rise: the next ones are looked at together, by all threads.
        chosen = {settled[index].number: index for index in quick[: max(below, _AT_A_TIME)]}
        for attempt in run.attempts(list(chosen), options.threads):
            assert attempt is not None, "the same intruder was there before"
            settled[chosen[attempt.number]] = attempt
            looked += 1
            progress("closer looks", looked, len(settled))


@dataclass(frozen=True, eq=False)
class _Run:
    """The intruders of one adaptation: the same number is the same intruder."""

    trial: Trial
    sources: Sequence[ObservedEvent]
    places: NDArray[np.float32]
    seed: int

    @classmethod
    def of(cls, trial: Trial, sources: Sequence[ObservedEvent], options: AdaptationOptions) -> _Run:
        return cls(trial, sources, trial.memory.recurrence(), options.seed)

    def attempts(
        self, numbers: Sequence[int], threads: int, *, is_quick: bool = False
    ) -> Iterator[Attempt | None]:
        """Let intruders appear, in any order; None for those of whom nobody could be seen."""
        # What intruders over the same burst have in common is looked at once.
        by_source: dict[int, list[int]] = {}
        for number in numbers:
            source, _ = self._draw(number)
            by_source.setdefault(source, []).append(number)
        groups = [
            (source, ours[start : start + _OVER_ONE_BURST])
            for source, ours in by_source.items()
            for start in range(0, len(ours), _OVER_ONE_BURST)
        ]
        for fared in map_in_order(
            lambda group: self._attempt_over(*group, is_quick=is_quick), groups, threads
        ):
            yield from fared

    def _draw(self, number: int) -> tuple[int, np.random.Generator]:
        """Return the source of an intruder, and what all else of it is drawn by."""
        rng = np.random.default_rng([self.seed, number])
        return int(rng.integers(len(self.sources))), rng

    def _attempt_over(
        self, index: int, numbers: Sequence[int], *, is_quick: bool
    ) -> list[Attempt | None]:
        """Let intruders appear in the same burst, one after the other."""
        source = self.sources[index].source
        stage = _Stage.read(source, self.trial)
        if stage is None:
            return [None] * len(numbers)
        trial = self.trial.over(stage.frames)
        return [
            self._attempt(number, stage, trial, source, is_quick=is_quick) for number in numbers
        ]

    def _attempt(
        self, number: int, stage: _Stage, trial: Trial, source: EventFolder, *, is_quick: bool
    ) -> Attempt | None:
        _, rng = self._draw(number)
        synthetic = stage.paste(rng, self.places)
        if synthetic is None:
            return None
        motion = find_motion([DecodedFrame(frame) for frame in synthetic.frames])
        shown = np.logical_or.reduce(synthetic.masks)
        is_seen = bool((motion.motion_mask[shown] > 0).any())
        rank = trial.rank(trial.judge(motion, source, is_quick=is_quick))
        if is_quick and rank == math.inf:  # no bound: what alerts in doubt may not be in doubt
            rank, is_quick = trial.rank(trial.judge(motion, source)), False
        is_exact = not is_quick or math.isinf(rank)
        return Attempt(rank, is_seen, synthetic.height_px, number, is_exact)


def try_confirmed(trial: Trial, taught: TaughtRegions) -> Floats:
    """Return the ranks of the events that the user called relevant, (n,).

    Where nothing moved that counts by now the user has said since that it does not matter: by a
    zone, or by the kinds of objects.
    """
    ranks_of_events = []
    for index, is_up in taught.thumbs.items():
        source = taught.events[index].source
        frames = read_frames(source) if is_up else []
        if any(frame is not None for frame in frames):
            judged = trial.judge(find_motion(frames), source)
            if judged.reason not in (OUTSIDE, UNWANTED):
                ranks_of_events.append(trial.rank(judged))
    return np.array(ranks_of_events, np.float64)


@dataclass(frozen=True, eq=False)
class _Stage:
    """A burst in which intruders appear."""

    frames: tuple[Frame, ...]
    """uint8 (H, W, 3) BGR."""
    options: IntruderOptions
    premises: Premises
    cast: Cast

    @classmethod
    def read(cls, source: EventFolder, trial: Trial) -> _Stage | None:
        """Read the pictures of an event; None where nobody could appear in them."""
        try:
            paths = picture_files(source.folder)
            frames = tuple(read_frame(path, longest_edge=JUDGED_EDGE).image for path in paths)
            options = IntruderOptions.for_pictures_like(paths[0].read_bytes())
        except (OSError, FrameError):
            return None
        height, width = frames[0].shape[:2]
        premises = Premises.of(trial.zones, (height, width), trial.objects)
        within = premises.judged
        if within is not None and not within.any():
            return None
        return cls(frames, options, premises, trial.cast)

    def paste(self, rng: np.random.Generator, places: NDArray[np.float32]) -> SyntheticEvent | None:
        """Let an intruder appear; None where nobody could be seen."""
        return paste_intruder(
            self.frames,
            rng,
            places,
            self.cast.sprites,
            options=self.options,
            within=self.premises.judged,
            perspective=self.cast.perspective,
            counts=self.premises.counts_at,
        )
