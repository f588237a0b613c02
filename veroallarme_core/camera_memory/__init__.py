"""What one camera knows: how its scene usually looks, what moved there, what its user said.

The memory learns from every event after that was judged; the model, its heads and its threshold
come from the adaptation. Both lie in the camera's state folder, and each file has one writer.
"""

from veroallarme_core.camera_memory.alike_region import AlikeRegion
from veroallarme_core.camera_memory.assessed_region import AssessedRegion, Thumb
from veroallarme_core.camera_memory.camera_model import (
    CUES,
    FOLDS,
    QUANTILES,
    CameraModel,
    cue_values,
    fold_of,
    quantiles_of,
    ranks,
    score_by_other_line,
    teacher_ranks,
)
from veroallarme_core.camera_memory.camera_state import (
    FEWEST_EVENTS,
    FEWEST_SESSIONS,
    MEMORY_FILE,
    MODEL_FILE,
    REBUILT_FILE,
    CameraState,
    Recollection,
    write_report,
)
from veroallarme_core.camera_memory.memory_file import pack_memory, unpack_memory
from veroallarme_core.camera_memory.region_bank import event_key
from veroallarme_core.camera_memory.scene_memory import SESSION_S, SceneMemory
from veroallarme_core.camera_memory.state_file import (
    Arrays,
    StateFileError,
    read_learned,
    write_state,
)
from veroallarme_core.contract import Promise

__all__ = [
    "CUES",
    "FEWEST_EVENTS",
    "FEWEST_SESSIONS",
    "FOLDS",
    "MEMORY_FILE",
    "MODEL_FILE",
    "QUANTILES",
    "REBUILT_FILE",
    "SESSION_S",
    "AlikeRegion",
    "Arrays",
    "AssessedRegion",
    "CameraModel",
    "CameraState",
    "Promise",
    "Recollection",
    "SceneMemory",
    "StateFileError",
    "Thumb",
    "cue_values",
    "event_key",
    "fold_of",
    "pack_memory",
    "quantiles_of",
    "ranks",
    "read_learned",
    "score_by_other_line",
    "teacher_ranks",
    "unpack_memory",
    "write_report",
    "write_state",
]
