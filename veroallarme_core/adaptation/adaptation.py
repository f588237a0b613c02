"""Learn one camera from its own unlabelled history and the user's thumbs; no torch.

A teacher that needs no labels ranks all regions that ever moved: by how much of them nothing
explains, how far they are from the usual look of their place, how seldom their like moved there,
and how seldom anything does. What it is surest of teaches a small head on frozen features, and
both together rank. The line is drawn by intruders that are pasted over the camera's own pictures.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from veroallarme_core.adaptation.synthetic_intruders import (
    IntruderOptions,
    SyntheticEvent,
    paste_intruder,
)
from veroallarme_core.camera_memory.camera_model import (
    CUES,
    FOLDS,
    QUANTILES,
    CameraModel,
    Promise,
    cue_values,
    fold_of,
    quantiles_of,
    ranks,
    teacher_ranks,
)
from veroallarme_core.camera_memory.camera_state import FEWEST_EVENTS, FEWEST_SESSIONS, CameraState
from veroallarme_core.camera_memory.scene_memory import SESSION_S, RegionCues, SceneMemory
from veroallarme_core.contract.settings import CameraSettings, Mode
from veroallarme_core.contract.verdict import State
from veroallarme_core.description.burst_evidence import (
    SKETCH_DIM,
    TAUGHT_REGIONS,
    BurstEvidence,
    RegionEvidence,
    gather_evidence,
)
from veroallarme_core.description.scene_encoder import SceneEncoder
from veroallarme_core.judgement import ALWAYS_ALERTING, candidates, judge_motion
from veroallarme_core.motion_detection.detector import MotionDetectionResult
from veroallarme_core.pictures.frames import DecodedFrame, FrameError, read_frame
from veroallarme_core.pipeline import EventPipeline, find_motion

Floats = NDArray[np.float64]

_NO_FEATURES = np.zeros((0, 0, 0, 0), np.float32)
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")
_ID_TIME = "%Y%m%d_%H%M%S"
_POSITIVE_SHARE, _NEGATIVE_SHARE = 0.2, 0.5  # of the regions, by the teacher's rank
_COMPONENTS = 64  # of the sketches that a head sees
_DECAY = 1.0 / 3.0  # weight of a head's size against its errors, which weigh 2 together
_THUMBS_WEIGHT = 3.0  # of all thumbs together; the teacher's two sides weigh 1 each
_ROUNDS = 3  # in which the regions behind a thumb up are chosen anew
_SOURCE_SHARE = 0.75  # of the events, by rank: the others are likeliest to show a real mover
_FEWEST_REGIONS = 60  # that a head is fitted to

T = TypeVar("T")
U = TypeVar("U")
Progress = Callable[[str, int, int], None]
"""Told the step and how much of it is done, of how much."""


class AdaptationError(ValueError):
    """A camera cannot be learned; the message is one sentence for the user."""


@dataclass(frozen=True, kw_only=True)
class AdaptationOptions:
    """How a camera is learned."""

    recall: float = 0.99
    """Share of intruders that must raise the alarm."""
    confidence: float = 0.95
    """With which the promise must hold."""
    intruders: int = 1200
    """Synthetic intruders that the promise is calibrated on."""
    most_events: int = 1500
    """Only the latest events are learned from."""
    threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("recall", "confidence"):
            if not 0.5 <= getattr(self, name) < 1.0:
                raise AdaptationError(
                    f"{name} {getattr(self, name)!r}: give a share from 0.5 to below 1"
                )
        if self.seed < 0:
            raise AdaptationError(f"seed {self.seed}: give a whole number from 0")


@dataclass(frozen=True, kw_only=True)
class AdaptationReport:
    """What came of an adaptation."""

    learned: bool
    missing: str
    """One sentence on what is missing for the promise; empty where nothing is."""
    events: int
    unreadable: int
    """Events of which no frame can be decoded."""
    sessions: int
    regions: int
    suppressed: float
    """Share of the history that lies below the threshold."""
    seen: float
    """Share of the synthetic intruders that Stage 1 sees. The others count in the promise as well:
    what else moves decides about them."""
    promise: Promise | None
    seconds: float


@dataclass(frozen=True)
class EventFolder:
    """One event on disk and when it happened, seconds since 1970."""

    event_id: str
    folder: Path
    at: float


@dataclass(eq=False)
class _Event:
    """What is kept of an event while its camera is learned."""

    source: EventFolder
    evidence: BurstEvidence
    is_whole: bool
    """Whether no frame is damaged: intruders are pasted over these."""
    cues: tuple[RegionCues, ...] = ()

    @property
    def regions(self) -> tuple[RegionEvidence, ...]:
        return self.evidence.regions


def list_events(data_dir: Path) -> list[EventFolder]:
    """List a camera's events in order of time.

    Folders whose names are not all times are taken in the order of their names, a session each.

    Raises:
        AdaptationError: the folder cannot be read, or holds no folder with pictures.
    """
    try:
        folders = sorted(one for one in data_dir.iterdir() if one.is_dir() and picture_files(one))
    except OSError as error:
        raise AdaptationError(
            f"{data_dir} cannot be read: {error.strerror}; give a camera's folder of events"
        ) from None
    if not folders:
        raise AdaptationError(
            f"{data_dir} holds no event: give a folder with a folder of pictures per event"
        )
    times = [_time_of(one.name) for one in folders]
    if None in times:
        times = [float(index * SESSION_S) for index in range(len(folders))]
    return [
        EventFolder(folder.name, folder, at or 0.0)
        for folder, at in zip(folders, times, strict=True)
    ]


def picture_files(folder: Path) -> list[Path]:
    """Return the pictures of an event in the order of their names."""
    return sorted(
        one
        for one in folder.iterdir()
        if one.suffix.lower() in _PICTURES and not one.name.startswith(".") and one.stem.isdigit()
    )


def _time_of(name: str) -> float | None:
    try:
        return datetime.strptime(name[:15], _ID_TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def read_labels(path: Path) -> dict[str, bool]:
    """Read thumbs: a CSV file with the columns `event_id` and `label`, relevant or irrelevant.

    Raises:
        AdaptationError: the file cannot be read, lacks a column or holds another label.
    """
    labels = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            if not {"event_id", "label"} <= set(reader.fieldnames or ()):
                raise AdaptationError(
                    f"{path} needs the columns event_id and label in its first line"
                )
            for row in reader:
                label = row["label"].strip().lower()
                if label not in ("relevant", "irrelevant"):
                    raise AdaptationError(
                        f"{path}, line {reader.line_num}: label {label!r}: "
                        "write relevant or irrelevant"
                    )
                labels[row["event_id"].strip()] = label == "relevant"
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AdaptationError(f"{path} cannot be read as a CSV file ({error})") from None
    return labels


def adapt_camera(
    events: Sequence[EventFolder],
    encoder: SceneEncoder,
    labels: Mapping[str, bool],
    options: AdaptationOptions | None = None,
    progress: Progress = lambda step, done, total: None,
) -> tuple[SceneMemory, CameraModel, AdaptationReport]:
    """Learn a camera.

    Args:
        events: its history in order of time; only the latest are taken where there are too many.
        encoder: describes cells and regions.
        labels: the user's thumbs by event id; those of other events are ignored.
        options: None takes the defaults.
        progress: told how far it is, from this thread.

    Returns:
        The memory, the model and a report. A model without a promise ranks, but suppresses nothing.

    Raises:
        AdaptationError: not a single event shows anything.
        InferenceError: the encoder failed.
    """
    options = options or AdaptationOptions()
    started = time.monotonic()
    memory, known, unreadable = _look_through(
        events[-options.most_events :], encoder, options, progress
    )
    _assess(memory, known)
    teaching = _Teaching.of(known, labels)
    model = replace(_fit(teaching, encoder.name), view=memory.reaimed)
    event_ranks = teaching.event_ranks(model)
    _tell_thumbs(memory, teaching, model)
    trial = _Trial(EventPipeline(encoder=encoder), memory, model)
    sources = [
        one
        for one, rank in zip(known, event_ranks, strict=True)
        if one.is_whole
        and rank <= float(np.quantile(event_ranks, _SOURCE_SHARE))
        and memory.knows(one.evidence)
    ]
    attempts = _try_intruders(trial, sources, options, progress)
    synthetic = np.array([one.rank for one in attempts])
    confirmed = _try_confirmed(trial, teaching)
    missing = _what_is_missing(known, memory, synthetic, options)
    model = _calibrated(model, synthetic, confirmed, options, keeps=not missing)
    return (
        memory,
        model,
        AdaptationReport(
            learned=model.promise is not None,
            missing=missing,
            events=len(known),
            unreadable=unreadable,
            sessions=len(memory.sessions),
            regions=len(teaching.owner),
            suppressed=float(np.mean(event_ranks < model.threshold)) if len(event_ranks) else 0.0,
            seen=float(np.mean([one.is_seen for one in attempts])) if attempts else 0.0,
            promise=model.promise,
            seconds=time.monotonic() - started,
        ),
    )


# --- looking -------------------------------------------------------------------------------------


def _look_through(
    events: Sequence[EventFolder],
    encoder: SceneEncoder,
    options: AdaptationOptions,
    progress: Progress,
) -> tuple[SceneMemory, list[_Event], int]:
    """Let a new memory see all events; keep of them what is needed later, without the frames.

    Returns:
        The memory, the events of the latest view, and how many events cannot be read.
    """
    memory = SceneMemory(encoder.name)
    known: list[_Event] = []
    unreadable = 0
    looked = _in_threads(lambda event: _look(event, encoder), events, options.threads)
    for count, event in enumerate(looked, 1):
        if event is None:
            unreadable += 1
        else:
            if memory.observe(event.evidence, event.source.event_id, event.source.at):
                known.clear()  # the camera was turned: what it showed before says nothing
            # The regions keep what they need of the features, which are large.
            event.evidence = replace(event.evidence, features=_NO_FEATURES)
            known.append(event)
        progress("events", count, len(events))
    if not known:
        raise AdaptationError("not a single picture of these events can be used")
    return memory, known, unreadable


def _look(source: EventFolder, encoder: SceneEncoder) -> _Event | None:
    frames = _read(source)
    usable = [frame for frame in frames if frame is not None]
    if not usable:
        return None
    motion = find_motion(frames)
    evidence = gather_evidence(encoder, motion, candidates(judge_motion(motion)))
    if evidence is None:
        return None
    evidence = replace(evidence, regions=evidence.regions[:TAUGHT_REGIONS])
    is_whole = len(usable) == len(frames) >= 2 and bool(evidence.intact.all())
    return _Event(source, evidence, is_whole and len({f.image.shape for f in usable}) == 1)


def _read(source: EventFolder) -> list[DecodedFrame | None]:
    frames: list[DecodedFrame | None] = []
    for path in picture_files(source.folder):
        try:
            frames.append(read_frame(path))
        except FrameError:
            frames.append(None)
    return frames


def _in_threads(work: Callable[[T], U], items: Sequence[T], threads: int) -> Iterator[U]:
    """Yield results in order, with only a few ahead: evidence is large."""
    with ThreadPoolExecutor(threads) as pool:
        ahead = [pool.submit(work, item) for item in items[: 2 * threads]]
        try:
            for index in range(len(items)):
                result = ahead.pop(0).result()
                if index + 2 * threads < len(items):
                    ahead.append(pool.submit(work, items[index + 2 * threads]))
                yield result
        finally:
            for one in ahead:
                one.cancel()


def _assess(memory: SceneMemory, known: Sequence[_Event]) -> None:
    for event in known:
        if event.regions and memory.grid == event.evidence.grid:
            event.cues = memory.assess(event.regions, event.evidence.light, event.source.at)


def _tell_thumbs(memory: SceneMemory, teaching: _Teaching, model: CameraModel) -> None:
    """Let the memory know the thumbs: they act on their like at once, whatever the head says."""
    for index, is_up in teaching.thumbs.items():
        one = teaching.events[index]
        best = (
            int(model.rank(one.regions, one.cues, one.source.event_id).argmax()) if one.cues else 0
        )
        places = [region.place for region in one.regions]
        memory.bank.judge(one.source.event_id, is_up, places[best] if places else None)


# --- teaching ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Teaching:
    """All regions of a camera's history in rows."""

    events: Sequence[_Event]
    owner: NDArray[np.intp]
    """(n,): index of the event."""
    fold: NDArray[np.intp]
    values: Floats
    """(n, 4): what the teacher weighs."""
    sketches: Floats
    """(n, SKETCH_DIM)."""
    thumbs: Mapping[int, bool]
    """By index of the event."""

    @classmethod
    def of(cls, events: Sequence[_Event], labels: Mapping[str, bool]) -> _Teaching:
        judged = [(index, one) for index, one in enumerate(events) if one.cues]
        owner = np.array([index for index, one in judged for _ in one.regions], np.intp)
        fold = [fold_of(one.source.event_id) for _, one in judged for _ in one.regions]
        values = [cue_values(one.regions, one.cues) for _, one in judged]
        sketches = [region.sketch for _, one in judged for region in one.regions]
        return cls(
            events=events,
            owner=owner,
            fold=np.array(fold, np.intp),
            values=np.concatenate(values) if values else np.zeros((0, len(CUES))),
            sketches=np.array(sketches, np.float64).reshape(-1, SKETCH_DIM),
            thumbs={
                index: labels[one.source.event_id]
                for index, one in enumerate(events)
                if one.source.event_id in labels
            },
        )

    def event_ranks(self, model: CameraModel) -> Floats:
        """Return the rank of the best region of every event; 0 where nothing moved."""
        best = np.zeros(len(self.events))
        for index, one in enumerate(self.events):
            if one.cues:
                best[index] = model.rank(one.regions, one.cues, one.source.event_id).max()
        return best


def _fit(teaching: _Teaching, encoder: str) -> CameraModel:
    """Rank by the teacher, let it teach a head per fold, and note how both are distributed."""
    count = len(teaching.owner)
    values = teaching.values if count else np.zeros((1, len(CUES)))
    cue_quantiles = np.stack([quantiles_of(values[:, k]) for k in range(len(CUES))])
    taught = teacher_ranks(values, cue_quantiles)
    heads = np.zeros((FOLDS, SKETCH_DIM + 1))
    head_quantiles = np.zeros((FOLDS, QUANTILES))
    if count >= _FEWEST_REGIONS:
        heads = _fit_heads(teaching, ranks(taught, quantiles_of(taught)))
        said = teaching.sketches @ heads[:, :-1].T + heads[:, -1]  # (n, FOLDS)
        held_out = said[np.arange(count), teaching.fold]
        head_quantiles = np.stack(
            [
                quantiles_of(
                    held_out[teaching.fold == fold] if (teaching.fold == fold).any() else held_out
                )
                for fold in range(FOLDS)
            ]
        )
    return CameraModel(
        encoder=encoder,
        events=len(teaching.events),
        cue_quantiles=cue_quantiles,
        teacher_quantiles=quantiles_of(taught),
        heads=heads,
        head_quantiles=head_quantiles,
        threshold=0.0,
        promise=None,
    )


def _fit_heads(teaching: _Teaching, teacher: Floats) -> Floats:
    """Fit a logistic head per fold, (FOLDS, SKETCH_DIM + 1), on all the other folds."""
    mean, directions = _whitening(teaching.sketches)
    inputs = np.hstack([(teaching.sketches - mean) @ directions, np.ones((len(teacher), 1))])
    order = np.argsort(np.argsort(teacher)) / max(1, len(teacher) - 1)
    target = (order >= 1 - _POSITIVE_SHARE).astype(np.float64)
    taught = (order >= 1 - _POSITIVE_SHARE) | (order < _NEGATIVE_SHARE)
    current, weights = order, np.zeros((FOLDS, inputs.shape[1]))
    for _ in range(_ROUNDS if teaching.thumbs else 1):
        goal, weight = _with_thumbs(teaching, current, target, taught)
        for fold in range(FOLDS):
            # A thumb teaches every head: its own event is known anyway.
            is_thumb = np.isin(teaching.owner, list(teaching.thumbs))
            rows = ((teaching.fold != fold) | is_thumb) & (weight > 0)
            weights[fold] = fit_logistic(inputs[rows], goal[rows], weight[rows])
        current = np.sum(inputs * weights[teaching.fold], axis=1)
    # Back to functions of the sketch itself.
    slopes = weights[:, :-1] @ directions.T
    return np.hstack([slopes, (weights[:, -1] - slopes @ mean)[:, None]])


def _with_thumbs(
    teaching: _Teaching, current: Floats, target: Floats, taught: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return target and weight of every region, (n,) each, the teacher's and the user's.

    Thumb down: all regions are nuisance. Thumb up: the one that ranks highest by now is relevant,
    and of the others nothing is known.
    """
    goal = target.copy()
    weight = np.zeros(len(goal))
    for side in (0.0, 1.0):
        rows = taught & (target == side)
        weight[rows] = 1.0 / max(1, int(rows.sum()))
    share = _THUMBS_WEIGHT / max(1, len(teaching.thumbs))
    for index, is_up in teaching.thumbs.items():
        rows = np.flatnonzero(teaching.owner == index)
        if not len(rows):
            continue
        weight[rows], goal[rows] = 0.0, 0.0
        chosen = rows[[np.argmax(current[rows])]] if is_up else rows
        goal[chosen], weight[chosen] = float(is_up), share / len(chosen)
    return goal, weight


def _whitening(sketches: Floats) -> tuple[Floats, Floats]:
    """Return the mean, (d,), and directions, (d, k), in which sketches have unit variance."""
    mean = sketches.mean(axis=0)
    deviation = sketches.std(axis=0) + 1e-6
    values, vectors = np.linalg.eigh(np.cov((sketches - mean) / deviation, rowvar=False))
    best = np.argsort(values)[::-1][:_COMPONENTS]
    scale = np.sqrt(np.maximum(values[best], 1e-6))
    return mean, vectors[:, best] / scale / deviation[:, None]


def fit_logistic(inputs: Floats, target: Floats, weight: Floats) -> Floats:
    """Fit a logistic regression by Newton's method; its last input must be the constant 1.

    Args:
        inputs: (n, k).
        target: (n,), 0 or 1.
        weight: (n,), not negative.

    Returns:
        (k,): the weights; all but the constant's are kept small.
    """
    decay = np.full(inputs.shape[1], _DECAY)
    decay[-1] = 1e-4
    weights = np.zeros(inputs.shape[1])
    for _ in range(25):
        said = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (weight * (said - target)) + decay * weights
        curvature = (inputs * (weight * said * (1 - said))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + np.diag(decay), slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-6:
            break
    return weights


# --- the promise ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Attempt:
    """How an intruder fared."""

    rank: float
    """The highest threshold that still lets the alarm ring; -inf where no threshold does, inf
    where every one does."""
    is_seen: bool
    """Whether Stage 1 found a region on the intruder."""


@dataclass(frozen=True, eq=False)
class _Trial:
    """Judges bursts as operation will, by the model whose promise is in question."""

    pipeline: EventPipeline
    memory: SceneMemory
    model: CameraModel

    def judge(self, motion: MotionDetectionResult, source: EventFolder) -> float:
        """Return the rank that decides about a burst; see `_Attempt`."""
        state = CameraState.on_trial(source.folder, self.memory, self.model)
        judged = self.pipeline.judge_motion(
            motion,
            CameraSettings(mode=Mode.FILTER),
            state=state,
            event_id=source.event_id,
            motion_at=datetime.fromtimestamp(source.at, UTC),
        ).judgement
        if judged.state is State.UNKNOWN or judged.score is None:
            return math.inf
        if judged.state is State.IRRELEVANT and not judged.undecided:
            return -math.inf
        if "rank" not in judged.cues or judged.reason in ALWAYS_ALERTING:
            return math.inf
        return self.model.rank_at(judged.score)


def _try_intruders(
    trial: _Trial, sources: Sequence[_Event], options: AdaptationOptions, progress: Progress
) -> list[_Attempt]:
    """Let intruders appear in bursts that are undamaged and hardly show real ones."""
    if not sources:
        return []
    places = trial.memory.recurrence()

    def attempt(number: int) -> _Attempt | None:
        rng = np.random.default_rng([options.seed, number])
        source = sources[int(rng.integers(len(sources)))].source
        synthetic = _paste(source, rng, places)
        if synthetic is None:
            return None
        motion = find_motion([DecodedFrame(frame) for frame in synthetic.frames])
        shown = np.logical_or.reduce(synthetic.masks)
        is_seen = bool((motion.motion_mask[shown] > 0).any())
        return _Attempt(trial.judge(motion, source), is_seen)

    attempts: list[_Attempt] = []
    tried = _in_threads(attempt, range(options.intruders), options.threads)
    for number, one in enumerate(tried, 1):
        if one is not None:
            attempts.append(one)
        progress("intruders", number, options.intruders)
    return attempts


def _try_confirmed(trial: _Trial, teaching: _Teaching) -> Floats:
    """Return the ranks of the events that the user called relevant, (n,)."""
    ranks_of_events = []
    for index, is_up in teaching.thumbs.items():
        source = teaching.events[index].source
        frames = _read(source) if is_up else []
        if any(frame is not None for frame in frames):
            ranks_of_events.append(trial.judge(find_motion(frames), source))
    return np.array(ranks_of_events, np.float64)


def _paste(
    source: EventFolder, rng: np.random.Generator, places: NDArray[np.float32]
) -> SyntheticEvent | None:
    """Paste an intruder over an event; None where nobody could be seen in it."""
    paths = picture_files(source.folder)
    try:
        frames = [read_frame(path).image for path in paths]
        options = IntruderOptions.for_pictures_like(paths[0].read_bytes())
    except (OSError, FrameError):
        return None
    return paste_intruder(frames, rng, places, options=options)


def allowed_misses(count: int, recall: float, confidence: float) -> int:
    """Return the largest k for which the k-th smallest of `count` scores keeps the promise.

    A threshold there misses less than 1 - recall of what is like them with the given confidence:
    P(Bin(count, 1 - recall) >= k) >= confidence, a one-sided tolerance limit (Wilks 1941,
    https://doi.org/10.1214/aoms/1177731788). 0 where there are too few.
    """
    miss = 1.0 - recall
    at_least, k = 1.0, 0
    logarithm = count * math.log1p(-miss)  # of the chance of k misses: itself it underflows
    while k < count:
        at_least -= math.exp(logarithm)
        if at_least < confidence:
            break
        k += 1
        logarithm += math.log((count - k + 1) / k * miss / (1.0 - miss))
    return k


def _what_is_missing(
    known: Sequence[_Event], memory: SceneMemory, synthetic: Floats, options: AdaptationOptions
) -> str:
    if len(known) < FEWEST_EVENTS:
        return f"{FEWEST_EVENTS - len(known)} more events"
    if len(memory.sessions) < FEWEST_SESSIONS:
        return (
            f"events at {FEWEST_SESSIONS - len(memory.sessions)} more times, "
            f"{SESSION_S // 60} minutes apart"
        )
    if not allowed_misses(len(synthetic), options.recall, options.confidence):
        return (
            f"undamaged bursts to draw intruders into: {len(synthetic)} could be seen, too few to "
            f"promise a recall of {options.recall:.0%}"
        )
    return ""


def _calibrated(
    model: CameraModel,
    synthetic: Floats,
    confirmed: Floats,
    options: AdaptationOptions,
    *,
    keeps: bool,
) -> CameraModel:
    """Draw the line; where the promise cannot be kept it lies below everything."""
    positives = np.sort(np.concatenate([synthetic, confirmed]))
    k = allowed_misses(len(positives), options.recall, options.confidence)
    if not keeps or not k:
        return model
    threshold = float(positives[k - 1])
    promise = Promise(
        recall=options.recall,
        confidence=options.confidence,
        synthetic=len(synthetic),
        synthetic_recall=_recall(synthetic, threshold),
        confirmed=len(confirmed),
        confirmed_recall=_recall(confirmed, threshold),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(model, threshold=threshold, promise=promise)


def _recall(positives: Floats, threshold: float) -> float | None:
    return float(np.mean(positives >= threshold)) if len(positives) else None
