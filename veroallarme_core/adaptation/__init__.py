"""How one camera is learned from its own unlabelled history and the user's thumbs.

`adapt_camera` reads the history, lets a teacher without labels fit small heads on frozen features,
and draws the line by a trial of synthetic intruders; `adapt_folder` does so from a folder of events
into a folder of state. No torch.
"""

from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.folder_run import adapt_folder
from veroallarme_core.adaptation.history import EventFolder, list_events, picture_files
from veroallarme_core.adaptation.intruder_tracks import choose_looks, posed
from veroallarme_core.adaptation.labels import read_labels
from veroallarme_core.adaptation.logistic import fit_logistic
from veroallarme_core.adaptation.options import AdaptationInputError, AdaptationOptions
from veroallarme_core.adaptation.progress import ProgressLine, ReportProgress
from veroallarme_core.adaptation.report import AdaptationReport
from veroallarme_core.adaptation.sprites import contrast_inside
from veroallarme_core.adaptation.synthetic_intruders import (
    IntruderOptions,
    SyntheticEvent,
    paste_intruder,
)

__all__ = [
    "AdaptationInputError",
    "AdaptationOptions",
    "AdaptationReport",
    "EventFolder",
    "IntruderOptions",
    "ProgressLine",
    "ReportProgress",
    "SyntheticEvent",
    "adapt_camera",
    "adapt_folder",
    "choose_looks",
    "contrast_inside",
    "fit_logistic",
    "list_events",
    "paste_intruder",
    "picture_files",
    "posed",
    "read_labels",
]
