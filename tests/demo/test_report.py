"""What the demo prints and measures."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from veroallarme_core.demo.events import PlayedEvent
from veroallarme_core.demo.report import Outcome, Reporter, percentile


def outcome(
    label: str | None, state: str | None, *, cause: str = "person", ms: float = 10.0
) -> Outcome:
    event = PlayedEvent("street", f"a_{cause}", (), 0.5, label, cause)
    verdict = None
    if state is not None:
        verdict = {
            "state": state,
            "relevant": state != "irrelevant",
            "score": None if state == "unknown" else 0.5,
            "decided_at": "2026-11-23T12:34:56.000+00:00",
            "explanation": "Because [brackets] are no markup.",
        }
    return Outcome(event, verdict, ms)


@pytest.fixture
def printed() -> tuple[Reporter, io.StringIO]:
    text = io.StringIO()
    return Reporter(Console(file=text, width=160, highlight=False)), text


@pytest.mark.parametrize(
    ("label", "state", "right"),
    [
        ("relevant", "relevant", True),
        ("relevant", "unknown", True),
        ("relevant", "irrelevant", False),
        ("irrelevant", "irrelevant", True),
        ("irrelevant", "relevant", False),
        ("irrelevant", "unknown", False),
        (None, "relevant", None),
    ],
)
def test_right_is_what_the_label_asks_of_the_alarm(
    label: str | None, state: str, right: bool | None
) -> None:
    assert outcome(label, state).is_right is right


def test_line_holds_what_was_judged_and_why(printed: tuple[Reporter, io.StringIO]) -> None:
    reporter, text = printed
    reporter.tell(outcome("relevant", "relevant"))
    reporter.tell(outcome(None, "unknown"))
    reporter.tell(outcome("relevant", None))
    lines = text.getvalue().splitlines()
    assert "✓ 12:34:56 street" in lines[0]
    assert "Because [brackets] are no markup." in lines[0]
    assert "alarm" in lines[0]
    assert "unknown" in lines[1]
    assert "no verdict came for a_person" in lines[2]


def test_table_counts_right_and_wrong_by_cause(printed: tuple[Reporter, io.StringIO]) -> None:
    reporter, text = printed
    reporter.conclude(
        [
            outcome("relevant", "relevant"),
            outcome("relevant", "irrelevant"),
            outcome("irrelevant", "irrelevant", cause="rain"),
        ]
    )
    rows = [line.replace("│", " ").split() for line in text.getvalue().splitlines()]
    # cause, label, events, then what there is of: relevant, irrelevant, unknown, right, wrong
    assert ["person", "relevant", "2", "1", "1", "1", "1"] in rows
    assert ["rain", "irrelevant", "1", "1", "1"] in rows


def test_alarms_of_a_first_day_are_told_to_be_by_design(
    printed: tuple[Reporter, io.StringIO],
) -> None:
    reporter, text = printed
    place = {"host": "127.0.0.1", "port": 1883, "root": "veroallarme/demo", "own": True}
    reporter.introduce(**place)
    assert "first day" not in text.getvalue(), "of a clip nobody knows what is right"
    reporter.introduce(**place, is_labelled=True)
    assert "nothing is learned yet, and when in doubt they alert, by design" in " ".join(
        text.getvalue().split()
    )
    reporter.conclude([outcome("relevant", "relevant"), outcome("irrelevant", "relevant")])
    assert "Nothing relevant was missed. Alarms too many: 1, as on any first day" in text.getvalue()
    reporter.conclude([outcome("relevant", "irrelevant")])
    assert "Missed: 1. Alarms too many: 0" in text.getvalue()


def test_without_labels_there_is_no_table(printed: tuple[Reporter, io.StringIO]) -> None:
    reporter, text = printed
    reporter.conclude([outcome(None, "relevant")])
    assert text.getvalue() == ""


def test_figures_are_counts_and_times(printed: tuple[Reporter, io.StringIO]) -> None:
    figures: dict[str, Any] = printed[0].figures(
        [
            outcome("relevant", "relevant", ms=10),
            outcome("relevant", "irrelevant", ms=30, cause="cat"),
            outcome(None, "unknown", ms=20),
            outcome("irrelevant", None),
        ]
    )
    assert figures["states_by_label"] == {
        "relevant": {"relevant": 1, "irrelevant": 1},
        "irrelevant": {"none": 1},
        "unlabelled": {"unknown": 1},
    }
    assert figures["missed"] == ["a_cat"]
    assert (figures["p50_ms"], figures["p95_ms"]) == (20, 30)


def test_nothing_played_has_no_times(printed: tuple[Reporter, io.StringIO]) -> None:
    reporter, text = printed
    figures = reporter.figures([])
    assert figures["p50_ms"] is None
    reporter.balance(
        {"starts": 0, "covered": 0, "verdicts": 0, "repeated": 0, "peak_memory_mb": 1.0} | figures
    )
    assert "0 motion starts" in text.getvalue()


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_percentile_by_its_definition(values: list[float], share: float) -> None:
    found = percentile(values, share)
    enough = [v for v in values if sum(other <= v for other in values) >= share * len(values)]
    assert found == min(enough)
