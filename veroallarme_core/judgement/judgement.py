"""What is made of a burst and of the regions that moved in it; every rule adds to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from veroallarme_core.contract import State
from veroallarme_core.description import Candidate
from veroallarme_core.motion_detection import MotionRegion

GENERAL_THRESHOLD = 0.5
"""Threshold in force where nothing was learned: a lower score is shown nuisance."""

NO_RELEVANCE = 0.02
"""Score of what is nuisance beyond doubt."""

Cue = float | int | bool | str


@dataclass(frozen=True)
class RegionJudgement:
    """How one region was judged; `reason` is a code, `cues` the numbers behind it.

    `relevance_score` and `confidence` are in [0, 1]; the confidence is that of the decision.
    `is_proven` tells that the region is nuisance whatever else is known of it.
    """

    region: MotionRegion
    relevance_score: float = 1.0
    is_relevant: bool = True
    confidence: float = 0.0
    reason: str = "moved"
    cues: Mapping[str, float] = field(default_factory=dict)
    is_proven: bool = False

    @property
    def what_moved(self) -> str:
        """The beginning of a sentence that tells of the region."""
        box = self.region
        return (
            f"Something moved about {box.width}x{box.height} pixels large near "
            f"({box.centroid[0]}, {box.centroid[1]})"
        )

    def scored(
        self, score: float, threshold: float, reason: str, cues: Mapping[str, float] | None = None
    ) -> RegionJudgement:
        """Return the region with another score, and what follows from that."""
        is_relevant = score >= threshold
        return replace(
            self,
            relevance_score=score,
            is_relevant=is_relevant,
            confidence=score if is_relevant else 1.0 - score,
            reason=reason,
            cues={**self.cues, **(cues or {})},
        )

    def proven(self, reason: str, score: float = NO_RELEVANCE) -> RegionJudgement:
        """Return the region as nuisance that is proven."""
        return replace(
            self,
            relevance_score=score,
            is_relevant=False,
            confidence=1.0 - score,
            reason=reason,
            is_proven=True,
        )


@dataclass(frozen=True)
class BurstJudgement:
    """How a burst was judged: `reason` is a code, `explanation` one sentence for the user.

    `score` is in [0, 1], None where nothing could be judged. `regions` come with the largest score
    first. An empty `reason` says that no rule has decided yet.
    """

    state: State = State.UNKNOWN
    score: float | None = None
    reason: str = ""
    explanation: str = ""
    cues: Mapping[str, Cue] = field(default_factory=dict)
    regions: tuple[RegionJudgement, ...] = ()
    is_open: bool = False
    """Whether more knowledge of what moved may still decide otherwise."""

    @property
    def is_decided(self) -> bool:
        """Whether a rule has said what the burst is; a later one may still know better."""
        return bool(self.reason)

    @property
    def unproven(self) -> tuple[RegionJudgement, ...]:
        """The regions that no rule has proven to be nuisance."""
        return tuple(region for region in self.regions if not region.is_proven)

    @property
    def proven(self) -> tuple[RegionJudgement, ...]:
        """The regions that are nuisance whatever else is known of them."""
        return tuple(region for region in self.regions if region.is_proven)

    @property
    def undecided(self) -> tuple[RegionJudgement, ...]:
        """The regions about which more knowledge decides, the largest score first."""
        return self.unproven if self.is_open else ()

    def relevant(
        self, reason: str, explanation: str, regions: Iterable[RegionJudgement], *, is_open: bool
    ) -> BurstJudgement:
        """Return the judgement that something is relevant, unless the threshold is above it."""
        ranked = tuple(sorted(regions, key=lambda region: -region.relevance_score))
        best = ranked[0]
        return replace(
            self,
            state=State.RELEVANT if best.is_relevant else State.IRRELEVANT,
            score=best.relevance_score,
            reason=reason,
            explanation=explanation,
            cues={**self.cues, "regions_relevant": sum(region.is_relevant for region in ranked)},
            regions=ranked + self.proven,
            is_open=is_open,
        )

    def unknown(
        self, reason: str, explanation: str, regions: Iterable[RegionJudgement] = ()
    ) -> BurstJudgement:
        """Return the judgement that nothing can be told; `regions` may still be told later."""
        kept = tuple(regions)
        return replace(
            self,
            state=State.UNKNOWN,
            score=None,
            reason=reason,
            explanation=explanation,
            regions=kept + self.proven,
            is_open=bool(kept),
        )

    def nuisance(
        self, reason: str, explanation: str, threshold: float, score: float = NO_RELEVANCE
    ) -> BurstJudgement:
        """Return the judgement that nuisance is shown; a threshold below its score lets it pass."""
        return replace(
            self,
            state=State.IRRELEVANT if score < threshold else State.RELEVANT,
            score=score,
            reason=reason,
            explanation=explanation,
            regions=self.proven,
            is_open=False,
        )


def undecided_score(evidence: float) -> float:
    """Return the score of a region that nothing proves, from how much speaks for a mover, 0 to 1.

    It lies in the upper half: cues rank what nobody has proven, and suppress none of it.
    """
    return GENERAL_THRESHOLD + (1.0 - GENERAL_THRESHOLD) * evidence


def candidates(judgement: BurstJudgement) -> list[Candidate]:
    """List the regions to look at: those that are undecided, hardest to explain first.

    What is decided decides nothing any more, but a camera learns from it too: it comes last.
    """
    undecided = sorted(
        judgement.undecided,
        key=lambda region: (-region.cues.get("largest_unexplained_px", 0.0), -region.region.area),
    )
    decided = [region for region in judgement.regions if not judgement.is_open or region.is_proven]
    decided.sort(key=lambda region: (region.is_proven, -region.region.area))
    return [
        Candidate(
            region.region, region.cues.get("largest_unexplained_px", 0.0), is_decided=is_decided
        )
        for regions, is_decided in ((undecided, False), (decided, True))
        for region in regions
    ]
