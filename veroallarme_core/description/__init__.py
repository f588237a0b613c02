"""What a moving region looks like, as numbers that can be compared.

A frozen network describes whole frames and crops of regions, a detector names people, animals and
vehicles. Nothing here decides: the camera's memory and the rules compare what is described.
"""

from veroallarme_core.description.burst_evidence import (
    MAX_REGIONS,
    SKETCH_DIM,
    TAUGHT_REGIONS,
    BurstEvidence,
    Candidate,
    Light,
    RegionEvidence,
    gather_evidence,
)
from veroallarme_core.description.object_detector import (
    DetectedObject,
    ObjectDetector,
    classes_of,
    load_object_detector,
)
from veroallarme_core.description.scene_encoder import (
    CELL_CHANNELS,
    EMBEDDING_DIM,
    ENCODER_NAME,
    HEAD_FILE,
    TRUNK_FILE,
    SceneEncoder,
    crop_region,
    grid_for,
    load_scene_encoder,
)

__all__ = [
    "CELL_CHANNELS",
    "EMBEDDING_DIM",
    "ENCODER_NAME",
    "HEAD_FILE",
    "MAX_REGIONS",
    "SKETCH_DIM",
    "TAUGHT_REGIONS",
    "TRUNK_FILE",
    "BurstEvidence",
    "Candidate",
    "DetectedObject",
    "Light",
    "ObjectDetector",
    "RegionEvidence",
    "SceneEncoder",
    "classes_of",
    "crop_region",
    "gather_evidence",
    "grid_for",
    "load_object_detector",
    "load_scene_encoder",
]
