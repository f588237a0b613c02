"""The file of a memory: what is read is what was written, and what is broken is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.camera_memory.assessed import assess, observe
from tests.watched import (
    HISTORY,
    TURNED,
    history,
    learned_memory,
    other_tree,
    person_over_the_tree,
    scene_encoder,
    watch,
)
from veroallarme_core.camera_memory.plate import Plate
from veroallarme_core.camera_memory.region_bank import BANK_SIZE
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.camera_memory.state_file import StateFileError, read_state, write_state
from veroallarme_core.description.burst_evidence import Light
from veroallarme_core.description.scene_encoder import CELL_CHANNELS


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "memory.npz"
    learned_memory().save(path)
    return path


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
        for written, read in zip(assess(before, event), assess(after, event), strict=True):
            assert read.deviation == pytest.approx(written.deviation, rel=0.03)
            assert (read.novelty, read.sessions) == (written.novelty, written.sessions)
            assert read.recurrence == pytest.approx(written.recurrence)
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


@settings(max_examples=100)
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
