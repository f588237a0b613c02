"""What was seen of intruders before: judged by it they rank as if they were looked at anew."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.watched import garden_model, history, learned_memory, scene_encoder, watch
from veroallarme_core.adaptation import camera_run, intruder_trial, promise, seen_intruders
from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import EventFolder, list_events
from veroallarme_core.adaptation.intruder_trial import (
    Attempt,
    Trial,
    settle,
    try_intruders,
    with_sights,
)
from veroallarme_core.adaptation.intruders import Cast, Intruder, Sight, choose_intruders
from veroallarme_core.adaptation.observed_event import ObservedEvent
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.perspective import Perspective
from veroallarme_core.adaptation.seen_intruders import (
    INTRUDERS_FILE,
    read_intruders,
    write_intruders,
)
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.camera_memory import CameraModel, SceneMemory
from veroallarme_core.contract import ALL_KINDS, ObjectKind, Zone
from veroallarme_core.description import ObjectDetector
from veroallarme_core.pipeline import EventPipeline

HALF = Zone(name="half", points=((0.4, 0), (1, 0), (1, 1), (0.4, 1)))
OPTIONS = AdaptationOptions(intruders=16, recall=0.8, confidence=0.8)
CONDITIONS: dict[str, Any] = {"zones": []}


def silent(*_: Any) -> None:
    """Tell nobody how far it is."""


@cache
def pipeline() -> EventPipeline:
    return EventPipeline(encoder=scene_encoder(), detector=ObjectDetector("openvino", threads=1))


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of some events of the history."""
    folder = tmp_path_factory.mktemp("some")
    for event in history()[:6]:
        event.write(folder)
    return folder


def mover(seed: int, height: int = 9) -> Sprite:
    """Return a mover that was cut out, so many pixels tall and half as wide."""
    draw, width = np.random.default_rng(seed), height // 2
    light, alpha = draw.random((height, width, 3), np.float32), draw.random((height, width))
    return Sprite(light, alpha.astype(np.float32), "person", foot=90.0).rounded()


@dataclass
class Nights:
    """Two nights of one camera, between which it has learned on."""

    some: Path
    zones: tuple[Zone, ...] = ()
    objects: tuple[ObjectKind, ...] = ALL_KINDS

    def trial(self, memory: SceneMemory, model: CameraModel) -> Trial:
        return Trial(pipeline(), memory, model, self.zones, self.objects)

    @property
    def first(self) -> Trial:
        memory = learned_memory()
        model = replace(garden_model(memory, 0.0), detector=pipeline().detector_name)
        return self.trial(memory, model)

    @property
    def second(self) -> Trial:
        memory = learned_memory()
        for number in range(30, 34):
            event = watch(number)
            memory.observe(event.evidence, event.event_id, event.at)
        model = replace(garden_model(memory, 0.0), detector=pipeline().detector_name)
        heads = np.random.default_rng(1).normal(0, 0.1, model.heads.shape)
        quantiles = np.tile(np.linspace(-3, 3, model.head_quantiles.shape[1]), (len(heads), 1))
        return self.trial(memory, replace(model, heads=heads, head_quantiles=quantiles))

    def intruders(self) -> list[Intruder]:
        evidence = history()[0].evidence
        sources = [
            ObservedEvent(source, evidence, is_whole=True, counts=np.zeros(0, np.bool_))
            for source in list_events(self.some)
        ]
        ground = Perspective(slope=0.5, horizon=0.1, spread=0.2)
        cast = Cast((mover(7, 30), mover(8, 40)), ground, self.first.memory.recurrence())
        return choose_intruders([], sources, cast, OPTIONS)


def ranks(trial: Trial, intruders: Sequence[Intruder], *, is_full: bool) -> dict[int, Attempt]:
    """Return how intruders fare, all in full or all as quickly as that is allowed."""
    attempts = try_intruders(trial, intruders, OPTIONS, silent)
    if is_full:
        attempts = settle(trial, intruders, attempts, lambda _: math.inf, OPTIONS, silent)
        assert all(attempt.is_exact for attempt in attempts)
    return {attempt.number: attempt for attempt in attempts}


def night(trial: Trial, intruders: Sequence[Intruder], path: Path, *, is_full: bool) -> Any:
    """Let intruders appear; return what the next night reads of them."""
    fared = ranks(trial, intruders, is_full=is_full)
    write_intruders(path, CONDITIONS, "lite", with_sights(intruders, list(fared.values())))
    events = [intruder.source for intruder in intruders]
    return read_intruders(path, CONDITIONS, "lite", events)


PEOPLE = (ObjectKind.PERSON,)


@pytest.mark.parametrize(
    ("is_full", "more"),
    [
        (False, {}),
        (True, {}),
        (False, {"zones": (HALF,)}),
        (True, {"zones": (HALF,)}),
        (True, {"objects": PEOPLE}),
        (True, {"zones": (replace(HALF, objects=(*PEOPLE, ObjectKind.ANIMAL)),)}),
    ],
    ids=["quick", "full", "zones, quick", "zones, full", "kinds", "kinds of a zone"],
)
def test_they_rank_as_if_they_were_looked_at_anew(
    some: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_full: bool,
    more: dict[str, Any],
) -> None:
    nights = Nights(some, **more)
    intruders = nights.intruders()
    kept = night(nights.first, intruders, tmp_path / INTRUDERS_FILE, is_full=is_full)
    assert [intruder.number for intruder in kept] == [intruder.number for intruder in intruders]
    assert all(intruder.sight is not None for intruder in kept)
    looked: list[str] = []
    judge = Trial.judge

    def spy(trial: Trial, motion: Any, source: EventFolder, **named: Any) -> Any:
        looked.append(source.event_id)
        return judge(trial, motion, source, **named)

    monkeypatch.setattr(Trial, "judge", spy)
    # As the memory was, nobody is looked at again.
    again = ranks(nights.first, kept, is_full=is_full)
    assert looked == []
    same = ranks(nights.first, intruders, is_full=is_full)
    assert {number: of.rank for number, of in again.items()} == {
        number: of.rank for number, of in same.items()
    }
    # As it is now only those are of whom more is wanted than was kept.
    looked.clear()
    now = ranks(nights.second, kept, is_full=is_full)
    few = len(looked)
    looked.clear()
    anew = ranks(nights.second, intruders, is_full=is_full)
    assert few < len(looked)
    assert now == anew
    assert {of.rank for of in now.values()} != {of.rank for of in again.values()}


def test_all_that_can_be_kept_was_tried(some: Path, tmp_path: Path) -> None:
    nights = Nights(some)
    kept = night(nights.first, nights.intruders(), tmp_path / INTRUDERS_FILE, is_full=True)
    sights = [intruder.sight for intruder in kept]
    looks = [sight.looks for sight in sights if sight.looks]
    assert any(len(one) == 2 and one[0] is not one[1] for one in looks), "who is faint as well"
    assert any(
        len(one[-1].evidence.regions) > 1 for one in looks if one[-1].evidence is not None
    ), "several regions"
    first = [seen for one in looks if one[0].evidence for seen in one[0].evidence.regions]
    assert any(seen.object_score > 0 for seen in first), "who is recognised"
    assert any(seen.person_score > 0 for seen in first), "as a person"


def test_who_was_judged_quickly_is_found_out_in_full_where_it_matters(
    some: Path, tmp_path: Path
) -> None:
    nights = Nights(some)
    intruders = nights.intruders()
    kept = night(nights.first, intruders, tmp_path / INTRUDERS_FILE, is_full=False)
    assert any(intruder.sight.is_quick for intruder in kept)
    assert ranks(nights.second, kept, is_full=True) == ranks(nights.second, intruders, is_full=True)


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "unreadable"])
def test_whose_burst_is_gone_keeps_the_lowest_rank_that_it_may_have(
    some: Path, tmp_path: Path, is_removed: bool
) -> None:
    data = tmp_path / "events"
    shutil.copytree(some, data)
    nights = Nights(data)
    intruders = nights.intruders()
    kept = night(nights.first, intruders, tmp_path / INTRUDERS_FILE, is_full=False)
    quick = next(intruder for intruder in kept if intruder.sight.is_quick)
    if is_removed:
        shutil.rmtree(quick.source.folder)
        quick.source.folder.mkdir()  # as long as its pictures are being removed
    else:
        (quick.source.folder / "1.jpg").write_bytes(b"")
    before = ranks(nights.first, kept, is_full=False)[quick.number]
    after = ranks(nights.first, kept, is_full=True)[quick.number]
    assert (after.rank, after.is_exact) == (before.rank, True)
    assert after.sight is None, "it is looked at anew another night"


# --- a night ------------------------------------------------------------------------------------


@pytest.fixture
def pasted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The intruders that were drawn."""
    drawn: list[int] = []
    attempt = intruder_trial._Run._attempt

    def spy(run: Any, intruder: Intruder, *arguments: Any, **named: Any) -> Any:
        drawn.append(intruder.number)
        return attempt(run, intruder, *arguments, **named)

    monkeypatch.setattr(intruder_trial._Run, "_attempt", spy)
    return drawn


def adapt(data: Path, state: Path, options: AdaptationOptions = OPTIONS) -> CameraModel:
    """Learn the camera without a detector."""
    plain = EventPipeline(encoder=scene_encoder())
    path = state / INTRUDERS_FILE
    _, model, _ = adapt_camera(list_events(data), plain, {}, options, intruders_file=path)
    return model


def test_a_night_draws_only_those_who_are_new(
    tmp_path: Path, pasted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    for event in history()[:10]:
        event.write(data)
    lines: list[dict[int, float]] = []
    lines_by_floor = promise.lines_by_floor

    def spy(*arguments: Any) -> dict[int, float]:
        lines.append(lines_by_floor(*arguments))
        return lines[-1]

    monkeypatch.setattr(camera_run, "lines_by_floor", spy)
    adapt(data, tmp_path)
    assert set(pasted) == set(range(16))
    for event in history()[10:12]:
        event.write(data)
    path = tmp_path / INTRUDERS_FILE
    before = path.read_bytes()
    pasted.clear()
    adapt(data, tmp_path)
    by_what_was_kept = lines[-1]
    assert {number for number in pasted if number >= 16} == set(pasted) - set(range(16))
    assert 4 <= len(set(pasted)) < 12
    # The same intruders, all of them drawn again.
    monkeypatch.setattr(intruder_trial._Run, "_attempt_again", lambda *_, **__: None)
    path.write_bytes(before)
    adapt(data, tmp_path)
    assert lines[-1] == by_what_was_kept != {}


@pytest.mark.parametrize("damage", ["torn", "other numbers", "fewer cells", "other cells", "newer"])
def test_a_file_that_cannot_be_used_draws_all_anew(
    some: Path,
    tmp_path: Path,
    pasted: list[int],
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    path = tmp_path / INTRUDERS_FILE
    few = replace(OPTIONS, intruders=4)
    adapt(some, tmp_path, few)
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "newer":
        write_state_of_version(path, 2)
    else:
        with np.load(path) as file:
            arrays = dict(file)
        if damage == "other numbers":
            arrays["features"] = np.full_like(arrays["features"], np.inf)
        elif damage == "fewer cells":
            arrays["cells"] = arrays["cells"][1:]
        else:
            arrays["feature_of"] = arrays["feature_of"] + len(arrays["features"])
        np.savez(path, **arrays)
    pasted.clear()
    with caplog.at_level(logging.WARNING):
        adapt(some, tmp_path, few)
    assert set(pasted) == {0, 1, 2, 3}
    (said,) = caplog.messages
    assert said.startswith("all intruders are drawn anew: ")
    assert str(path) in said
    pasted.clear()
    adapt(some, tmp_path, few)
    assert set(pasted) == {4}


def write_state_of_version(path: Path, version: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen_intruders, "FORMAT_VERSION", version)
        write_intruders(path, CONDITIONS, "lite", [])


@pytest.mark.parametrize(
    "changed", [{"zones": (HALF,)}, {"objects": (ObjectKind.PERSON,)}, {"seed": 1}]
)
def test_other_conditions_draw_all_anew(
    some: Path, tmp_path: Path, pasted: list[int], changed: dict[str, Any]
) -> None:
    few = replace(OPTIONS, intruders=4)
    adapt(some, tmp_path, few)
    pasted.clear()
    adapt(some, tmp_path, replace(few, **changed))
    assert set(pasted) == {0, 1, 2, 3}


def test_a_disk_that_is_full_costs_only_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(seen_intruders, "write_state", full)
    write_intruders(tmp_path / INTRUDERS_FILE, CONDITIONS, "lite", [])
    assert "No space left on device" in caplog.text


# --- the file -----------------------------------------------------------------------------------


def test_casts_come_back_and_what_they_share_is_kept_once(tmp_path: Path) -> None:
    source = EventFolder("event", Path("event"), 1.0)
    ground = Perspective(slope=0.5, horizon=0.1, spread=0.2)
    places = np.random.default_rng(1).random((6, 8), np.float32)
    casts = [Cast((mover(1), mover(2)), ground, places), Cast((mover(2), mover(3)))]
    intruders = [
        Intruder(number, source, cast, sight)
        for number, (cast, sight) in enumerate(
            (cast, sight) for cast in casts for sight in (None, Sight())
        )
    ]
    path = tmp_path / INTRUDERS_FILE
    write_intruders(path, CONDITIONS, "lite", intruders)
    found = read_intruders(path, CONDITIONS, "lite", [source])
    assert [of.number for of in found] == [0, 1, 2, 3]
    assert [of.is_hidden for of in found] == [False, True] * 2
    assert found[0].cast is found[1].cast is not found[2].cast
    assert found[0].cast.perspective == ground
    assert found[0].cast.places is not None
    assert np.array_equal(found[0].cast.places, places)
    assert (found[2].cast.perspective, found[2].cast.places) == (None, None)
    assert found[0].cast.sprites[1] is found[2].cast.sprites[0]
    for cast, other in zip(casts, (found[0].cast, found[2].cast), strict=True):
        for one, kept in zip(cast.sprites, other.sprites, strict=True):
            assert np.array_equal(one.light, kept.light)
            assert np.array_equal(one.alpha, kept.alpha)
            assert (one.kind, one.is_grey, one.foot) == (kept.kind, kept.is_grey, kept.foot)
    assert read_intruders(path, CONDITIONS, "lite", []) == []
    assert read_intruders(path, {}, "lite", [source]) == []


def test_the_movers_of_the_latest_casts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = EventFolder("event", Path("event"), 1.0)
    intruders = [Intruder(number, source, Cast((mover(number),))) for number in range(5)]
    monkeypatch.setattr(seen_intruders, "MOST_SPRITE_PX", 36)  # of two nights
    path = tmp_path / INTRUDERS_FILE
    write_intruders(path, CONDITIONS, "lite", intruders)
    found = read_intruders(path, CONDITIONS, "lite", [source])
    assert [of.number for of in found] == [3, 4]


def test_where_all_takes_too_much_the_largest_are_looked_at_again(
    some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(some)
    intruders = nights.intruders()
    path = tmp_path / INTRUDERS_FILE
    whole = night(nights.first, intruders, path, is_full=False)
    size = path.stat().st_size
    most = sum(of.sight.nbytes for of in whole) // 2
    monkeypatch.setattr(seen_intruders, "MOST_BYTES", most)
    found = night(nights.first, intruders, path, is_full=False)
    assert [of.number for of in found] == [of.number for of in whole], "nobody is replaced"
    kept = [of.sight.nbytes for of in found if of.sight is not None]
    assert 0 < len(kept) < len(found)
    assert sum(kept) <= most
    assert max(kept) <= min(
        of.sight.nbytes for of, left in zip(whole, found, strict=True) if left.sight is None
    )
    assert path.stat().st_size < size
    assert ranks(nights.second, found, is_full=True) == ranks(nights.second, whole, is_full=True)
