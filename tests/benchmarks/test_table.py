"""The table in Markdown, and its place in the pages."""

from pathlib import Path

import pytest

from benchmarks.suite.table import BEGIN, END, render, renew
from tests.benchmarks.results import MACHINE, figure, results


def rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_shows_every_figure_with_its_noise() -> None:
    table = render(
        results(
            figure("event", 12.34, spread=0.51, p95=123.4, times_decoding=3.14),
            figure("worker", 271.2, unit="MB"),
            notes=("mosquitto is missing.",),
        )
    )

    assert rows(table) == [
        ["", "median", "± spread", "p95", "x decoding"],
        ["---", "---:", "---:", "---:", "---:"],
        ["event", "12.3 ms", "0.51", "123", "3.1"],
        ["worker", "271 MB", "", "", ""],
    ]
    title = table.splitlines()[0]
    assert "2026-11-29" in title
    assert MACHINE in title
    assert "python 3.11.7" in title
    assert "- mosquitto is missing." in table.splitlines()


def test_marks_what_changed_since() -> None:
    before = results(figure("slower"), figure("faster"), figure("same"))
    now = results(
        figure("slower", 150), figure("faster", 50), figure("same"), figure("new"),
        measured_at="2026-12-01 00:00 UTC",
    )  # fmt: skip
    heads, _, *found = rows(render(now, before))

    assert heads[-1] == "since 2026-11-29"
    assert {row[0]: row[-1] for row in found} == {
        "slower": "+50% WORSE",
        "faster": "-50%",
        "same": "",
        "new": "",
    }


def test_shows_some_figures_without_notes() -> None:
    table = render(results(figure("one"), figure("two"), notes=("a note",)), only=["two"])

    assert [row[0] for row in rows(table)[2:]] == ["two"]
    assert "a note" not in table


def test_takes_its_place_in_a_page_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n", encoding="utf-8")
    for name in (r"first \1 \g<0>", "second"):
        renew(page, render(results(figure(name))))
        text = page.read_text(encoding="utf-8")
        assert name in text
        assert (text.startswith("Before.\n"), text.endswith("\nAfter.\n")) == (True, True)
    assert "first" not in text
    assert "old" not in text


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_one_place_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="must have one place for the table"):
        renew(page, "table")
    assert page.read_text(encoding="utf-8") == text
