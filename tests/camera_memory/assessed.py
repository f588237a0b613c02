"""Let a memory see watched events, and ask it of them."""

from tests.watched import Watched
from veroallarme_core.camera_memory.assessed_region import AssessedRegion
from veroallarme_core.camera_memory.scene_memory import SceneMemory


def observe(memory: SceneMemory, *events: Watched) -> list[bool]:
    """Let it learn; return when the camera turned out to be turned."""
    return [memory.observe(event.evidence, event.event_id, event.at) for event in events]


def assess(memory: SceneMemory, event: Watched, at: float | None = None) -> list[AssessedRegion]:
    evidence = event.evidence
    assert memory.knows(evidence)
    moment = event.at if at is None else at
    return list(memory.assess(evidence.regions, evidence.light, moment))
