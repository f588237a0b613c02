"""What the demo prints: a line per verdict, and a table of what was right and wrong."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from veroallarme_core.demo.events import LABELS, PlayedEvent

_COLOURS = {"relevant": "green", "irrelevant": "red", "unknown": "yellow"}
STATES = ("relevant", "irrelevant", "unknown")


@dataclass(frozen=True)
class Outcome:
    """A played event and the verdict that came, None where none came in time."""

    event: PlayedEvent
    verdict: dict[str, Any] | None
    beyond_fetch_ms: float
    """From the motion message to the published verdict, less fetching the snapshots."""

    @property
    def state(self) -> str:
        """The verdict's state, or ``none``."""
        return "none" if self.verdict is None else str(self.verdict["state"])

    @property
    def is_right(self) -> bool | None:
        """Whether the alarm did what the label asks for; None without a label."""
        if self.event.label is None:
            return None
        rings = self.verdict is None or self.verdict["relevant"]
        return bool(rings) == (self.event.label == "relevant")


class Reporter:
    """Prints to the terminal; plain lines where the output is no terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)

    def introduce(
        self,
        host: str,
        port: int,
        root: str,
        *,
        own: bool,
        page: str | None = None,
        is_labelled: bool = False,
    ) -> None:
        """Say what is running and how to look at it.

        Args:
            host: of the broker.
            port: of the broker.
            root: topic below which all is.
            own: whether the broker is the demo's.
            page: address of the worker's page; None where there is none.
            is_labelled: whether it is known of the events what is relevant.
        """
        if page is not None:
            self._console.print(
                f"[bold]See it and teach it[/] in a browser on this machine: [bold]{page}[/]\n"
            )
        whose = "inside this process" if own else "of yours"
        self._console.print(
            f"[bold]VeroAllarme demo[/]: the MQTT broker {whose} listens on {host}:{port}.\n"
            f"Connect MQTT Explorer to host [bold]{host}[/], port [bold]{port}[/], without user "
            f"and password, and open [bold]{escape(root)}[/].\n"
            "Ctrl-C ends it, with a table of what was right and what was wrong.\n"
        )
        if is_labelled:
            self._console.print(
                "[green]✓[/] rang, or kept quiet, rightly; [bold red]✗[/] did not. These cameras "
                "are on their first day: nothing is learned yet, and when in doubt they alert, by "
                "design. So trees, shadows and headlights still ring (✗) until a camera has "
                "learned its place from some days of its own events, which the demo does not do. "
                "A missed person would be a fault.\n"
            )

    def tell(self, outcome: Outcome) -> None:
        """Print one verdict."""
        event = outcome.event
        if outcome.verdict is None:
            self._console.print(f"[bold red]no verdict came[/] for {escape(event.name)}")
            return
        verdict = outcome.verdict
        colour = _COLOURS[verdict["state"]]
        mark = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: " "}[outcome.is_right]
        score = "  - " if verdict["score"] is None else f"{verdict['score']:.2f}"
        alarm = "alarm" if verdict["relevant"] else "quiet"
        self._console.print(
            f"{mark} {verdict['decided_at'][11:19]} {escape(event.camera):<8} "
            f"[{colour}]{verdict['state']:<10}[/] {score} [bold]{alarm}[/] "
            f"[dim]{escape(event.name)}:[/] {escape(verdict['explanation'])} "
            f"[dim]{outcome.beyond_fetch_ms:.0f} ms[/]",
            soft_wrap=True,
        )

    def conclude(self, outcomes: Sequence[Outcome]) -> None:
        """Print the table of causes, where the events had labels."""
        labelled = [outcome for outcome in outcomes if outcome.event.label is not None]
        if not labelled:
            return
        # No frame, so that the columns fit into 80 characters.
        table = Table(title="What was right and what was wrong", box=None, padding=(0, 1, 0, 0))
        for column in ("cause", "label", "events", *STATES, "right", "wrong"):
            justify: JustifyMethod = "left" if column in ("cause", "label") else "right"
            table.add_column(column, justify=justify, no_wrap=True)
        groups: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in labelled:
            key = (outcome.event.label or "", outcome.event.cause or "")
            groups.setdefault(key, []).append(outcome)
        for label, cause in sorted(groups, key=lambda key: (key[0] != "relevant", key[1])):
            _add_row(table, escape(cause), label, groups[label, cause])
        table.add_section()
        for label in LABELS:
            rows = [outcome for outcome in labelled if outcome.event.label == label]
            if rows:
                _add_row(table, "all", label, rows)
        self._console.print(table)
        missed = sum(one.is_right is False for one in labelled if one.event.label == LABELS[0])
        too_many = sum(one.is_right is False for one in labelled) - missed
        self._console.print(
            f"[bold red]Missed: {missed}.[/]" if missed else "Nothing relevant was missed.",
            f"Alarms too many: {too_many}, as on any first day; nothing is learned here.",
        )

    def figures(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """Return counts and times as numbers."""
        by_label: dict[str, dict[str, int]] = {}
        for label in (*LABELS, None):
            states = Counter(outcome.state for outcome in outcomes if outcome.event.label == label)
            if states:
                by_label[label or "unlabelled"] = dict(states)
        times = [outcome.beyond_fetch_ms for outcome in outcomes if outcome.verdict is not None]
        return {
            "states_by_label": by_label,
            "missed": [
                outcome.event.name
                for outcome in outcomes
                if outcome.event.label == "relevant" and not outcome.is_right
            ],
            "p50_ms": round(statistics.median(times), 1) if times else None,
            "p95_ms": round(percentile(times, 0.95), 1) if times else None,
        }

    def balance(self, figures: dict[str, Any]) -> None:
        """Print whether every start has its verdict, and the times."""
        good = figures["starts"] == figures["covered"] and not figures["repeated"]
        colour = "green" if good else "bold red"
        self._console.print(
            f"[{colour}]{figures['starts']} motion starts, {figures['covered']} covered by "
            f"{figures['verdicts']} verdicts, {figures['repeated']} repeated[/]; "
            f"beyond the snapshots p50 {figures['p50_ms']} ms, p95 {figures['p95_ms']} ms; "
            f"peak memory {figures['peak_memory_mb']:.0f} MB"
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def _add_row(table: Table, cause: str, label: str, rows: Sequence[Outcome]) -> None:
    states = Counter(outcome.state for outcome in rows)
    right = sum(outcome.is_right is True for outcome in rows)
    wrong = len(rows) - right
    table.add_row(
        cause,
        label,
        str(len(rows)),
        *(str(states[state] or "") for state in STATES),
        str(right or ""),
        f"[bold red]{wrong}[/]" if wrong else "",
    )
