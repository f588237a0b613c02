"""What decided an event: the region that did, and the verdict's sentence in the page's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veroallarme_core.contract import ALL_KINDS, RelevanceRegion, State, VerdictObject
from veroallarme_core.judgement import GENERAL_THRESHOLD, likely
from veroallarme_core.worker.history import EventEvidence, JudgedRegion
from veroallarme_core.worker.page.pages.event_cards import reason_key
from veroallarme_core.worker.page.pages.why import CueLine, lines_of
from veroallarme_core.worker.page.shell import Words

_OF_OBJECT, _OF_REGION = 0.3, 0.5
"""Shares of an object's box, or of a region's, that lie in the other where they belong together:
of somebody who walks often the legs alone are a region, and a region may hold two people."""
_BY_LIKENESS = frozenset({"seen_before", "resembles_nuisance"})


@dataclass(frozen=True, kw_only=True)
class ToldRegion:
    """A region as the page of its event tells of it."""

    number: int
    """In the verdict, from 0."""
    judged: JudgedRegion
    reason: str
    """Key of the words for its reason."""
    lines: Sequence[CueLine]


def told_regions(evidence: EventEvidence, words: Words) -> list[ToldRegion]:
    """Return the regions of an event: the one that decided it first, then by their scores."""
    regions = [
        ToldRegion(
            number=number,
            judged=judged,
            reason=reason_key(
                judged.region.reason,
                State.RELEVANT if judged.region.is_relevant else State.IRRELEVANT,
                _kinds_in(judged.region, evidence.objects),
                words,
            ),
            lines=lines_of(judged.region.cues, words),
        )
        for number, judged in enumerate(evidence.regions)
    ]
    first = _deciding(evidence)
    return sorted(regions, key=lambda region: (region.number != first, region.number))


def sentences(
    evidence: EventEvidence, reason: str, regions: Sequence[ToldRegion], words: Words
) -> str:
    """Return why an event was judged so, as the verdict's codes and numbers have it.

    Args:
        evidence: of the event.
        reason: key of the words for its reason.
        regions: as `told_regions` returns them.
        words: of the page's language.
    """
    verdict, cues = evidence.verdict, evidence.verdict["cues"]
    parts = [words("why.because", reason=words(reason))]
    region = regions[0].judged.region if regions else None
    # Of what is nuisance by a rule no region counts more than another.
    if region is not None and (region.is_relevant or "sessions_alike" in region.cues):
        parts.append(words("why.decided_by", width=region.width, height=region.height))
        parts += _explained(verdict, region, words)
    if isinstance(late_s := cues.get("late_s"), int | float):
        parts.append(words("why.late", seconds=f"{late_s:.0f}"))
    if verdict["score"] is not None and verdict["threshold"] != GENERAL_THRESHOLD:
        own, usual = f"{verdict['threshold']:.2f}", f"{GENERAL_THRESHOLD:.2f}"
        parts.append(words("why.own_threshold", threshold=own, calibrated=usual))
    return " ".join(parts)


def _explained(verdict: Mapping[str, Any], region: RelevanceRegion, words: Words) -> list[str]:
    """Return what the numbers of the deciding region say in a sentence, if anything."""
    cues, code = region.cues, region.reason
    if code == "busy_place" and "recurrence" in cues:
        return [words("why.recurs", share=f"{100 * cues['recurrence']:.0f}")]
    if "sessions_alike" in cues and code in {"moved", *_BY_LIKENESS}:
        count = int(cues["sessions_alike"])
        return [words("why.alike_before", count=count) if count else words("why.never_before")]
    if code == "moved" and {"explained_by_light", "explained_by_sway"} <= cues.keys():
        return [words(f"why.likely_{likely(cues)}")]
    return []


def _deciding(evidence: EventEvidence) -> int:
    """Return the number of the region that the reason of the verdict is about."""
    code, is_relevant = evidence.verdict["reason"], evidence.listed.state is State.RELEVANT
    alike = [
        (number, judged.region)
        for number, judged in enumerate(evidence.regions)
        if judged.region.is_relevant == is_relevant
    ]
    if is_relevant and code == "moved":
        kind = next((kind for kind in evidence.listed.kinds if kind in ALL_KINDS), None)
        named = [number for number, region in alike if kind in _kinds_in(region, evidence.objects)]
    else:
        named = [number for number, region in alike if region.reason == code]
    return next(iter(named), 0)


def _kinds_in(region: RelevanceRegion, objects: Sequence[VerdictObject]) -> list[str]:
    """Return the kinds of what was recognised in a region, the most certain first."""
    return [found.kind.value for found in objects if _belongs(found.to_bbox(), region.to_bbox())]


def _belongs(found: tuple[int, int, int, int], region: tuple[int, int, int, int]) -> bool:
    width = min(found[2], region[2]) - max(found[0], region[0])
    height = min(found[3], region[3]) - max(found[1], region[1])
    shared = max(0, width) * max(0, height)
    return shared >= _OF_OBJECT * _area(found) or shared >= _OF_REGION * _area(region)


def _area(box: tuple[int, int, int, int]) -> int:
    return max(1, (box[2] - box[0]) * (box[3] - box[1]))
