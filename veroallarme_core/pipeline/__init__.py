"""One burst, step by step: decode, motion, zones, describe, judge, explain, picture.

`event_pipeline` is the list of the steps, `judged_burst` explains and draws what they found,
`result` is what the pictures say of an event, and becomes its verdict.
"""

from veroallarme_core.pipeline.decoding import find_motion
from veroallarme_core.pipeline.event_pipeline import EventPipeline
from veroallarme_core.pipeline.judged_burst import JudgedBurst
from veroallarme_core.pipeline.judging_by_memory import judge_looks
from veroallarme_core.pipeline.network_opinion import NetworkOpinion
from veroallarme_core.pipeline.outcomes import Outcome, Outcomes
from veroallarme_core.pipeline.result import (
    MODEL,
    PipelineResult,
    not_judged,
    threshold_in_force,
)

__all__ = [
    "MODEL",
    "EventPipeline",
    "JudgedBurst",
    "NetworkOpinion",
    "Outcome",
    "Outcomes",
    "PipelineResult",
    "find_motion",
    "judge_looks",
    "not_judged",
    "threshold_in_force",
]
