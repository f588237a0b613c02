"""What a relevance network of the user's own makes of a burst."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from veroallarme_core.inference import InferenceError
from veroallarme_core.judgement import OUTSIDE, BurstJudgement
from veroallarme_core.motion_detection import MotionDetectionResult
from veroallarme_core.pictures import Frame

_LOGGER = logging.getLogger(__name__)

MAX_OPINIONS = 8
"""Regions that the network looks at, the largest ones: one batch, some 30 ms."""


class NetworkOpinion(Protocol):
    """What a relevance network of the user's own makes of regions that moved."""

    @property
    def network_name(self) -> str:
        """What it is called in verdicts."""

    def region_scores(self, frame: Frame, motion: MotionDetectionResult) -> Sequence[float]:
        """Return a score in [0, 1] for every region that moved.

        Raises:
            InferenceError: the network failed.
            ValueError: the frame does not fit the motion.
        """


@dataclass(frozen=True)
class Opinion:
    """The highest score that a network gave to a region of a burst, and its name."""

    network_name: str
    score: float


def ask_network(
    network: NetworkOpinion | None, motion: MotionDetectionResult, judgement: BurstJudgement
) -> Opinion | None:
    """Return what the network makes of the largest regions that count; None where it cannot."""
    frame = next((frame for frame in motion.frames if frame is not None), None)
    counted = [region.region for region in judgement.regions if region.reason != OUTSIDE]
    if network is None or frame is None or not counted:
        return None
    largest = sorted(counted, key=lambda region: -region.area)
    seen = replace(motion, motion_regions=tuple(largest[:MAX_OPINIONS]))
    try:
        scores = network.region_scores(frame, seen)
    except (InferenceError, ValueError):
        # The cues stand on their own, so a network that fails costs no verdict.
        _LOGGER.exception("the relevance network failed")
        return None
    return Opinion(network.network_name, max(scores))
