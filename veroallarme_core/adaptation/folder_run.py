"""Learn a camera from a folder of events into a folder of state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from veroallarme_core.adaptation.camera_run import adapt_camera
from veroallarme_core.adaptation.history import list_events
from veroallarme_core.adaptation.labels import read_labels
from veroallarme_core.adaptation.options import AdaptationOptions
from veroallarme_core.adaptation.progress import ProgressLine
from veroallarme_core.adaptation.seen_history import SEEN_FILE
from veroallarme_core.adaptation.seen_intruders import INTRUDERS_FILE
from veroallarme_core.camera_memory import (
    MEMORY_FILE,
    MODEL_FILE,
    REBUILT_FILE,
    SceneMemory,
    StateFileError,
    write_report,
)
from veroallarme_core.pipeline import EventPipeline

_TURNED = "events of the view that the camera has shown since it was turned"


def adapt_folder(
    data_dir: Path,
    state_dir: Path,
    labels: Path | None,
    options: AdaptationOptions,
    *,
    keep_memory: bool = False,
    detector: Path | None = None,
) -> dict[str, Any]:
    """Learn a camera; write its memory, its model, a report, and what was seen for the next time.

    Args:
        data_dir: the camera's folder of events.
        state_dir: where its state lies; it is made if need be.
        labels: the user's thumbs; None where there are none.
        options: how to learn.
        keep_memory: leave a scene memory that is there as it is, and put the new one beside it:
            a running worker owns the first.
        detector: an object detector of the user's own; None takes the one that ships.

    Returns:
        The report, JSON-serialisable.

    Raises:
        AdaptationInputError: an input is wrong.
        ModelError: the encoder or the detector cannot be loaded.
        InferenceError: the encoder failed.
        OSError: the state cannot be written.
    """
    thumbs = {} if labels is None else read_labels(labels)
    pipeline = EventPipeline.with_shipped_networks(1, detector, at_once=options.threads)
    # Before the events are listed: the camera may be turned while they are learned from.
    view = _view_of(state_dir / MEMORY_FILE, pipeline.encoder_name)
    events = list_events(data_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    memory, model, report = adapt_camera(
        events,
        pipeline,
        thumbs,
        options,
        ProgressLine(),
        state_dir / SEEN_FILE,
        state_dir / INTRUDERS_FILE,
    )
    if not keep_memory:
        memory.save(state_dir / MEMORY_FILE)
        model = replace(model, view=memory.reaimed)
        model.save(state_dir / MODEL_FILE)
    elif _view_of(state_dir / MEMORY_FILE, pipeline.encoder_name) == view:
        memory.reaimed = view
        memory.save(state_dir / REBUILT_FILE)
        replace(model, view=view).save(state_dir / MODEL_FILE)
    else:
        report = replace(report, learned=False, promise=None, missing=_TURNED)
    content = report.to_dict()
    write_report(state_dir, content)
    return content


def _view_of(path: Path, encoder: str) -> int:
    """Return which view the worker's memory knows: the first where it has none yet."""
    try:
        return SceneMemory.load(path, encoder).reaimed
    except (FileNotFoundError, StateFileError):
        return 0
