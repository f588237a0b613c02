"""What a memory makes of a drawn garden: what is usual, what is new, what it forgets, its file."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.watched import (
    HISTORY,
    TURNED,
    Watched,
    described,
    history,
    learned_memory,
    other_tree,
    person_over_the_tree,
    scene_encoder,
    watch,
)
from veroallarme_core.camera_memory.scene_memory import (
    BANK_SIZE,
    HALF_LIFE_DAYS,
    SESSION_S,
    Plate,
    RegionCues,
    SceneMemory,
    event_key,
)
from veroallarme_core.camera_memory.state_file import StateFileError, read_state, write_state
from veroallarme_core.description.burst_evidence import Light, RegionEvidence
from veroallarme_core.description.scene_encoder import CELL_CHANNELS
from veroallarme_core.drawing.script import CALM

DAY_S = 86400


@pytest.fixture
def memory() -> SceneMemory:
    return learned_memory()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "memory.npz"
    learned_memory().save(path)
    return path


def observe(memory: SceneMemory, *events: Watched) -> list[bool]:
    """Let it learn; return when the camera turned out to be turned."""
    return [memory.observe(one.evidence, one.event_id, one.at) for one in events]


def assess(memory: SceneMemory, event: Watched, at: float | None = None) -> list[RegionCues]:
    evidence = event.evidence
    assert memory.knows(evidence)
    moment = event.at if at is None else at
    return list(memory.assess(evidence.regions, evidence.light, moment))


def on_mover(
    memory: SceneMemory, event: Watched, at: float | None = None
) -> tuple[RegionEvidence, RegionCues]:
    """The region that shows the mover, and what the memory says of it."""
    mover = event.on_mover
    return mover, assess(memory, event, at)[event.evidence.regions.index(mover)]


def stands_out(memory: SceneMemory) -> bool:
    """Whether a person over the tree is further from usual than all that the tree does."""
    _, person = on_mover(memory, person_over_the_tree())
    tree = assess(memory, other_tree())
    return person.deviation > 2 * max(one.deviation for one in tree) and person.novelty > 2 * max(
        one.novelty for one in tree
    )


# --- what is usual --------------------------------------------------------------------------------


def test_swaying_tree_becomes_usual_and_a_person_before_it_does_not(memory: SceneMemory) -> None:
    for cues in assess(memory, other_tree()):
        assert cues.novelty < 0.2
        assert cues.sessions >= HISTORY // 4
        assert cues.deviation < 2.5
        assert cues.recurrence > 0.5
    _, person = on_mover(memory, person_over_the_tree())
    assert person.sessions == 0
    assert person.novelty > 0.4
    assert stands_out(memory)


def test_who_stays_for_some_events_does_not_become_background(memory: SceneMemory) -> None:
    event = person_over_the_tree()
    _, before = on_mover(memory, event)
    observe(memory, *[event] * 4)
    _, after = on_mover(memory, event)
    assert after.deviation > 0.5 * before.deviation
    assert after.deviation > 2 * max(one.deviation for one in assess(memory, other_tree()))


def test_who_lingers_in_one_session_does_not_become_usual(memory: SceneMemory) -> None:
    event = person_over_the_tree()
    session = SESSION_S * (event.at // SESSION_S)
    for minute in range(5):
        memory.observe(event.evidence, f"again_{minute}", session + 60 * minute)
    _, lingering = on_mover(memory, event, session + 300)
    assert lingering.sessions == 0
    assert lingering.novelty > 0.4
    _, later = on_mover(memory, event, session + DAY_S)
    assert later.sessions == 1, "five events of one session are seen once"
    assert 0.2 < later.novelty < lingering.novelty


def test_what_recurs_at_other_times_becomes_usual(memory: SceneMemory) -> None:
    event = person_over_the_tree()
    for day in range(1, 4):
        memory.observe(event.evidence, f"day_{day}", event.at + day * DAY_S)
    _, postman = on_mover(memory, event, event.at + 4 * DAY_S)
    assert postman.sessions == 3
    assert postman.novelty < 0.05


def test_half_of_what_was_seen_is_forgotten_in_the_half_life() -> None:
    memory = SceneMemory(scene_encoder().name)
    first, last = history()[0], history()[-1]
    calm = replace(first.evidence, moved=np.zeros_like(first.evidence.moved), regions=())
    memory.observe(first.evidence, "first", 0.0)
    memory.observe(calm, "second", HALF_LIFE_DAYS * DAY_S)
    assert memory.recurrence().max() == pytest.approx(0.5 / 1.5, abs=0.01)
    memory.observe(last.evidence, "from_the_past", 5.0)
    assert np.isfinite(memory.recurrence()).all(), "a clock that was set back forgets nothing"


def test_clock_becomes_usual(memory: SceneMemory) -> None:
    def with_clock(number: int) -> Watched:
        event = watch(number, wind=CALM)
        frames = tuple(
            cv2.putText(frame.copy(), f"{7 * number + index:02}", (130, 60), 0, 0.8, (255,) * 3, 2)
            for index, frame in enumerate(event.frames)
        )
        return described(event.event_id, event.moment, frames)

    observe(memory, *(with_clock(30 + number) for number in range(8)))
    event = with_clock(50)
    assert event.evidence.regions
    assert all(one.sessions >= 3 for one in assess(memory, event))
    assert stands_out(memory)
    assert memory.reaimed == 0


# --- light, weather, view -------------------------------------------------------------------------


def test_lights_are_kept_apart(memory: SceneMemory) -> None:
    by_day = memory.plates[Light.DAY].location.copy()
    infrared, dusk = ("infrared",) * 3, ("dusk",) * 3
    nights = [watch(number, hours=12 + 24 * number, light=infrared) for number in range(6)]
    evenings = [
        watch(number, hours=10 + 24 * number, light=dusk, exposure=(0.9,) * 3)
        for number in range(2)
    ]
    assert {one.evidence.light for one in nights} == {Light.INFRARED}
    assert {one.evidence.light for one in evenings} == {Light.DUSK}
    assert not memory.knows(nights[0].evidence), "the first night says nothing yet"
    assert not any(observe(memory, *nights, *evenings)), "a night is not another view"
    assert memory.knows(nights[0].evidence)
    assert not memory.knows(evenings[0].evidence)
    assert np.array_equal(memory.plates[Light.DAY].location, by_day)
    assert not any(observe(memory, *history()[:3])), "nor is the next morning"
    assert stands_out(memory)


def test_days_of_rain_do_not_destroy_the_memory(memory: SceneMemory) -> None:
    overcast = ("overcast",) * 3
    rain = [
        watch(number, hours=24 + 4 * number, light=overcast, rain=1.0 + number % 3 / 2)
        for number in range(12)
    ]
    assert not any(observe(memory, *rain))
    assert memory.reaimed == 0
    assert not memory.observe(other_tree().evidence, "sunshine", other_tree().at + 4 * DAY_S)
    assert stands_out(memory)


def test_camera_that_was_turned_is_noticed_and_learned_anew(memory: SceneMemory) -> None:
    turned = [watch(40 + number, turn=TURNED) for number in range(5)]
    assert observe(memory, *turned[:3]) == [False] * 3
    assert not memory.knows(turned[0].evidence)
    assert not memory.knows(other_tree().evidence), "what was usual in another view says nothing"
    assert observe(memory, *turned[3:]) == [True, False]
    assert memory.events == 2, "what the view before has shown is no progress of this one"
    assert memory.reaimed == 1
    assert len(memory.sessions) == 2
    assert memory.bank.session.min() == int(turned[3].at // SESSION_S)


def test_view_that_comes_back_is_the_old_one(memory: SceneMemory) -> None:
    observe(memory, *(watch(40 + number, turn=TURNED) for number in range(3)))
    assert not memory.observe(other_tree().evidence, "back", other_tree().at)
    assert stands_out(memory)


def test_person_before_the_camera_is_no_other_view(memory: SceneMemory) -> None:
    def someone_near(number: int) -> Watched:
        event = watch(40 + number)
        frames = []
        for index, frame in enumerate(event.frames):
            frames.append(frame.copy())
            centre = 70 + 20 * index
            cv2.ellipse(frames[-1], (centre, 130), (38, 80), 0, 0, 360, (70, 50, 45), -1)
            cv2.circle(frames[-1], (centre, 35), 24, (140, 160, 190), -1)
        return described(event.event_id, event.moment, tuple(frames))

    assert not any(observe(memory, *map(someone_near, range(5))))
    assert memory.knows(other_tree().evidence)
    assert stands_out(memory)


def test_picture_of_another_shape_is_another_view_only_when_it_stays(memory: SceneMemory) -> None:
    wide = watch(50, size=(144, 256))
    assert wide.evidence.grid != memory.grid
    assert observe(memory, *[wide] * 3) == [False] * 3
    assert not memory.knows(wide.evidence)
    assert observe(memory, other_tree(), *[wide] * 4) == [False] * 4 + [True]
    assert memory.grid == wide.evidence.grid


def test_damaged_cells_are_not_learned(memory: SceneMemory) -> None:
    plate = memory.plates[Light.DAY]
    event, before = other_tree(), plate.location.copy()
    rows = event.evidence.grid[0]
    intact = event.evidence.intact.copy()
    intact[:, rows // 2 :] = False
    garbage = np.where(intact[..., None], event.evidence.features, 99.0).astype(np.float32)
    plate.learn(replace(event.evidence, features=garbage, intact=intact))
    assert np.array_equal(plate.location[rows // 2 :], before[rows // 2 :])
    assert not np.array_equal(plate.location[: rows // 2], before[: rows // 2])
    assert plate.likeness(replace(event.evidence, intact=np.zeros_like(intact))) == 1.0


# --- the region bank ------------------------------------------------------------------------------


def test_full_bank_forgets_at_random_but_not_what_the_user_judged() -> None:
    memory = SceneMemory(scene_encoder().name)
    event = history()[0]
    observe(memory, event)
    memory.bank.judge(event.event_id, False)
    judged = int((memory.bank.label < 0).sum())
    draw, session = np.random.default_rng(1), int(memory.bank.session[0])
    hundred = (event.evidence.regions * 100)[:100]
    for number in range(2 * BANK_SIZE // 100):
        memory.bank.add(hundred, session + number, number, draw)
    assert len(memory.bank) == BANK_SIZE
    assert (memory.bank.label < 0).sum() == judged
    is_old = memory.bank.session < session + BANK_SIZE // 100
    assert 0.2 < np.mean(is_old) < 0.5, "a part of the old ones is left"


def test_user_word_is_taken_back(memory: SceneMemory) -> None:
    event_id, bank = history()[0].event_id, memory.bank
    count = len(history()[0].evidence.regions)
    bank.judge(event_id, True)
    assert (bank.label == 1).sum() == 1, "a thumb up is about one region"
    assert np.flatnonzero(bank.label)[0] == 0, "about the one that came first"
    bank.judge(event_id, False)
    assert (bank.label == -1).sum() == count, "a thumb down is about all of them"
    bank.judge(event_id, None)
    assert not bank.label.any()
    bank.judge("20200101_000000_ffffff", True)
    assert not bank.label.any(), "of an event that it does not hold"


def test_thumb_up_is_about_the_region_at_the_place(memory: SceneMemory) -> None:
    event = history()[0]
    chosen = event.evidence.regions[2]
    memory.bank.judge(event.event_id, True, chosen.place)
    (row,) = np.flatnonzero(memory.bank.label)
    assert memory.bank.place[row] == pytest.approx(chosen.place)


@pytest.mark.parametrize(
    ("text", "key"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_event_keys_are_those_of_the_published_function(text: str, key: int) -> None:
    """Files that are in use hold them: http://www.isthe.com/chongo/tech/comp/fnv/."""
    assert event_key(text) == key


# --- its file -------------------------------------------------------------------------------------


def full_memory() -> SceneMemory:
    """Full bank, three lights: as large as a memory gets."""
    memory = learned_memory()
    draw = np.random.default_rng(5)
    plate = memory.plates[Light.DAY]
    for light in (Light.DUSK, Light.INFRARED):
        memory.plates[light] = Plate(plate.location.copy(), plate.spread.copy(), plate.events)
    regions = [
        replace(
            history()[0].evidence.regions[0],
            sketch=draw.normal(size=192).astype(np.float32),
            place=draw.uniform(size=2).astype(np.float32),
        )
        for _ in range(BANK_SIZE)
    ]
    for number, region in enumerate(regions):
        memory.sessions.add(number)
        memory.bank.add([region], number, number, draw)
    return memory


def test_full_file_is_at_most_a_megabyte(tmp_path: Path) -> None:
    path = tmp_path / "memory.npz"
    full_memory().save(path)
    assert 500_000 < path.stat().st_size <= 1_000_000


def test_what_is_read_judges_as_what_was_written(saved: Path) -> None:
    before, after = learned_memory(), SceneMemory.load(saved, scene_encoder().name)
    for event in (other_tree(), person_over_the_tree()):
        for one, other in zip(assess(before, event), assess(after, event), strict=True):
            assert other.deviation == pytest.approx(one.deviation, rel=0.03)
            assert (other.novelty, other.sessions) == (one.novelty, one.sessions)
            assert other.recurrence == pytest.approx(one.recurrence)
    assert (after.events, after.reaimed, after.sessions) == (HISTORY, 0, before.sessions)


def test_saving_again_and_again_changes_nothing_more(saved: Path, tmp_path: Path) -> None:
    memory = SceneMemory.load(saved, scene_encoder().name)
    for _ in range(20):
        memory.save(tmp_path / "memory.npz")
        memory = SceneMemory.load(tmp_path / "memory.npz", scene_encoder().name)
    once = SceneMemory.load(saved, scene_encoder().name)
    assert memory.plates[Light.DAY].spread == pytest.approx(once.plates[Light.DAY].spread)
    location, expected = memory.plates[Light.DAY].location, once.plates[Light.DAY].location
    assert np.abs(location - expected).max() < 0.01 * np.ptp(expected)


def test_strange_views_are_counted_across_a_restart(memory: SceneMemory, tmp_path: Path) -> None:
    turned = [watch(40 + number, turn=TURNED) for number in range(4)]
    observe(memory, *turned[:3])
    memory.save(tmp_path / "memory.npz")
    memory = SceneMemory.load(tmp_path / "memory.npz", memory.encoder)
    assert not memory.knows(other_tree().evidence)
    assert observe(memory, turned[3]) == [True]


def test_empty_memory_is_read_back(tmp_path: Path) -> None:
    SceneMemory("some-1").save(tmp_path / "memory.npz")
    memory = SceneMemory.load(tmp_path / "memory.npz", "some-1")
    assert memory.grid is None
    assert not memory.knows(other_tree().evidence)
    with pytest.raises(ValueError, match="not seen an event yet"):
        memory.recurrence()


def test_file_of_another_encoder_is_refused(saved: Path) -> None:
    with pytest.raises(StateFileError, match=r"with the encoder lite0-1, not lite0-2\.$"):
        SceneMemory.load(saved, "lite0-2")
    with pytest.raises(FileNotFoundError):
        SceneMemory.load(saved.with_name("nowhere.npz"), "lite0-1")


FACTS = ["events", "reaimed", "grid", "sessions", "plates", "seen", "usual_view", "strange", "last"]
ARRAYS = ["moved", "location_DAY", "low_DAY", "step_DAY", "spread_DAY"]
ARRAYS += [f"bank_{name}" for name in ("session", "event", "label", "place", "sketch")]


def check_refused(path: Path) -> None:
    with pytest.raises(StateFileError) as caught:
        SceneMemory.load(path, scene_encoder().name)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FACTS + ARRAYS)
def test_file_without_a_part_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    facts, arrays = read_state(saved, "scene memory", 1)
    facts.pop(name, None)
    arrays.pop(name, None)
    write_state(tmp_path / "memory.npz", "scene memory", 1, facts, arrays)
    check_refused(tmp_path / "memory.npz")


@pytest.mark.parametrize(
    "facts",
    [
        {"grid": [5]},
        {"grid": [5, 6]},
        {"grid": "wide"},
        {"sessions": 7},
        {"events": 1e999},
        {"last": "yesterday"},
        {"usual_view": []},
        {"usual_view": {"MOON": 1.0}},
        {"plates": {"DAY": 5, "DUSK": 5}},
        {"plates": []},
    ],
)
def test_file_with_foreign_facts_is_refused(
    saved: Path, tmp_path: Path, facts: dict[str, object]
) -> None:
    good, arrays = read_state(saved, "scene memory", 1)
    write_state(tmp_path / "memory.npz", "scene memory", 1, good | facts, arrays)
    check_refused(tmp_path / "memory.npz")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("bank_session", np.zeros(3, np.int32)),
        ("bank_place", np.zeros((4, 3), np.float32)),
        ("bank_label", np.array(["up"])),
        ("bank_sketch", np.zeros((4, 9), np.int8)),
        ("moved", np.zeros((2, 2), np.float32)),
        ("low_DAY", np.full(CELL_CHANNELS, np.nan, np.float32)),
        ("step_DAY", np.zeros(3, np.float32)),
        ("location_DAY", np.zeros((44, 59, 2), np.uint8)),
        ("spread_DAY", np.zeros((1, 1, CELL_CHANNELS), np.uint8)),
    ],
)
def test_file_with_foreign_arrays_is_refused(
    saved: Path, tmp_path: Path, name: str, array: np.ndarray
) -> None:
    facts, arrays = read_state(saved, "scene memory", 1)
    write_state(tmp_path / "memory.npz", "scene memory", 1, facts, arrays | {name: array})
    check_refused(tmp_path / "memory.npz")


def test_no_number_in_a_file_may_be_infinite(saved: Path, tmp_path: Path) -> None:
    """Infinities would make scores that are no numbers, and these raise no alarm."""
    facts, arrays = read_state(saved, "scene memory", 1)
    arrays["moved"][0, 0] = np.inf
    write_state(tmp_path / "memory.npz", "scene memory", 1, facts, arrays)
    check_refused(tmp_path / "memory.npz")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_broken_file_is_refused_or_read(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # Most of the structure of a zip file is at its end.
        place = data.draw(st.integers(0, 400) | st.integers(-2000, -1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("broken") / "memory.npz"
    path.write_bytes(content[: data.draw(st.just(None) | st.integers(0, len(content)))])
    try:
        SceneMemory.load(path, scene_encoder().name)
    except StateFileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most, but not all of these files are refused
