"""What a plate takes into account, and what it does not."""

from dataclasses import replace

import numpy as np

from tests.watched import other_tree
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.description.burst_evidence import Light


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
