"""A judged burst, and what a reader gets of it: sentence, regions, objects, picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veroallarme_core.contract import (
    CameraSettings,
    ObjectKind,
    RelevanceRegion,
    VerdictObject,
    Zone,
)
from veroallarme_core.description import BurstEvidence, DetectedObject, MovingObjects
from veroallarme_core.judgement import BurstJudgement, RegionJudgement
from veroallarme_core.motion_detection import MotionDetectionResult
from veroallarme_core.pictures import draw_verdict, encode_jpeg, strongest_frame
from veroallarme_core.pipeline.network_opinion import Opinion
from veroallarme_core.pipeline.result import (
    LEARNED,
    MODEL,
    PipelineResult,
    threshold_in_force,
)


@dataclass(frozen=True)
class JudgedBurst:
    """A judgement and the evidence that it stands on, where there is any."""

    judgement: BurstJudgement
    evidence: BurstEvidence | None
    objects: MovingObjects | None = None
    """None where nobody looked for any."""
    by_rules: BurstJudgement | None = None
    """What the rules alone said of it."""
    learned: BurstJudgement | None = None
    """What the camera's memory made of it, before its damage was considered; None without one."""
    looks: tuple[JudgedBurst, ...] = ()
    """What was seen of it before any memory judged: at first and, before the memory suppresses it,
    with what is faint as well; twice the same where nothing is."""

    def to_result(
        self,
        motion: MotionDetectionResult,
        settings: CameraSettings,
        opinion: Opinion | None = None,
    ) -> PipelineResult:
        """Explain the judgement and draw it on the strongest frame; time and damage are open."""
        judgement, objects = self.judgement, self._told()
        regions = tuple(map(_verdict_region, judgement.regions))
        opinion_cues = {} if opinion is None else {"network_score": opinion.score}
        judges = (
            MODEL,
            "" if opinion is None else opinion.network_name,
            LEARNED if "rank" in judgement.cues else "",
        )
        return PipelineResult(
            state=judgement.state,
            score=judgement.score,
            threshold=threshold_in_force(settings),
            reason=judgement.reason,
            explanation=f"{judgement.explanation}{_recognised(objects)}",
            cues={**judgement.cues, **opinion_cues},
            regions=regions,
            objects=tuple(map(_verdict_object, objects)),
            frame_dimensions=motion.frame_dimensions,
            picture=self._picture(motion, regions, settings.zones),
            model="+".join(filter(None, judges)),
            evidence=self.evidence,
        )

    def _told(self) -> Sequence[DetectedObject]:
        return () if self.objects is None else self.objects.told

    def _picture(
        self,
        motion: MotionDetectionResult,
        regions: Sequence[RelevanceRegion],
        zones: Sequence[Zone],
    ) -> bytes | None:
        """Draw the judgement on the frame that shows it best, as JPEG."""
        clearest = None if self.objects is None else self.objects.clearest_frame
        frame = (
            strongest_frame(motion.frames, regions[0].to_bbox() if regions else None)
            if clearest is None
            else motion.frames[clearest]
        )
        if frame is None:
            return None
        judgement = self.judgement
        score = "" if judgement.score is None else f" {judgement.score:.2f}"
        headline = f"{judgement.state.value}{score}: {judgement.reason.replace('_', ' ')}"
        return encode_jpeg(draw_verdict(frame, regions, headline, self._told(), zones))


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
        class_name=found.class_name,
        score=found.score,
        x=found.x,
        y=found.y,
        width=found.width,
        height=found.height,
    )


def _verdict_region(judged: RegionJudgement) -> RelevanceRegion:
    region = judged.region
    return RelevanceRegion(
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
        cues=judged.cues,
    )
