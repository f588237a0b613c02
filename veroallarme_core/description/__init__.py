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
from veroallarme_core.description.detector_layouts import BINS, IMAGE_MEAN, IMAGE_STD, SCORES
from veroallarme_core.description.moving_objects import (
    MovingObjects,
    find_moving_objects,
    share_covered,
)
from veroallarme_core.description.object_detector import (
    DETECTOR_FILE,
    DetectedObject,
    ObjectDetector,
    classes_of,
    load_object_detector,
)
from veroallarme_core.description.region_crops import (
    TEMPORAL_FRAMES,
    CropGeometry,
    Frame,
    InputMode,
    RegionCrop,
    Square,
    cut_crop,
    cut_mask,
    cut_regions,
    frames_of_place,
    paste_map,
    square_around,
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
    "BINS",
    "CELL_CHANNELS",
    "DETECTOR_FILE",
    "EMBEDDING_DIM",
    "ENCODER_NAME",
    "HEAD_FILE",
    "IMAGE_MEAN",
    "IMAGE_STD",
    "MAX_REGIONS",
    "SCORES",
    "SKETCH_DIM",
    "TAUGHT_REGIONS",
    "TEMPORAL_FRAMES",
    "TRUNK_FILE",
    "BurstEvidence",
    "Candidate",
    "CropGeometry",
    "DetectedObject",
    "Frame",
    "InputMode",
    "Light",
    "MovingObjects",
    "ObjectDetector",
    "RegionCrop",
    "RegionEvidence",
    "SceneEncoder",
    "Square",
    "classes_of",
    "crop_region",
    "cut_crop",
    "cut_mask",
    "cut_regions",
    "find_moving_objects",
    "frames_of_place",
    "gather_evidence",
    "grid_for",
    "load_object_detector",
    "load_scene_encoder",
    "paste_map",
    "share_covered",
    "square_around",
]
