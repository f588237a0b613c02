"""What the pictures say of an event, and the verdict that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from veroallarme_core.contract import (
    CameraSettings,
    CueValue,
    FrameCounts,
    RelevanceRegion,
    State,
    Timing,
    Verdict,
    VerdictObject,
    raises_alarm,
)
from veroallarme_core.description import BurstEvidence
from veroallarme_core.judgement import GENERAL_THRESHOLD
from veroallarme_core.pictures import FrameError
from veroallarme_core.pipeline.outcomes import Outcomes

MODEL = "cues-2"
"""Names what judged: proofs and cues that need no learning, second edition."""
LEARNED = "learned-1"
"""Names the camera's own model, first edition, where that judged."""


@dataclass(frozen=True, kw_only=True)
class PipelineResult:
    """A judged burst: the part of a verdict that follows from the pictures alone."""

    state: State
    score: float | None
    threshold: float
    reason: str
    explanation: str
    cues: Mapping[str, CueValue] = field(default_factory=dict)
    regions: tuple[RelevanceRegion, ...] = ()
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
    look_again: Callable[[], Outcomes] | None = field(default=None, repr=False, compare=False)
    """Finds out what the event would be under other settings, before the memory learns from it; it
    takes as long as judging may, and holds the frames. None where there is nothing to ask."""

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


def nothing_decodable(
    count: int, faults: Sequence[FrameError], settings: CameraSettings
) -> PipelineResult:
    """Return the result for a burst of `count` pictures of which none is a frame."""
    if not count:
        result = not_judged("no_snapshot", "No picture came from the camera.", settings)
    else:
        explanation = f"None of the {count} pictures can be decoded: {faults[0]}"
        result = not_judged(faults[0].code, explanation, settings)
    return replace(result, damaged=len(faults))
