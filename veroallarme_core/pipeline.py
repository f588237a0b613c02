"""From a burst of encoded frames to a judgement: decode, Stage 1, judge, explain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import cv2
import numpy as np

from veroallarme_core.annotate import Frame, draw_verdict, encode_jpeg, strongest_frame
from veroallarme_core.burst_evidence import BurstEvidence, closer_change, gather_evidence
from veroallarme_core.camera_state import CameraState
from veroallarme_core.frames import DecodedFrame, FrameError, decode_frame
from veroallarme_core.inference import InferenceError
from veroallarme_core.judgement import (
    GENERAL_THRESHOLD,
    BurstJudgement,
    RegionJudgement,
    judge_motion,
)
from veroallarme_core.motion_detection import MotionDetectionResult, MotionDetector, min_area_for
from veroallarme_core.relevance_mask import RelevanceMaskPredictor
from veroallarme_core.scene_encoder import SceneEncoder
from veroallarme_core.settings import CameraSettings, Zone, raises_alarm
from veroallarme_core.texture_motion import judge_texture
from veroallarme_core.verdict import (
    CueValue,
    FrameCounts,
    State,
    Timing,
    Verdict,
    VerdictRegion,
)

_LOGGER = logging.getLogger(__name__)

MODEL = "cues-1"
"""Names what judged: cues that need no learning, first edition."""
LEARNED = "learned-1"
"""Names the camera's own model, first edition, where that judged."""
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
        hold: Callable[[], datetime | None],
        merged: int,
        frames: FrameCounts,
        fetch_ms: float,
    ) -> Verdict:
        """Add the circumstances of an event, and what the settings make of it.

        Args:
            hold: called where the event raises the alarm; returns when that ends at the latest.
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
            hold_until=hold() if relevant else None,
            mode=settings.mode.value,
            learning=learning,
            merged=merged,
            frame_dimensions=self.frame_dimensions,
            regions=self.regions,
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


class EventPipeline:
    """Judges bursts; holds no state of a camera and may be shared between threads.

    Args:
        predictor: the relevance network. Its opinion stands among the cues, `network_score`, and
            decides nothing: a score that nobody has calibrated on a camera proves no nuisance.
        encoder: describes a burst for the camera's memory; None judges by the cues alone.
    """

    def __init__(
        self,
        predictor: RelevanceMaskPredictor | None = None,
        encoder: SceneEncoder | None = None,
    ) -> None:
        self._predictor = predictor
        self._encoder = encoder

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
            settings: of the camera; its threshold and zones are used.
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
        height, width = usable[0].image.shape[:2]
        detector = MotionDetector(min_area=min_area_for((height, width)))
        # Motion needs two frames; one that never came is like one that cannot be decoded.
        motion = detector.detect_motion(decoded if len(decoded) > 1 else [*decoded, None])
        moved_at = time.perf_counter()
        judgement = judge_motion(
            motion, reference=_reference(reference), threshold=threshold_in_force(settings)
        )
        # One picture can show what was not there before, but never that nothing happened: a
        # camera that hangs serves the same old picture again and again.
        if len(decoded) < 2 and judgement.state is not State.RELEVANT:
            return replace(
                not_judged(
                    "single_frame",
                    "Only one distinct picture came from the camera, so motion cannot be seen.",
                    settings,
                ),
                frame_dimensions=(height, width),
                picture=encode_jpeg(usable[0].image),
                timing_ms=Timing(decode=(decoded_at - started) * 1e3),
            )
        # Without a state nobody learns from the evidence, and only motion is judged by it.
        is_needed = state is not None or judgement.reason == "moved"
        evidence = self._gather(motion, judgement) if is_needed else None
        if evidence is not None:
            threshold = threshold_in_force(settings)
            learned = None
            if state is not None:
                at = (motion_at or datetime.now(UTC)).timestamp()
                learned = state.judge(
                    judgement, evidence, event_id=event_id, at=at, threshold=threshold
                )
            judgement = learned or self._judge_texture(judgement, evidence, motion, threshold)
        judgement = apply_zones(judgement, motion, settings)
        result = self._with_opinion(_result(judgement, motion, settings), motion)
        result = replace(result, evidence=_best_first(evidence, judgement))
        if "rank" in judgement.cues:
            result = replace(result, model=f"{result.model}+{LEARNED}")
        if len(decoded) < 2:
            result = replace(result, damaged=sum(bool(d.kinds) for d in motion.damage[:1]))
        ended = time.perf_counter()
        timing = Timing(
            decode=(decoded_at - started) * 1e3,
            motion=(moved_at - decoded_at) * 1e3,
            relevance=(ended - moved_at) * 1e3,
        )
        return replace(result, timing_ms=timing)

    def _gather(
        self, motion: MotionDetectionResult, judgement: BurstJudgement
    ) -> BurstEvidence | None:
        if self._encoder is None:
            return None
        try:
            return gather_evidence(self._encoder, motion, judgement)
        except (InferenceError, ValueError):
            # The cues stand on their own, and they alert when in doubt.
            _LOGGER.exception("the scene encoder failed")
            return None

    def _judge_texture(
        self,
        judgement: BurstJudgement,
        evidence: BurstEvidence,
        motion: MotionDetectionResult,
        threshold: float,
    ) -> BurstJudgement:
        encoder = self._encoder
        if encoder is None:
            return judgement
        try:
            return judge_texture(
                judgement, evidence, threshold, lambda bbox: closer_change(encoder, motion, bbox)
            )
        except (InferenceError, ValueError):
            _LOGGER.exception("the scene encoder failed")
            return judgement

    def _with_opinion(
        self, result: PipelineResult, motion: MotionDetectionResult
    ) -> PipelineResult:
        """Add what the network makes of the largest regions to the cues."""
        frame = next((frame for frame in motion.frames if frame is not None), None)
        if self._predictor is None or frame is None or not motion.motion_regions:
            return result
        largest = sorted(motion.motion_regions, key=lambda region: -region.area)
        seen = replace(motion, motion_regions=tuple(largest[:MAX_OPINIONS]))
        try:
            regions = self._predictor.predict(frame, seen).regions
        except (InferenceError, ValueError):
            # The cues stand on their own, so a network that fails costs no verdict.
            _LOGGER.exception("the relevance network failed")
            return result
        score = max(region.relevance_score for region in regions)
        name = self._predictor.backend.meta.name
        return replace(
            result, cues={**result.cues, "network_score": score}, model=f"{MODEL}+{name}"
        )


def _best_first(evidence: BurstEvidence | None, judgement: BurstJudgement) -> BurstEvidence | None:
    if evidence is None:
        return None
    score = {one.region.to_bbox(): one.relevance_score for one in judgement.regions}
    regions = sorted(evidence.regions, key=lambda region: -score.get(region.bbox, 0.0))
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


def apply_zones(
    judgement: BurstJudgement, motion: MotionDetectionResult, settings: CameraSettings
) -> BurstJudgement:
    """Let only motion that touches a zone of the user count.

    Regions outside get score 0 and the reason ``outside_zones``. Where that leaves regions, the
    event takes the score of the best; where nothing was judged it stays as it is.
    """
    if not settings.zones or judgement.state is State.UNKNOWN or not judgement.regions:
        return judgement
    allowed = _zone_mask(settings.zones, motion.frame_dimensions)
    regions = tuple(
        region if _touches(region, motion, allowed) else _outside(region)
        for region in judgement.regions
    )
    regions = tuple(sorted(regions, key=lambda region: -region.relevance_score))
    best = regions[0]
    if best.is_relevant or best.reason != "outside_zones":
        state = State.RELEVANT if best.is_relevant else State.IRRELEVANT
        return replace(judgement, state=state, score=best.relevance_score, regions=regions)
    return replace(
        judgement,
        state=State.IRRELEVANT,
        score=0.0,
        reason="outside_zones",
        explanation="All motion was outside the zones you have drawn.",
        regions=regions,
    )


def _zone_mask(zones: Sequence[Zone], frame_dimensions: tuple[int, int]) -> Frame:
    height, width = frame_dimensions
    mask = np.zeros((height, width), np.uint8)
    for zone in zones:
        corners = [[round(x * (width - 1)), round(y * (height - 1))] for x, y in zone.points]
        cv2.fillPoly(mask, [np.array(corners, np.int32)], 255)
    return mask


def _touches(region: RegionJudgement, motion: MotionDetectionResult, allowed: Frame) -> bool:
    """Whether any moving pixel of the region lies in a zone; its box decides without a mask."""
    x1, y1, x2, y2 = region.region.to_bbox()
    inside = allowed[y1:y2, x1:x2] > 0
    moved = motion.motion_mask[y1:y2, x1:x2] > 0
    return bool((inside & moved).any() if moved.any() else inside.any())


def _outside(region: RegionJudgement) -> RegionJudgement:
    return replace(region, relevance_score=0.0, is_relevant=False, reason="outside_zones")


def _result(
    judgement: BurstJudgement, motion: MotionDetectionResult, settings: CameraSettings
) -> PipelineResult:
    regions = tuple(_verdict_region(region) for region in judgement.regions)
    frame = strongest_frame(motion.frames, regions[0] if regions else None)
    picture = None
    if frame is not None:
        score = "" if judgement.score is None else f" {judgement.score:.2f}"
        headline = f"{judgement.state.value}{score}: {judgement.reason.replace('_', ' ')}"
        picture = encode_jpeg(draw_verdict(frame, regions, headline))
    return PipelineResult(
        state=judgement.state,
        score=judgement.score,
        threshold=threshold_in_force(settings),
        reason=judgement.reason,
        explanation=judgement.explanation,
        cues=judgement.cues,
        regions=regions,
        frame_dimensions=motion.frame_dimensions,
        damaged=sum(bool(damage.kinds) for damage in motion.damage),
        picture=picture,
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
