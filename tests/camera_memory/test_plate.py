"""What a plate takes into account, and what it does not."""

from dataclasses import replace

import numpy as np
import pytest

from tests.watched import other_tree
from veroallarme_core.camera_memory.plate import Plate
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.description.burst_evidence import BurstEvidence, Light


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


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize("share_intact", [0.0, 0.6, 1.0])
def test_plate_begins_with_the_median_of_what_is_intact(frames: int, share_intact: float) -> None:
    rng = np.random.default_rng(frames)
    features = rng.standard_normal((frames, 5, 7, 4)).astype(np.float32)
    intact = rng.random((frames, 5, 7)) < share_intact
    evidence = BurstEvidence(Light.DAY, features, intact, np.zeros((5, 7), np.bool_), ())
    location = Plate.from_burst(evidence).location
    for row, column in np.ndindex(5, 7):
        kept = intact[:, row, column]
        seen = features[kept if kept.any() else ~kept, row, column]
        np.testing.assert_array_equal(location[row, column], np.median(seen, axis=0))
