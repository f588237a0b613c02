"""The figures as one Markdown table, and that table in the pages that show it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from benchmarks.suite.comparison import change
from benchmarks.suite.figures import Figure, Results

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def render(
    results: Results, before: Results | None = None, only: Collection[str] | None = None
) -> str:
    """Return the table in Markdown, under a line that names date, machine and versions.

    Args:
        results: to show.
        before: what to compare with; None leaves the column out.
        only: names of the figures to show; None shows all.
    """
    figures = [figure for figure in results.figures if only is None or figure.name in only]
    heads = ["", "median", "± spread", "p95", "x decoding"]
    if before is not None:
        heads.append(f"since {before.measured_at[:10]}")
    lines = [_title(results), "", _row(heads), "|---|" + "---:|" * (len(heads) - 1)]
    for figure in figures:
        cells = _cells(figure)
        if before is not None:
            same = before.machine == results.machine
            cells.append(change(figure, before.by_name.get(figure.name), same_machine=same))
        lines.append(_row(cells))
    if only is None:
        lines += ["", *(f"- {note}" for note in results.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _title(results: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    clock = {
        "cpu": "times of judging and learning are processor time on one thread",
        "wall": "times are by the clock, on one thread",
    }[results.clock]
    return f"{results.measured_at}, {results.machine}; {versions}; {clock}."


def _cells(figure: Figure) -> list[str]:
    ratio = "" if figure.times_decoding is None else f"{figure.times_decoding:.1f}"
    p95 = "" if figure.p95 is None else _number(figure.p95)
    spread = "" if not figure.spread else _number(figure.spread)
    return [figure.name, f"{_number(figure.median)} {figure.unit}", spread, p95, ratio]


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(cells: Collection[str]) -> str:
    return f"| {' | '.join(cells)} |"


def renew(page: Path, table: str) -> None:
    """Put a table between the marks of a page.

    Raises:
        ValueError: the page has no such place, or several.
    """
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{page} must have one place for the table, from {BEGIN} to {END}")
    # A function: a table may hold what `sub` would take for a group.
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{table}\n{END}", text), encoding="utf-8")
