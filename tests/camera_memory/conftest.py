"""A camera's memory after a history of a garden."""

import pytest

from tests.watched import learned_memory
from veroallarme_core.camera_memory.scene_memory import SceneMemory


@pytest.fixture
def memory() -> SceneMemory:
    return learned_memory()
