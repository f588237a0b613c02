"""Zones while a camera is learned: what is judged and promised, and what still teaches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.watched import SIZE, history, scene_encoder
from veroallarme_core.adaptation import camera_run, intruder_trial
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import list_events
from veroallarme_core.adaptation.observed_events import observe_history
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.contract import Zone, ZoneKind
from veroallarme_core.judgement import Premises
from veroallarme_core.pipeline import EventPipeline

EVERYTHING = Zone(name="all", kind=ZoneKind.IGNORE, points=((0, 0), (1, 0), (1, 1), (0, 1)))
MOST = Zone(name="most", points=((0.3, 0), (1, 0), (1, 1), (0.3, 1)))
RIGHT = Zone(name="right", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
FEW = AdaptationOptions(intruders=6, recall=0.9, confidence=0.9)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some events of the history."""
    folder = tmp_path_factory.mktemp("some")
    for event in history()[:10]:
        event.write(folder)
    return folder


def adapt(some: Path, zones: tuple[Zone, ...], labels: dict[str, bool] | None = None) -> Any:
    options = replace(FEW, zones=zones)
    return adapt_camera(
        list_events(some), EventPipeline(encoder=scene_encoder()), labels or {}, options
    )


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, np.ndarray]]:
    """How intruders and confirmed events fared in every adaptation."""
    attempts, confirmed = [], []

    def tried(*arguments: Any) -> Any:
        attempts.append(try_intruders(*arguments))
        return attempts[-1]

    def asked(*arguments: Any) -> Any:
        confirmed.append(try_confirmed(*arguments))
        calls.append((attempts[-1], confirmed[-1]))
        return confirmed[-1]

    calls: list[tuple[Any, np.ndarray]] = []
    try_intruders, try_confirmed = camera_run.try_intruders, camera_run.try_confirmed
    monkeypatch.setattr(camera_run, "try_intruders", tried)
    monkeypatch.setattr(camera_run, "try_confirmed", asked)
    return calls


def test_the_whole_picture_is_remembered_whatever_counts(some: Path) -> None:
    memory, _, _ = adapt(some, ())
    zoned, _, _ = adapt(some, (RIGHT,))
    nothing, _, _ = adapt(some, (EVERYTHING,))
    events = np.unique(memory.bank.event)
    assert np.array_equal(np.unique(zoned.bank.event), events)
    assert np.array_equal(np.unique(nothing.bank.event), events)
    assert np.array_equal(memory.recurrence(), zoned.recurrence())
    assert zoned.bank.place[:, 0].min() < 0.4, "what moved outside is remembered"


def test_regions_that_count_come_first_and_are_marked(some: Path) -> None:
    options = replace(FEW, zones=(MOST,))
    _, known, _ = observe_history(
        list_events(some), EventPipeline(encoder=scene_encoder()), options, lambda *_: None
    )
    assert any(event.counts.any() and not event.counts.all() for event in known)
    outside = [
        region.unexplained
        for event in known
        for region, counts in zip(event.regions, event.counts, strict=True)
        if not counts
    ]
    assert max(outside) > 0, "the teacher compares all that moves"
    for event in known:
        assert len(event.counts) == len(event.regions)
        assert not np.any(np.diff(event.counts.astype(int)) > 0), "those outside come last"
        for region, counts in zip(event.regions, event.counts, strict=True):
            assert counts == (region.place[0] > 0.3)


def test_intruders_come_only_where_they_would_count(
    some: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pasted = []

    def spy(*arguments: Any, **more: Any) -> Any:
        pasted.append(paste(*arguments, **more))
        return pasted[-1]

    paste = intruder_trial.paste_intruder
    monkeypatch.setattr(intruder_trial, "paste_intruder", spy)
    adapt(some, (RIGHT,))
    within = Premises.of((RIGHT,), SIZE).mask
    assert within is not None
    seen = [event for event in pasted if event is not None]
    assert len(seen) >= 3
    for event in seen:
        assert any(mask.any() and np.mean(within[mask] > 0) >= 0.5 for mask in event.masks)


def test_where_nothing_counts_nothing_is_promised(some: Path) -> None:
    _, model, report = adapt(some, (EVERYTHING,))
    assert not report.learned
    assert report.suppressed == 0
    assert model.promise is None


def test_a_thumb_up_for_what_lies_outside_by_now_is_no_miss(
    some: Path, trials: list[tuple[Any, np.ndarray]]
) -> None:
    labels = {history()[2].event_id: True}
    adapt(some, (), labels)
    adapt(some, (EVERYTHING,), labels)
    (_, before), (_, after) = trials
    assert len(before) == 1
    assert len(after) == 0


def test_what_alerts_by_its_place_hosts_no_intruder(
    some: Path, trials: list[tuple[Any, np.ndarray]]
) -> None:
    """An intruder in such an event would be found whatever the model says of it."""
    always = replace(EVERYTHING, kind=ZoneKind.ALWAYS)
    _, _, report = adapt(some, (always,))
    [(synthetic, _)] = trials
    assert len(synthetic) == 0
    assert report.suppressed == 0
