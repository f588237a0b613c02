"""One camera, from its motion to the verdict that the broker gets.

`CameraWorker` puts together motion, queue, pictures, judgement, alarm, learning and publishing of
one camera; `JudgingThreads` judge the bursts of all of them, and `WorkerServices` are what the
worker gives to each.
"""

from veroallarme_core.worker.camera.analyses import AnalysisError
from veroallarme_core.worker.camera.camera import CameraWorker
from veroallarme_core.worker.camera.context import STORAGE_ERRORS, WorkerServices
from veroallarme_core.worker.camera.judging import JudgingThreads
from veroallarme_core.worker.camera.learning import (
    Adaptation,
    CameraLearning,
    Complain,
    Outcome,
    Resolve,
)
from veroallarme_core.worker.camera.pending_event import Acknowledge, FetchedFrames, Signal
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.camera.review import MAX_SUPPRESSED, REVIEW_DAYS, Review
from veroallarme_core.worker.camera.suggestions import Suggestions

__all__ = [
    "MAX_SUPPRESSED",
    "REVIEW_DAYS",
    "STORAGE_ERRORS",
    "Acknowledge",
    "Adaptation",
    "AnalysisError",
    "CameraLearning",
    "CameraWorker",
    "Complain",
    "FetchedFrames",
    "JudgingThreads",
    "Outcome",
    "ReferencePicture",
    "Resolve",
    "Review",
    "Signal",
    "Suggestions",
    "WorkerServices",
]
