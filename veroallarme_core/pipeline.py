"""From a burst of encoded frames to a judgement: decode, Stage 1, judge, explain."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from veroallarme_core.camera_memory import CameraState
from veroallarme_core.contract import (
    ALL_KINDS,
    CameraSettings,
    CueValue,
    FrameCounts,
    ObjectKind,
    State,
    Timing,
    Verdict,
    VerdictObject,
    VerdictRegion,
    Zone,
    raises_alarm,
)
from veroallarme_core.description import (
    BurstEvidence,
    DetectedObject,
    MovingObjects,
    ObjectDetector,
    SceneEncoder,
    find_moving_objects,
    gather_evidence,
)
from veroallarme_core.inference import InferenceError
from veroallarme_core.judgement import (
    GENERAL_THRESHOLD,
    OUTSIDE,
    Burst,
    BurstJudgement,
    Premises,
    RegionJudgement,
    add_faint,
    candidates,
    doubt_unseen,
    judge_by_rules,
    judge_from_memory,
    leave_out_unwanted,
    rank_by_appearance,
)
from veroallarme_core.motion_detection import MotionDetectionResult, MotionDetector, min_area_for
from veroallarme_core.pictures import (
    DecodedFrame,
    Frame,
    FrameError,
    decode_frame,
    draw_verdict,
    encode_jpeg,
    strongest_frame,
)

_LOGGER = logging.getLogger(__name__)

MODEL = "cues-2"
"""Names what judged: proofs and cues that need no learning, second edition."""
LEARNED = "learned-1"
"""Names the camera's own model, first edition, where that judged."""
HIGHEST_LINE = 0.8
"""Rank below which a camera on trial looks again, as it will below its own line."""
MAX_OPINIONS = 8
"""Regions that the network looks at, the largest ones: one batch, some 30 ms."""


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """A judged burst: the part of a verdict that follows from the pictures alone."""

    state: State
    score: float | None
    threshold: float
    reason: str
    explanation: str
    cues: Mapping[str, CueValue] = field(default_factory=dict)
    regions: tuple[VerdictRegion, ...] = ()
    objects: tuple[VerdictObject, ...] = ()
    frame_dimensions: tuple[int, int] | None = None
    damaged: int = 0
    """Frames that could not be decoded or are corrupt in part."""
    timing_ms: Timing = field(default_factory=Timing)
    """Decoding, motion and relevance; fetching is the caller's."""
    picture: bytes | None = None
    """JPEG of the strongest frame, annotated; None where no frame could be decoded."""
    model: str = MODEL
    evidence: BurstEvidence | None = None
    """What the camera's memory may learn from; the region with the highest score comes first."""

    def without_proof(self, reason: str, explanation: str, **more: CueValue) -> PipelineResult:
        """Return it as unknown, for a reason that lies outside the pictures."""
        cues = {**self.cues, "pictures_say": self.reason, **more}
        return replace(
            self, state=State.UNKNOWN, score=None, reason=reason, explanation=explanation, cues=cues
        )

    def to_verdict(
        self,
        *,
        event_id: str,
        camera: str,
        settings: CameraSettings,
        learning: bool,
        motion_at: datetime,
        decided_at: datetime,
        merged: int,
        frames: FrameCounts,
        fetch_ms: float,
    ) -> Verdict:
        """Add the circumstances of an event, and what the settings make of it.

        How long an alarm lasts is not for the pictures to say: `hold_until` is still open.
        """
        relevant = raises_alarm(settings, self.state, learning=learning)
        # A clock that is set back between motion and decision must not make the time negative.
        total_ms = max(0.0, (decided_at - motion_at).total_seconds() * 1e3)
        return Verdict(
            event_id=event_id,
            camera=camera,
            state=self.state,
            relevant=relevant,
            score=self.score,
            threshold=self.threshold,
            reason=self.reason,
            explanation=self.explanation,
            cues=self.cues,
            motion_at=motion_at,
            decided_at=decided_at,
            hold_until=None,
            mode=settings.mode.value,
            learning=learning,
            merged=merged,
            frame_dimensions=self.frame_dimensions,
            regions=self.regions,
            objects=self.objects,
            frames=replace(frames, damaged=self.damaged),
            timing_ms=replace(self.timing_ms, fetch=fetch_ms, total=total_ms),
            model=self.model,
        )


def not_judged(
    reason: str, explanation: str, settings: CameraSettings, **more: CueValue
) -> PipelineResult:
    """Return the result for an event that cannot be judged: unknown, without a score."""
    return PipelineResult(
        state=State.UNKNOWN,
        score=None,
        threshold=threshold_in_force(settings),
        reason=reason,
        explanation=explanation,
        cues=more,
    )


def threshold_in_force(settings: CameraSettings) -> float:
    """Return the user's threshold, or the general one, which scores of a learned camera fit."""
    return GENERAL_THRESHOLD if settings.threshold is None else settings.threshold


@dataclass(frozen=True)
class JudgedBurst:
    """A judgement and the evidence that it stands on, where there is any."""

    judgement: BurstJudgement
    evidence: BurstEvidence | None
    objects: MovingObjects | None = None
    """None where nobody looked for any."""


class NetworkOpinion(Protocol):
    """What a relevance network of the user's own makes of regions that moved."""

    @property
    def network_name(self) -> str:
        """What it is called in verdicts."""

    def region_scores(self, frame: Frame, motion: MotionDetectionResult) -> Sequence[float]:
        """Return a score in [0, 1] for every region that moved.

        Raises:
            InferenceError: the network failed.
            ValueError: the frame does not fit the motion.
        """


class EventPipeline:
    """Judges bursts; holds no state of a camera and may be shared between threads.

    Args:
        network: a relevance network. Its opinion stands among the cues, `network_score`, and
            decides nothing: a score that nobody has calibrated on a camera proves no nuisance.
        encoder: describes a burst for the camera's memory; None judges by the cues alone.
        detector: recognises people, animals and vehicles; None does without.
    """

    def __init__(
        self,
        network: NetworkOpinion | None = None,
        encoder: SceneEncoder | None = None,
        detector: ObjectDetector | None = None,
    ) -> None:
        self._network = network
        self._encoder = encoder
        self._detector = detector

    @classmethod
    def with_shipped_networks(
        cls, threads: int | None = 1, detector: Path | None = None
    ) -> EventPipeline:
        """Return a pipeline that describes and recognises with the networks of the package.

        Args:
            threads: most threads of one inference; None leaves the choice to the runtime.
            detector: an object detector of the user's own; None takes the one that ships.

        Raises:
            ModelError: a network cannot be loaded.
        """
        return cls(
            encoder=SceneEncoder(threads=threads),
            detector=ObjectDetector(threads=threads, path=detector),
        )

    @property
    def encoder_name(self) -> str:
        """Of the scene encoder; empty where there is none."""
        return "" if self._encoder is None else self._encoder.name

    @property
    def detector_name(self) -> str:
        """Of the object detector; empty where there is none."""
        return "" if self._detector is None else self._detector.name

    def judge(
        self,
        frames: Sequence[bytes],
        settings: CameraSettings,
        reference: bytes | None = None,
        state: CameraState | None = None,
        *,
        event_id: str = "",
        motion_at: datetime | None = None,
    ) -> PipelineResult:
        """Judge one burst.

        Args:
            frames: encoded pictures (JPEG, PNG, WebP) in order of time; bad ones are reported.
            settings: of the camera; its threshold, zones and objects are used.
            reference: encoded picture of the camera without motion, to compare a burst with in
                which nothing moved.
            state: what the camera has learned; it is read, not changed.
            event_id: of the event; the head that was fitted to it does not judge it.
            motion_at: when it moved, aware; None is now.
        """
        started = time.perf_counter()
        decoded, faults = _decode(frames)
        usable = [frame for frame in decoded if frame is not None]
        if not usable:
            return _nothing_decodable(len(frames), faults, settings)
        decoded_at = time.perf_counter()
        motion = find_motion(decoded)
        moved_at = time.perf_counter()
        judged = self.judge_motion(
            motion,
            settings,
            _reference(reference),
            state,
            event_id=event_id,
            motion_at=motion_at,
        )
        # One picture can show what was not there before, but never that nothing happened: a
        # camera that hangs serves the same old picture again and again.
        if len(decoded) < 2 and judged.judgement.state is not State.RELEVANT:
            return replace(
                not_judged(
                    "single_frame",
                    "Only one distinct picture came from the camera, so motion cannot be seen.",
                    settings,
                ),
                frame_dimensions=motion.frame_dimensions,
                picture=encode_jpeg(usable[0].image),
                timing_ms=Timing(decode=(decoded_at - started) * 1e3),
            )
        result = _result(judged, motion, settings)
        result = self._with_opinion(result, motion, judged.judgement)
        result = replace(result, evidence=judged.evidence)
        if "rank" in judged.judgement.cues:
            result = replace(result, model=f"{result.model}+{LEARNED}")
        if len(decoded) < 2:
            result = replace(
                result, damaged=sum(bool(damage.kinds) for damage in motion.damage[:1])
            )
        ended = time.perf_counter()
        timing = Timing(
            decode=(decoded_at - started) * 1e3,
            motion=(moved_at - decoded_at) * 1e3,
            relevance=(ended - moved_at) * 1e3,
        )
        return replace(result, timing_ms=timing)

    def judge_motion(
        self,
        motion: MotionDetectionResult,
        settings: CameraSettings,
        reference: Frame | None = None,
        state: CameraState | None = None,
        *,
        event_id: str = "",
        motion_at: datetime | None = None,
    ) -> JudgedBurst:
        """Judge what Stage 1 found; adaptation promises a recall of this very function.

        Zones come first: what does not count is gone before anything is chosen or described. Then
        what is proven, then objects of kinds that do not count, then what the camera has learned of
        the rest. Arguments: as for `judge`, but `reference` is uint8 (H, W, 3) BGR.
        """
        threshold = threshold_in_force(settings)
        premises = Premises.of(settings.zones, motion.frame_dimensions, settings.objects)
        burst = Burst(motion, reference, threshold, premises)
        described = self._describe(burst, judge_by_rules(burst), is_taught=state is not None)
        learned = None
        if state is not None:
            at = (motion_at or datetime.now(UTC)).timestamp()
            described, learned = self._remember(burst, described, state, event_id, at)
        judgement, evidence = described.judgement, described.evidence
        if evidence is None:
            return described
        judgement = (
            rank_by_appearance(judgement, evidence, threshold)
            if learned is None
            else doubt_unseen(burst, learned)
        )
        return replace(described, judgement=judgement, evidence=_best_first(evidence, judgement))

    def describe_motion(
        self,
        motion: MotionDetectionResult,
        zones: Sequence[Zone] = (),
        objects: Iterable[ObjectKind] = ALL_KINDS,
    ) -> JudgedBurst:
        """Judge what Stage 1 found by the rules alone, and describe what a camera learns from.

        Args:
            motion: what Stage 1 found.
            zones: where motion counts.
            objects: kinds that count.
        """
        premises = Premises.of(zones, motion.frame_dimensions, objects)
        burst = Burst(motion, premises=premises)
        return self._describe(burst, judge_by_rules(burst), is_taught=True)

    def _describe(self, burst: Burst, judgement: BurstJudgement, *, is_taught: bool) -> JudgedBurst:
        objects = self._look_for_objects(burst, judgement)
        if objects is not None:
            judgement = leave_out_unwanted(burst, judgement, objects)
        # Where nobody learns from the evidence, only what is open needs it.
        is_needed = is_taught or judgement.is_open
        evidence = self._gather(burst, judgement, objects) if is_needed else None
        return JudgedBurst(judgement, evidence, objects)

    def _remember(
        self, burst: Burst, described: JudgedBurst, state: CameraState, event_id: str, at: float
    ) -> tuple[JudgedBurst, BurstJudgement | None]:
        """Judge by what the camera has learned, and look again before that suppresses anything."""

        def judge(seen: JudgedBurst) -> BurstJudgement | None:
            if seen.evidence is None or not seen.judgement.is_open:
                return None
            return judge_from_memory(
                state,
                seen.judgement,
                seen.evidence,
                event_id=event_id,
                at=at,
                threshold=burst.threshold,
            )

        learned = judge(described)
        if learned is None or not _may_suppress(learned, state):
            return described, learned
        wider = add_faint(burst, described.judgement)
        if wider is described.judgement:
            return described, learned
        described = self._describe(burst, wider, is_taught=True)
        return described, judge(described)

    def _look_for_objects(self, burst: Burst, judgement: BurstJudgement) -> MovingObjects | None:
        """Look for who or what moves, where something counts that is not decided yet."""
        if self._detector is None or not judgement.undecided:
            return None
        regions = [
            candidate.region for candidate in candidates(judgement) if not candidate.is_decided
        ]
        moved = burst.moved_within(regions)
        try:
            return find_moving_objects(self._detector, burst.motion, moved, regions)
        except (InferenceError, ValueError):
            # What nobody looked at counts as if somebody had been seen.
            _LOGGER.exception("the object detector failed")
            return None

    def _gather(
        self, burst: Burst, judgement: BurstJudgement, objects: MovingObjects | None
    ) -> BurstEvidence | None:
        if self._encoder is None:
            return None
        try:
            return gather_evidence(
                self._encoder,
                burst.motion,
                candidates(judgement),
                objects,
                lambda region: burst.premises.kinds_in(burst.motion, region),
            )
        except (InferenceError, ValueError):
            # The cues stand on their own, and they alert when in doubt.
            _LOGGER.exception("the scene encoder failed")
            return None

    def _with_opinion(
        self, result: PipelineResult, motion: MotionDetectionResult, judgement: BurstJudgement
    ) -> PipelineResult:
        """Add what the network makes of the largest regions that count to the cues."""
        frame = next((frame for frame in motion.frames if frame is not None), None)
        counted = [region.region for region in judgement.regions if region.reason != OUTSIDE]
        if self._network is None or frame is None or not counted:
            return result
        largest = sorted(counted, key=lambda region: -region.area)
        seen = replace(motion, motion_regions=tuple(largest[:MAX_OPINIONS]))
        try:
            scores = self._network.region_scores(frame, seen)
        except (InferenceError, ValueError):
            # The cues stand on their own, so a network that fails costs no verdict.
            _LOGGER.exception("the relevance network failed")
            return result
        score, name = max(scores), self._network.network_name
        return replace(
            result, cues={**result.cues, "network_score": score}, model=f"{MODEL}+{name}"
        )


def find_motion(frames: Sequence[DecodedFrame | None]) -> MotionDetectionResult:
    """Run Stage 1 over a burst of which at least one frame could be decoded."""
    first = next(frame for frame in frames if frame is not None)
    height, width = first.image.shape[:2]
    detector = MotionDetector(min_area=min_area_for((height, width)))
    # Motion needs two frames; one that never came is like one that cannot be decoded.
    return detector.detect_motion(frames if len(frames) > 1 else [*frames, None])


def _may_suppress(learned: BurstJudgement, state: CameraState) -> bool:
    """Tell whether a judgement suppresses, or would where the line may come to lie."""
    if state.is_on_trial:
        rank = learned.cues.get("rank")
        return isinstance(rank, float) and rank < HIGHEST_LINE
    return learned.state is State.IRRELEVANT


def _best_first(evidence: BurstEvidence, judgement: BurstJudgement) -> BurstEvidence:
    score = {region.region: region.relevance_score for region in judgement.regions}
    regions = sorted(evidence.regions, key=lambda seen: -score.get(seen.region, 0.0))
    return replace(evidence, regions=tuple(regions))


def _decode(frames: Sequence[bytes]) -> tuple[list[DecodedFrame | None], list[FrameError]]:
    decoded: list[DecodedFrame | None] = []
    faults = []
    for data in frames:
        try:
            decoded.append(decode_frame(data))
        except FrameError as error:
            decoded.append(None)
            faults.append(error)
    return decoded, faults


def _nothing_decodable(
    count: int, faults: Sequence[FrameError], settings: CameraSettings
) -> PipelineResult:
    if not count:
        result = not_judged("no_snapshot", "No picture came from the camera.", settings)
    else:
        explanation = f"None of the {count} pictures can be decoded: {faults[0]}"
        result = not_judged(faults[0].code, explanation, settings)
    return replace(result, damaged=len(faults))


def _reference(data: bytes | None) -> Frame | None:
    if data is None:
        return None
    try:
        frame = decode_frame(data)
    except FrameError:
        return None
    return None if frame.truncated else frame.image


def _result(
    judged: JudgedBurst, motion: MotionDetectionResult, settings: CameraSettings
) -> PipelineResult:
    judgement = judged.judgement
    objects = () if judged.objects is None else judged.objects.told
    clearest = None if judged.objects is None else judged.objects.clearest_frame
    regions = tuple(_verdict_region(region) for region in judgement.regions)
    if clearest is None:
        frame = strongest_frame(motion.frames, regions[0] if regions else None)
    else:
        frame = motion.frames[clearest]
    picture = None
    if frame is not None:
        score = "" if judgement.score is None else f" {judgement.score:.2f}"
        headline = f"{judgement.state.value}{score}: {judgement.reason.replace('_', ' ')}"
        picture = encode_jpeg(draw_verdict(frame, regions, headline, objects))
    return PipelineResult(
        state=judgement.state,
        score=judgement.score,
        threshold=threshold_in_force(settings),
        reason=judgement.reason,
        explanation=f"{judgement.explanation}{_recognised(objects)}",
        cues=judgement.cues,
        regions=regions,
        objects=tuple(_verdict_object(found) for found in objects),
        frame_dimensions=motion.frame_dimensions,
        damaged=sum(bool(damage.kinds) for damage in motion.damage),
        picture=picture,
    )


def _recognised(objects: Sequence[DetectedObject]) -> str:
    """Return a sentence on who or what was recognised, each kind once; empty where nothing was."""
    best: dict[str, float] = {}
    for found in objects:
        best[found.class_name] = max(best.get(found.class_name, 0.0), found.score)
    named = ", ".join(f"{name} ({score:.2f})" for name, score in best.items())
    return f" Recognised: {named}." if named else ""


def _verdict_object(found: DetectedObject) -> VerdictObject:
    return VerdictObject(
        kind=ObjectKind(found.group),
        name=found.class_name,
        score=found.score,
        x=found.x,
        y=found.y,
        width=found.width,
        height=found.height,
    )


def _verdict_region(judged: RegionJudgement) -> VerdictRegion:
    region = judged.region
    return VerdictRegion(
        x=region.x,
        y=region.y,
        width=region.width,
        height=region.height,
        area=region.area,
        centroid=region.centroid,
        confidence=judged.confidence,
        relevance_score=judged.relevance_score,
        is_relevant=judged.is_relevant,
        reason=judged.reason,
    )
