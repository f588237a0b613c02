"""The ladder as Markdown for people, and as CSV for everything else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veroallarme_core.files import write_atomically
from veroallarme_training.evaluation.cameras import LabelledCamera
from veroallarme_training.evaluation.intruders import HEIGHT_CLASSES
from veroallarme_training.evaluation.ladder import RowResult, WithThumbs
from veroallarme_training.evaluation.measures import Figure
from veroallarme_training.evaluation.product import Product
from veroallarme_training.evaluation.promise import kept_promise, recalls_elsewhere
from veroallarme_training.evaluation.scores import ScoresFile

MEAN, TOTAL = "mean", "all events"


@dataclass(frozen=True)
class Goal:
    """What a figure shall reach; at most where `at_most`, else at least."""

    meaning: str
    figure: str
    value: float
    at_most: bool = False
    unit: str = "%"
    """% of a share; empty of an AUC, which has none."""

    def shortfall(self, value: float) -> float:
        """Return by how much a value misses the goal; 0 or less where it is met."""
        return value - self.value if self.at_most else self.value - value


GOALS = (
    Goal("false alarms suppressed at 95 % recall", "suppressed_95", 0.90),
    Goal("false alarms suppressed at 99 % recall", "suppressed_99", 0.80),
    Goal("suppressed, as decided", "state_suppressed", 0.60),
    Goal("missed, as decided", "state_missed", 0.01, at_most=True),
    Goal("AUC of regions", "region_auc", 0.93, unit=""),
    Goal("synthetic intruders over the worst nuisance zone, recall", "intruder_recall", 0.97),
    Goal("corrupt-only events suppressed", "corrupt_suppressed", 0.95),
    Goal("movers in damaged frames kept", "corrupt_kept", 0.99),
    Goal("promised recall kept, share of resamples", "promise_kept", 0.95),
    Goal("adaptation of 1,000 events", "adapt_s", 300, at_most=True, unit="s"),
    Goal("adaptation, peak memory", "adapt_mb", 1024, at_most=True, unit="MB"),
)
FRESH_GOALS = (
    Goal("fresh installation: suppressed, as decided", "state_suppressed", 0.60),
    Goal("fresh installation: missed, as decided", "state_missed", 0.02, at_most=True),
)
THUMBS_GOALS = (
    Goal("after 30 thumbs: false alarms suppressed at 99 % recall", "suppressed_99", 0.90),
    Goal("after 30 thumbs: AUC of regions", "region_auc", 0.97, unit=""),
)
GOAL_THUMBS = 30
MIN_FOR_VERDICT = 20
"""A goal is neither met nor missed on fewer events."""
PROMISE_GOAL = 0.95
MIN_CONFIRMED = 100
"""Relevant events on which a promise calibrated on intruders is checked."""

LADDER = {
    "auc": "AUC",
    "average_precision": "AP",
    "suppressed_95": "suppressed at 95 %",
    "suppressed_98": "at 98 %",
    "suppressed_99": "at 99 %",
    "state_suppressed": "decided: suppressed",
    "state_missed": "decided: missed",
    "region_auc": "region AUC",
    "region_average_precision": "region AP",
}
LATER = {f"later_{name}": title for name, title in LADDER.items() if "region" not in name}
INTRUDERS = {
    "intruder_recall": "recall over the worst zone",
    "intruder_recall_elsewhere": "elsewhere",
    "intruder_seen": "seen by Stage 1",
    "intruder_caught": "region on it relevant",
} | {
    f"intruder_recall_{low}_{high}": f"{low}-{high - 1} px" if high < 1000 else f"from {low} px"
    for low, high in HEIGHT_CLASSES
}
DAMAGE = {
    "corrupt_suppressed": "corrupt-only suppressed",
    "corrupt_kept": "movers in damaged frames kept",
}


def goals_of(result: RowResult) -> tuple[Goal, ...]:
    """Return the goals that a row is held to: learned, learned with thumbs, or on the first day.

    A row stands for the first day where its name begins with `fresh` or `first`.
    """
    if isinstance(result.row, WithThumbs):
        return THUMBS_GOALS if result.row.count == GOAL_THUMBS else ()
    return FRESH_GOALS if result.name.startswith(("fresh", "first")) else GOALS


def places(results: Sequence[RowResult]) -> list[str]:
    """Return where figures are known: every camera, and after each group its mean and total."""
    cameras = dict.fromkeys(name for result in results for name in result.cameras)
    groups = dict.fromkeys(group for result in results for group in result.means)
    ordered: list[str] = []
    for group in dict.fromkeys(name.rpartition("/")[0] for name in cameras):
        ordered += [name for name in cameras if name.rpartition("/")[0] == group]
        ordered += [f"{group}: {kind}" for kind in (MEAN, TOTAL) if group in groups]
    return ordered


def figures_at(result: RowResult, place: str) -> Mapping[str, Figure]:
    """Return a row's figures at one of the `places`."""
    if place in result.cameras:
        return result.cameras[place].figures
    group, _, kind = place.rpartition(": ")
    return (result.means if kind == MEAN else result.totals).get(group, {})


# --- files ---------------------------------------------------------------------------------------


def write_csv(path: Path, results: Sequence[RowResult]) -> None:
    """Write every figure of every row in a line of its own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "place", "measure", "value", "low", "high", "count"))
    for result in results:
        for place in places(results):
            for name, figure in sorted(figures_at(result, place).items()):
                numbers = [f"{value:.4f}" for value in (figure.value, *figure.interval)]
                writer.writerow([result.name, place, name, *numbers, figure.count])
    write_atomically(path, text.getvalue())


def markdown(
    cameras: Sequence[LabelledCamera],
    results: Sequence[RowResult],
    judged: RowResult,
    *,
    resamples: int,
    seed: int,
    pictures: Sequence[Path] = (),
) -> str:
    """Return the report.

    Args:
        cameras: what was evaluated on.
        results: the rows in the order of the ladder.
        judged: the row that the goals are for; 30 thumbs and the fresh installation are held to
            their own as well.
        resamples: of intervals and promises.
        seed: of the promises.
        pictures: shown at the end, relative to the report.
    """
    own = [result for result in results if isinstance(result.row, WithThumbs | Product)]
    held = [judged, *(result for result in own if goals_of(result) in (FRESH_GOALS, THUMBS_GOALS))]
    parts = [
        ["# Evaluation", "", *_NOTES],
        ["## Data", "", *_data(cameras)],
        ["## Ladder", "", *_by_place(results, LADDER)],
        ["## Later half of the events", "", *_by_place(results, LATER)],
        [f"## Goals: {judged.name}", "", *_goals(dict.fromkeys(held), results)],
        ["## Synthetic intruders", "", *_intruders(results)],
        ["## Corrupt frames", "", *_by_place(results, DAMAGE)],
        ["## By cause", "", *_causes(results)],
        [f"## Kept promise: {judged.name}", "", *_promises(judged, resamples, seed)],
        ["## Time and memory", "", *_costs(results)],
        ["## Pictures", "", *(f"![{path.stem}]({path.as_posix()})" for path in pictures)],
    ]
    text = "\n\n".join("\n".join(lines).rstrip() for lines in parts if len(lines) > 2)
    return f"{text}\n"


_NOTES = (
    "Figures with 95 % intervals in brackets. *Suppressed at 95 %*: share of irrelevant events "
    "below the largest threshold that keeps 95 % of the relevant ones; that threshold is chosen "
    "on these labels. *Decided*: by the `state` of each event; missed = relevant events that were "
    "suppressed. Events of one clip resemble each other, which no interval of one camera knows; "
    "that of a mean over cameras draws the cameras too.",
)


def ladder_table(results: Sequence[RowResult], place: str) -> list[str]:
    """Return the ladder at one place as a Markdown table."""
    return _table(results, place, LADDER)


def _by_place(results: Sequence[RowResult], columns: Mapping[str, str]) -> Iterator[str]:
    for place in places(results):
        table = _table(results, place, columns)
        if table:
            yield from (f"### {place}", "", *table, "")


def _table(results: Sequence[RowResult], place: str, columns: Mapping[str, str]) -> list[str]:
    found = [figures_at(result, place) for result in results]
    shown = {name: title for name, title in columns.items() if any(name in f for f in found)}
    if not shown:
        return []
    rows = [
        [result.name, *(_cell(figures.get(name), name) for name in shown)]
        for result, figures in zip(results, found, strict=True)
        if any(name in figures for name in shown)
    ]
    return _lines(["row", *shown.values()], rows)


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *["--:"] * (len(header) - 1)]
    return [f"| {' | '.join(row)} |" for row in (header, rule, *rows)]


def _cell(figure: Figure | None, name: str) -> str:
    if figure is None:
        return "–"
    low, high = figure.interval
    if name.endswith(("auc", "average_precision")):
        return f"{figure.value:.3f} [{low:.2f}–{high:.2f}]"
    return f"{_percent(figure.value)} [{100 * low:.0f}–{100 * high:.0f}]"


def _data(cameras: Sequence[LabelledCamera]) -> list[str]:
    rows = []
    for labelled in cameras:
        relevant = sum(label.relevant for label in labelled.labels.values())
        boxes = [known for event_boxes in labelled.boxes.values() for _, known in event_boxes]
        rows.append(
            [
                labelled.camera.name,
                *(f"{n:,}" for n in (len(labelled.camera.events), relevant)),
                *(f"{n:,}" for n in (len(labelled.labels) - relevant, labelled.uncertain)),
                f"{sum(boxes):,} / {len(boxes) - sum(boxes):,}",
            ]
        )
    header = ("camera", "events", "relevant", "irrelevant", "uncertain, left out")
    return _lines([*header, "boxes relevant / not"], rows)


def _goals(judged: Iterable[RowResult], results: Sequence[RowResult]) -> list[str]:
    rows = []
    for result in judged:
        for goal in goals_of(result):
            for place in places(results):
                figure = figures_at(result, place).get(goal.figure)
                if figure is None or figure.count < MIN_FOR_VERDICT:
                    continue
                rows.append([result.name, goal.meaning, *_held_to(goal, place, figure)])
    if not rows:
        return [f"No figure with a goal stands on {MIN_FOR_VERDICT} events."]
    return _lines(["row", "measure", "goal", "where", "figure", "verdict"], rows)


def _held_to(goal: Goal, place: str, figure: Figure) -> list[str]:
    short, figures = goal.shortfall(figure.value), _cell(figure, goal.figure)
    if goal.unit == "%":
        target, by = _percent(goal.value, 0), f"{100 * short:.1f} points"
    elif goal.unit:
        target, by = f"{goal.value:,.0f} {goal.unit}", f"{short:,.0f} {goal.unit}"
        figures = f"{figure.value:,.0f} {goal.unit} ({figure.count:,} events)"
    else:
        target, by = f"{goal.value:g}", f"{short:.3f}"
    verdict = "met" if short <= 0 else f"missed by {by}"
    return [f"{'≤' if goal.at_most else '≥'} {target}", place, figures, verdict]


def _intruders(results: Sequence[RowResult]) -> list[str]:
    lines = list(_by_place(results, INTRUDERS))
    if not lines:
        return []
    note = "Events of the product's quietest bursts with an intruder: share that raises the alarm, "
    return [f"{note}over the places where motion recurs most and by height.", "", *lines]


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"


def _causes(results: Sequence[RowResult]) -> Iterator[str]:
    yield "Suppressed events: at 99 % recall / as decided."
    yield ""
    for camera in (place for place in places(results) if "/" in place):
        found = [result for result in results if camera in result.cameras]
        causes = sorted({key for result in found for key in result.cameras[camera].causes})
        header = [f"{'' if relevant else 'ir'}relevant: {cause}" for relevant, cause in causes]
        rows = []
        for result in found:
            counts = [result.cameras[camera].causes.get(key) for key in causes]
            cells = [
                "–"
                if count is None
                else f"{count.ranking} / {'–' if count.state is None else count.state} "
                f"of {count.events}"
                for count in counts
            ]
            rows.append([result.name, *cells])
        yield from (f"### {camera}", "", *_lines(["row", *header], rows), "")


def _promises(judged: RowResult, resamples: int, seed: int) -> list[str]:
    alike, elsewhere = [], []
    for name, camera in judged.cameras.items():
        intruders = [trial.score for trial in camera.trials if trial.is_seen]
        for alpha in (0.01, 0.05):
            promised = _percent(1 - alpha, 0)
            for kind, scores in (("intruders", intruders), ("real events", camera.positives)):
                rng = np.random.default_rng(seed)
                promise = kept_promise(scores, alpha, resamples, rng)
                if promise is not None:
                    shares = (promise.kept, promise.kept_on_rest, promise.expected_on_rest)
                    verdict = "met" if promise.kept >= PROMISE_GOAL else "missed"
                    alike.append([name, kind, promised, *map(_percent, shares), verdict])
            if len(camera.positives) < MIN_CONFIRMED:
                continue
            rng = np.random.default_rng(seed)
            real = recalls_elsewhere(intruders, camera.positives, alpha, resamples, rng)
            if real is not None:
                recall = _cell(Figure(float(real.mean()), real, len(camera.positives)), "")
                kept = _percent(float(np.mean(real >= 1 - alpha - 1e-9)))
                elsewhere.append([name, promised, recall, kept])
    if not alike:
        return ["No camera has relevant events enough to promise a recall of 95 %."]
    header = ["camera", "positives", "promised recall", "kept", "kept on the rest"]
    lines = _lines([*header, "expected there", f"goal: {_percent(PROMISE_GOAL, 0)}"], alike)
    if elsewhere:
        lines += ["", "Calibrated on intruders, and kept on real events:", ""]
        header = ["camera", "promised recall", "real recall", "kept in resamples"]
        lines += _lines(header, elsewhere)
    return lines


def _costs(results: Sequence[RowResult]) -> list[str]:
    rows = []
    for result in results:
        if result.cameras and not isinstance(result.row, ScoresFile):
            seconds = [camera.seconds for camera in result.cameras.values()]
            rows.append([result.name, f"{1e3 * np.mean(seconds):,.0f}"])
    lines = _lines(["row", "ms per event"], rows)
    costs = [
        (row, name, cost)
        for row, product in _products(results)
        for name, camera_costs in product.costs.items()
        for cost in camera_costs
    ]
    if costs:
        header = ["adaptation", "camera", "events", "s (goal for 1,000: 300)"]
        header.append("peak MB (goal: 1,024)")
        table = [
            (name, camera, f"{c.events:,}", f"{c.seconds:.0f}", f"{c.peak_mb:.0f}")
            for name, camera, c in costs
        ]
        lines += ["", *_lines(header, table)]
    return lines


def _products(results: Sequence[RowResult]) -> Iterator[tuple[str, Product]]:
    for result in results:
        row = result.row.learner if isinstance(result.row, WithThumbs) else result.row
        if isinstance(row, Product):
            yield result.name, row
