"""Intruders pasted over a camera's own pictures, judged as operation would judge them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.history import EventFolder, picture_files, read_frames
from veroallarme_core.adaptation.intruders import Cast, Intruder, Sight, bare
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.progress import ReportProgress
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
from veroallarme_core.pictures import DecodedFrame, Frame, FrameError, read_frame
from veroallarme_core.pipeline import (
    EventPipeline,
    JudgedBurst,
    find_motion,
    judge_looks,
    threshold_in_force,
)

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
    sight: Sight | None = field(default=None, compare=False, repr=False)
    """What was seen of it, to judge it by again; None where that would not be enough."""


@dataclass(frozen=True, eq=False)
class Trial:
    """Judges bursts as operation will, by the model whose promise is in question."""

    pipeline: EventPipeline
    memory: SceneMemory
    model: CameraModel
    zones: tuple[Zone, ...] = ()
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
    ) -> JudgedBurst:
        """Judge a burst by the rules, the zones and the model.

        Args:
            motion: what Stage 1 found in it.
            source: the event that it was made of.
            is_quick: do without the detector and without a second look. Both only raise a rank.
        """
        pipeline = self.pipeline.that_recognises_nobody() if is_quick else self.pipeline
        return pipeline.judge_motion(
            motion,
            self._settings,
            state=self._state(source, is_quick=is_quick),
            event_id=source.event_id,
            motion_at=datetime.fromtimestamp(source.at, UTC),
        )

    def judge_again(
        self, looks: Sequence[JudgedBurst], source: EventFolder, *, is_quick: bool
    ) -> BurstJudgement | None:
        """Judge an undamaged burst by what was seen of it before, just as `judge` would.

        Args:
            looks: that were taken.
            source: the event that it was made of.
            is_quick: as for `judge`; looks that the detector took part in rank no lower.

        Returns:
            None where another look is due.
        """
        return judge_looks(
            looks,
            self._state(source, is_quick=is_quick),
            event_id=source.event_id,
            motion_at=datetime.fromtimestamp(source.at, UTC),
            threshold=threshold_in_force(self._settings),
        )

    @property
    def _settings(self) -> CameraSettings:
        return CameraSettings(mode=Mode.FILTER, zones=self.zones, objects=self.objects)

    def _state(self, source: EventFolder, *, is_quick: bool) -> CameraState:
        line = -math.inf if is_quick else HIGHEST_LINE
        return CameraState.on_trial(source.folder, self.memory, self.model, line)

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

    @property
    def has_thumbs_down(self) -> bool:
        """Whether a region may be suppressed for what the user said of its like.

        Who is recognised as a person takes more thumbs, so that the detector has a say then.
        """
        return bool((self.memory.bank.label < 0).any())

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
    intruders: Sequence[Intruder],
    options: AdaptationOptions,
    progress: ReportProgress,
) -> list[Attempt]:
    """Let intruders appear in bursts that are undamaged and hardly show real ones.

    Where that bounds their ranks they are judged quickly: `settle` finds out more where it matters.
    """
    run = _Run.of(trial, intruders, options)
    attempts: list[Attempt] = []
    tried = run.attempts(list(run.intruders), options.threads, is_quick=trial.has_bounds)
    for count, fared in enumerate(tried, 1):
        if fared is not None:
            attempts.append(fared)
        progress("intruders", count, len(intruders))
    return sorted(attempts, key=lambda attempt: attempt.number)


def settle(
    trial: Trial,
    intruders: Sequence[Intruder],
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
        intruders: who appeared in it.
        attempts: as `try_intruders` returned them.
        highest_line: returns the highest line that such attempts draw, -inf where they draw none.
        options: how to learn.
        progress: told how many were judged in full.
    """
    run = _Run.of(trial, intruders, options)
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
        for index in chosen.values():
            # Whose burst was removed since, or cannot be read any more, ranks no lower than that.
            settled[index] = replace(settled[index], is_exact=True, sight=None)
        for attempt in run.attempts(list(chosen), options.threads):
            looked += 1
            progress("closer looks", looked, len(settled))
            if attempt is not None:
                settled[chosen[attempt.number]] = attempt


def with_sights(intruders: Sequence[Intruder], attempts: Sequence[Attempt]) -> list[Intruder]:
    """Return the intruders with what was seen of them, as these attempts of theirs tell."""
    sights = {attempt.number: attempt.sight for attempt in attempts}
    return [replace(intruder, sight=sights.get(intruder.number, Sight())) for intruder in intruders]


@dataclass(frozen=True, eq=False)
class _Run:
    """The intruders of one adaptation, by their numbers."""

    trial: Trial
    intruders: Mapping[int, Intruder]
    seed: int

    @classmethod
    def of(cls, trial: Trial, intruders: Sequence[Intruder], options: AdaptationOptions) -> _Run:
        return cls(trial, {intruder.number: intruder for intruder in intruders}, options.seed)

    def attempts(
        self, numbers: Sequence[int], threads: int, *, is_quick: bool = False
    ) -> Iterator[Attempt | None]:
        """Let intruders appear, in any order; None for those of whom nobody could be seen."""
        # What intruders over the same burst have in common is looked at once.
        by_source: dict[str, list[Intruder]] = {}
        for number in numbers:
            intruder = self.intruders[number]
            by_source.setdefault(intruder.source.event_id, []).append(intruder)
        groups = [
            ours[start : start + _OVER_ONE_BURST]
            for ours in by_source.values()
            for start in range(0, len(ours), _OVER_ONE_BURST)
        ]
        for fared in map_in_order(
            lambda group: self._attempt_over(group, is_quick=is_quick), groups, threads
        ):
            yield from fared

    def _attempt_over(
        self, intruders: Sequence[Intruder], *, is_quick: bool
    ) -> list[Attempt | None]:
        """Let intruders appear in the same burst, one after the other."""
        source = intruders[0].source
        fared: list[Attempt | None] = [
            self._attempt_again(intruder, is_quick=is_quick) for intruder in intruders
        ]
        new = [
            intruder
            for intruder, known in zip(intruders, fared, strict=True)
            if known is None and not intruder.is_hidden
        ]
        stage = _Stage.read(source, self.trial) if new else None
        if stage is None:
            return fared
        trial = self.trial.over(stage.frames)
        looked = {
            intruder.number: self._attempt(intruder, stage, trial, is_quick=is_quick)
            for intruder in new
        }
        return [
            known or looked.get(intruder.number)
            for intruder, known in zip(intruders, fared, strict=True)
        ]

    def _attempt_again(self, intruder: Intruder, *, is_quick: bool) -> Attempt | None:
        """Judge an intruder by what was seen of it; None where it is to be looked at."""
        sight = intruder.sight
        if sight is None or not sight.looks:
            return None

        def rank(*, is_quick: bool) -> float | None:
            judged = self.trial.judge_again(sight.looks, intruder.source, is_quick=is_quick)
            return None if judged is None else self.trial.rank(judged)

        full = None if sight.is_quick else rank(is_quick=False)
        if full is not None:
            return Attempt(full, sight.is_seen, sight.height_px, intruder.number, sight=sight)
        bound = rank(is_quick=True) if is_quick else None
        if bound is None or bound == math.inf:
            return None
        is_exact = bound == -math.inf and not self.trial.has_thumbs_down
        return Attempt(bound, sight.is_seen, sight.height_px, intruder.number, is_exact, sight)

    def _attempt(
        self, intruder: Intruder, stage: _Stage, trial: Trial, *, is_quick: bool
    ) -> Attempt | None:
        rng = np.random.default_rng([self.seed, intruder.number])
        synthetic = stage.paste(rng, intruder.cast)
        if synthetic is None:
            return None
        source = intruder.source
        motion = find_motion([DecodedFrame(frame) for frame in synthetic.frames])
        shown = np.logical_or.reduce(synthetic.masks)
        is_seen = bool((motion.motion_mask[shown] > 0).any())
        judged = trial.judge(motion, source, is_quick=is_quick)
        rank = trial.rank(judged.judgement)
        if is_quick and rank == math.inf:  # no bound: what alerts in doubt may not be in doubt
            judged, is_quick = trial.judge(motion, source), False
            rank = trial.rank(judged.judgement)
        is_exact = not is_quick or (math.isinf(rank) and not trial.has_thumbs_down)
        height_px = synthetic.height_px
        # What damage hides is doubted by more than the looks.
        is_damaged = any(damage.kinds for damage in motion.damage)
        looks = () if is_damaged else _bare(judged.looks, trial.pipeline.detector_name)
        sight = Sight(looks, is_quick, is_seen, height_px) if looks else None
        return Attempt(rank, is_seen, height_px, intruder.number, is_exact, sight)


def _bare(looks: Sequence[JudgedBurst], detector: str) -> tuple[JudgedBurst, ...]:
    """Return what is kept of one look or two; none where a network failed."""
    first = bare(looks[0], detector)
    second = first if looks[-1] is looks[0] else bare(looks[-1], detector)
    return () if first is None or second is None else (first, second)[: len(looks)]


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
            judged = trial.judge(find_motion(frames), source).judgement
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

    @classmethod
    def read(cls, source: EventFolder, trial: Trial) -> _Stage | None:
        """Read the pictures of an event; None where nobody could appear in them."""
        try:
            paths = picture_files(source.folder)
            if not paths:  # it is being removed
                return None
            frames = tuple(read_frame(path).image for path in paths)
            options = IntruderOptions.for_pictures_like(paths[0].read_bytes())
        except (OSError, FrameError):
            return None
        height, width = frames[0].shape[:2]
        premises = Premises.of(trial.zones, (height, width), trial.objects)
        within = premises.judged
        if within is not None and not within.any():
            return None
        return cls(frames, options, premises)

    def paste(self, rng: np.random.Generator, cast: Cast) -> SyntheticEvent | None:
        """Let an intruder appear; None where nobody could be seen."""
        return paste_intruder(
            self.frames,
            rng,
            cast.places,
            cast.sprites,
            options=self.options,
            within=self.premises.judged,
            perspective=cast.perspective,
            counts=self.premises.counts_at,
        )
