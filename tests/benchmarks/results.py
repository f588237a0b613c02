"""Results of runs that nobody ran."""

from typing import Any

from benchmarks.suite.figures import Figure, Results

MACHINE = "Some CPU @ 2.00GHz, 2 threads, avx2"


def results(*figures: Figure, **more: Any) -> Results:
    fields: dict[str, Any] = {
        "measured_at": "2026-11-29 12:00 UTC",
        "machine": MACHINE,
        "clock": "cpu",
        "versions": {"python": "3.11.7"},
    }
    return Results(figures=figures, **fields | more)


def figure(name: str = "whole event", median: float = 100.0, **more: Any) -> Figure:
    return Figure(name=name, median=median, **{"unit": "ms"} | more)
