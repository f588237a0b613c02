"""Learn one camera from its own unlabelled history and the user's thumbs; no torch.

A teacher that needs no labels ranks all regions that ever moved. What it is surest of teaches a
small head on frozen features, and both together rank. The line is drawn by intruders that are
pasted over the camera's own pictures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from veroallarme_core.adaptation.heads import fit_model
from veroallarme_core.adaptation.history import EventFolder
from veroallarme_core.adaptation.intruder_trial import (
    Attempt,
    Trial,
    settle,
    try_confirmed,
    try_intruders,
    with_sights,
)
from veroallarme_core.adaptation.intruders import Cast, choose_intruders
from veroallarme_core.adaptation.observed_events import (
    assess_events,
    conditions_of,
    observe_history,
)
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.progress import ReportProgress
from veroallarme_core.adaptation.promise import (
    calibrated,
    lines_by_floor,
    lines_by_recall,
    missing_for_promise,
)
from veroallarme_core.adaptation.report import AdaptationReport
from veroallarme_core.adaptation.seen_intruders import read_intruders, write_intruders
from veroallarme_core.adaptation.teacher import TaughtRegions, pass_on_thumbs
from veroallarme_core.camera_memory import CameraModel, SceneMemory
from veroallarme_core.pipeline import EventPipeline


def adapt_camera(
    events: Sequence[EventFolder],
    pipeline: EventPipeline,
    labels: Mapping[str, bool],
    options: AdaptationOptions | None = None,
    progress: ReportProgress = lambda step, done, total: None,
    seen_file: Path | None = None,
    intruders_file: Path | None = None,
) -> tuple[SceneMemory, CameraModel, AdaptationReport]:
    """Learn a camera.

    Args:
        events: its history in order of time; only the latest are taken where there are too many.
        pipeline: describes and judges as operation will: with an encoder, and with the detector
            that operation has.
        labels: the user's thumbs by event id; those of other events are ignored.
        options: None takes the defaults.
        progress: told how far it is, from this thread.
        seen_file: holds what was seen of its events before, and is written anew: only those that
            are new are looked at. None looks at all.
        intruders_file: holds what was seen of intruders before, and is written anew: the others
            alone are looked at. None draws all anew.

    Returns:
        The memory, the model and a report. A model without a promise ranks, but suppresses nothing.

    Raises:
        AdaptationInputError: not a single event shows anything.
        InferenceError: the encoder failed.
    """
    options = options or AdaptationOptions()
    started = time.monotonic()
    memory, known, unreadable = observe_history(
        events[-options.most_events :], pipeline, options, progress, seen_file
    )
    assess_events(memory, known)
    taught = TaughtRegions.of(known, labels)
    model = replace(
        fit_model(taught, pipeline.encoder_name),
        detector=pipeline.detector_name,
        view=memory.reaimed,
    )
    event_ranks = taught.event_ranks(model)
    pass_on_thumbs(memory, taught, model)
    cast = Cast.of(known, memory.recurrence())
    trial = Trial(pipeline, memory, model, options.zones, options.objects)
    conditions = {**conditions_of(pipeline, options), "seed": options.seed}
    before = []
    if intruders_file is not None:
        before = read_intruders(intruders_file, conditions, pipeline.encoder_name, events)
    intruders = choose_intruders(before, trial.sources(known, event_ranks), cast, options)
    attempts = try_intruders(trial, intruders, options, progress)
    confirmed = try_confirmed(trial, taught)

    def highest_line(attempts: Sequence[Attempt]) -> float:
        return max(lines_by_floor(attempts, confirmed, options).values(), default=-math.inf)

    attempts = settle(trial, intruders, attempts, highest_line, options, progress)
    if intruders_file is not None:
        seen = with_sights(intruders, attempts)
        write_intruders(intruders_file, conditions, pipeline.encoder_name, seen)
    lines = lines_by_floor(attempts, confirmed, options)
    missing = missing_for_promise(known, memory, attempts, confirmed, lines, options)
    if not missing:
        model = calibrated(model, attempts, confirmed, lines, event_ranks, options)
        # What the camera would suppress with another promise is asked long after this.
        recalls = lines_by_recall(attempts, confirmed, event_ranks, options)
        model = replace(model, lines=recalls)
    return (
        memory,
        model,
        AdaptationReport(
            learned=model.promise is not None,
            missing=missing,
            events=len(known),
            unreadable=unreadable,
            sessions=len(memory.sessions),
            regions=len(taught.owner),
            sprites=len(cast.sprites),
            knows_perspective=cast.perspective is not None,
            suppressed=float(np.mean(event_ranks < model.threshold)) if len(event_ranks) else 0.0,
            seen=float(np.mean([attempt.is_seen for attempt in attempts])) if attempts else 0.0,
            promise=model.promise,
            seconds=time.monotonic() - started,
        ),
    )
