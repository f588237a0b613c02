"""What a verdict says, in JSON that stays small."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from veroallarme_core.contract.verdict import (
    MAX_REGIONS,
    FrameCounts,
    ObjectKind,
    RelevanceRegion,
    State,
    Timing,
    Verdict,
    VerdictObject,
)

MOTION_AT = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
MAX_ATTRIBUTE_BYTES = 16_384
"""Home Assistant records no attributes beyond this."""


def region(score: float = 0.5, *, relevant: bool = True) -> RelevanceRegion:
    return RelevanceRegion(
        x=1000,
        y=1000,
        width=1000,
        height=1000,
        area=1_000_000,
        centroid=(1500, 1500),
        confidence=1 / 3,
        relevance_score=score,
        is_relevant=relevant,
        reason="a_reason_of_some_length",
    )


def recognised() -> VerdictObject:
    return VerdictObject(
        kind=ObjectKind.VEHICLE,
        class_name="motorcycle",
        score=1 / 3,
        x=1000,
        y=1000,
        width=1000,
        height=1000,
    )


def verdict(*regions: RelevanceRegion) -> Verdict:
    return Verdict(
        event_id="20261123_120000_abcdef",
        camera="front",
        state=State.RELEVANT,
        relevant=True,
        score=2 / 3,
        threshold=0.5,
        reason="motion",
        explanation="Something moved.",
        cues={"share": 1 / 3, "regions": len(regions), "night": False, "kind": "plain"},
        motion_at=MOTION_AT,
        decided_at=MOTION_AT + timedelta(seconds=1.5),
        hold_until=MOTION_AT + timedelta(seconds=31),
        mode="filter",
        learning=False,
        merged=2,
        frame_dimensions=(576, 704),
        regions=regions,
        objects=[recognised()] * 20,
        frames=FrameCounts(requested=3, fetched=3, distinct=2, damaged=1, age_ms=250),
        timing_ms=Timing(fetch=1200.04, decode=9.96),
        model="test",
    )


def test_json_holds_every_field_of_the_contract() -> None:
    assert set(verdict().to_dict()) == {
        "event_id", "camera", "state", "relevant", "score", "threshold", "reason", "explanation",
        "cues", "motion_at", "decided_at", "hold_until", "mode", "learning", "merged",
        "frame_dimensions", "num_relevant", "num_irrelevant", "regions", "objects", "frames",
        "timing_ms", "model", "stored",
    }  # fmt: skip
    assert set(region().to_contract()) == {
        "x", "y", "width", "height", "area", "centroid", "confidence", "relevance_score",
        "is_relevant", "reason",
    }  # fmt: skip


def test_json_is_made_of_plain_values() -> None:
    content = json.loads(json.dumps(verdict(region()).to_dict(), allow_nan=False))
    assert content["motion_at"] == "2026-11-23T12:00:00.000+00:00"
    assert content["decided_at"] == "2026-11-23T12:00:01.500+00:00"
    assert content["frame_dimensions"] == [576, 704]
    assert content["frames"]["age_ms"] == 250
    assert content["timing_ms"]["decode"] == 10.0
    assert content["score"] == 0.6667
    assert content["regions"][0]["centroid"] == [1500, 1500]


def test_what_could_not_be_judged_has_no_numbers() -> None:
    unknown = replace(verdict(), score=None, hold_until=None, frame_dimensions=None)
    content = unknown.to_dict()
    assert content["score"] is content["hold_until"] is content["frame_dimensions"] is None


def test_strongest_regions_are_shown_and_all_are_counted() -> None:
    regions = [region(number / 100, relevant=number >= 50) for number in range(100)]
    content = verdict(*regions).to_dict()
    shown = [one["relevance_score"] for one in content["regions"]]
    assert shown == [number / 100 for number in range(99, 99 - MAX_REGIONS, -1)]
    assert (content["num_relevant"], content["num_irrelevant"]) == (50, 50)


def test_largest_verdict_fits_an_attribute() -> None:
    text = json.dumps(verdict(*[region(0.1234)] * 500).to_dict())
    assert len(text.encode()) < MAX_ATTRIBUTE_BYTES / 2


def test_unstored_changes_nothing_else() -> None:
    before, after = verdict().to_dict(), verdict().unstored().to_dict()
    assert before.pop("stored") is True
    assert after.pop("stored") is False
    assert before == after
