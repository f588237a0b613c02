"""What a burst shows, as numbers: light, cells, sketches, and what is left out."""

from dataclasses import replace

import numpy as np
import pytest

from tests.drawn import draw_green_band
from tests.watched import SIZE, START, described, person_over_the_tree, scene_encoder, watch
from veroallarme_core.description.burst_evidence import (
    MAX_REGIONS,
    SKETCH_DIM,
    TAUGHT_REGIONS,
    BurstEvidence,
    Light,
    change_of,
    gather_evidence,
    light_of,
    sketch_of,
)
from veroallarme_core.description.scene_encoder import CELL_CHANNELS, EMBEDDING_DIM
from veroallarme_core.drawing import draw_background
from veroallarme_core.drawing.light import LightName
from veroallarme_core.drawing.script import CALM
from veroallarme_core.judgement import candidates, judge_motion
from veroallarme_core.motion_detection import MotionDetector


def gather(frames: list[np.ndarray | None]) -> BurstEvidence | None:
    motion = MotionDetector(min_area=10).detect_motion(frames)
    return gather_evidence(scene_encoder(), motion, candidates(judge_motion(motion)))


@pytest.mark.parametrize(
    ("name", "exposure", "light"),
    [("day", 1.0, Light.DAY), ("day", 0.4, Light.DUSK), ("infrared", 1.0, Light.INFRARED)],
)
def test_light_is_told_from_the_picture(name: LightName, exposure: float, light: Light) -> None:
    picture = draw_background(size=SIZE, light=name)
    assert light_of([(picture * exposure).astype(np.uint8)]) is light


def test_light_is_that_of_the_brightest_frame() -> None:
    day, night = (draw_background(size=SIZE, light=name) for name in ("day", "infrared"))
    assert light_of([night // 3, day]) is light_of([day, night // 3]) is Light.DAY


def test_evidence_describes_cells_and_regions() -> None:
    event = person_over_the_tree()
    evidence = event.evidence
    rows, columns = evidence.grid
    assert evidence.features.shape == (3, rows, columns, CELL_CHANNELS)
    assert evidence.intact.all()
    assert 0 < len(evidence.regions) <= MAX_REGIONS
    for region in evidence.regions:
        x1, y1, x2, y2 = region.bbox
        assert region.place == pytest.approx([(x1 + x2) / 2 / SIZE[1], (y1 + y2) / 2 / SIZE[0]])
        assert region.features.shape == (3, len(region.cells), CELL_CHANNELS)
        assert region.intact.shape == (3, len(region.cells))
        assert region.sketch.shape == (SKETCH_DIM,)
        at = np.unravel_index(region.cells, evidence.grid)
        assert evidence.moved[at].all(), "only cells in which something moved"
        assert region.features == pytest.approx(evidence.features[:, at[0], at[1]], abs=0.01)
    hardest = max(event.judgement.regions, key=lambda one: one.cues["largest_unexplained_px"])
    assert evidence.regions[0].bbox == hardest.region.to_bbox()


def test_damaged_cells_are_marked_in_their_frame_alone() -> None:
    first, second, third = watch(3).frames
    evidence = gather([first, draw_green_band(second, 96), third])
    assert evidence is not None
    assert evidence.intact[0].all()
    assert evidence.intact[2].all()
    rows = evidence.grid[0]
    assert not evidence.intact[1, -rows // 4 :].any()
    assert evidence.intact[1, : rows // 2].any()


def test_lost_and_foreign_frames_are_left_out() -> None:
    first, second, third = watch(3).frames
    for frames, count in (([first, None, third], 2), ([first, second[:-20], third], 2)):
        evidence = gather(frames)
        assert evidence is not None
        assert len(evidence.features) == len(evidence.intact) == count
    single = gather([first, None])
    assert single is not None
    assert (len(single.features), single.regions) == (1, ())
    assert gather([None, None]) is None


def test_what_is_undecided_is_described_first_and_the_rest_fills_up() -> None:
    event = person_over_the_tree()
    motion = MotionDetector(min_area=10).detect_motion(list(event.frames))
    judgement = judge_motion(motion)
    first = judgement.regions[-1]
    decided = tuple(replace(one, is_proven=True) for one in judgement.regions[:-1])
    evidence = gather_evidence(
        scene_encoder(), motion, candidates(replace(judgement, regions=(*decided, first)))
    )
    assert evidence is not None
    assert evidence.regions[0].bbox == first.region.to_bbox()
    assert len(evidence.regions) == min(TAUGHT_REGIONS, len(judgement.regions))


def test_calm_burst_has_a_view_and_no_region() -> None:
    frames = watch(60, wind=CALM).frames
    event = described("calm", START, (frames[0],) * 3)
    assert event.evidence.regions == ()
    assert not event.evidence.moved.any()


# --- sketches -------------------------------------------------------------------------------------


def embeddings(seed: int, frames: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.gamma(0.3, size=(frames, EMBEDDING_DIM)).astype(np.float32)


def test_sketches_keep_distances() -> None:
    drawn = [embeddings(seed) for seed in range(20)]
    full = np.sqrt([np.concatenate([one.max(axis=0), one.min(axis=0)]) for one in drawn])
    short = np.stack([sketch_of(one) for one in drawn])
    upper = np.triu_indices(20, 1)

    def distances(vectors: np.ndarray) -> np.ndarray:
        return np.linalg.norm(vectors[:, None] - vectors[None], axis=2)[upper]

    assert distances(short) / distances(full) == pytest.approx(1.0, abs=0.25)


def test_sketch_does_not_depend_on_order_or_repetition() -> None:
    drawn = embeddings(1)
    assert np.array_equal(sketch_of(drawn), sketch_of(drawn[::-1]))
    assert np.array_equal(sketch_of(drawn), sketch_of(np.repeat(drawn, 2, axis=0)))


def test_signs_are_those_of_splitmix64() -> None:
    """Files that are in use hold sketches: the projection may never change."""
    state, first = 0, []
    for _ in range(SKETCH_DIM):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        first.append(1.0 if mixed >> 63 else -1.0)
    only_channel_0 = np.zeros((2, EMBEDDING_DIM), np.float32)
    only_channel_0[0, 0] = 1.0  # in one of two frames: in the maximum, not in the minimum
    expected = np.array(first) / SKETCH_DIM**0.5
    assert sketch_of(only_channel_0) == pytest.approx(expected, abs=1e-6)


def test_change_is_the_largest_between_any_two_frames() -> None:
    structures = np.zeros((3, 4, 5, 5), np.float32)
    assert change_of(structures) == 0.0
    structures[1, :, 2:, :] = 2.0
    assert change_of(structures) == pytest.approx(2.0)
    assert change_of(structures[[1, 0]]) == pytest.approx(2.0)
    assert np.isnan(change_of(structures[:1]))
