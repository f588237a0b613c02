"""`veroallarme adapt`: learn a camera from a folder of events into a folder of state."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from veroallarme_core.adaptation.adaptation import (
    AdaptationOptions,
    adapt_camera,
    list_events,
    read_labels,
)
from veroallarme_core.camera_memory.camera_state import (
    MEMORY_FILE,
    MODEL_FILE,
    REBUILT_FILE,
    write_report,
)
from veroallarme_core.camera_memory.scene_memory import SceneMemory
from veroallarme_core.camera_memory.state_file import StateFileError
from veroallarme_core.description.scene_encoder import SceneEncoder

_EVERY_S = 5.0
_TURNED = "events of the view that the camera has shown since it was turned"


class ProgressLine:
    """Tells on stderr how far a long step is, at most every few seconds."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Tell that `done` of `total` are done in a step."""
        if done == total or time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            print(f"{step}: {done} of {total}", file=sys.stderr, flush=True)


def adapt_folder(
    data_dir: Path,
    state_dir: Path,
    labels: Path | None,
    options: AdaptationOptions,
    *,
    keep_memory: bool = False,
) -> dict[str, Any]:
    """Learn a camera and write its memory, its model and a report.

    Args:
        data_dir: the camera's folder of events.
        state_dir: where its state lies; it is made if need be.
        labels: the user's thumbs; None where there are none.
        options: how to learn.
        keep_memory: leave a scene memory that is there as it is, and put the new one beside it:
            a running worker owns the first.

    Returns:
        The report, JSON-serialisable.

    Raises:
        AdaptationError: an input is wrong.
        ModelError: the encoder cannot be loaded.
        InferenceError: the encoder failed.
        OSError: the state cannot be written.
    """
    thumbs = {} if labels is None else read_labels(labels)
    encoder = SceneEncoder(threads=1)
    # Before the events are listed: the camera may be turned while they are learned from.
    view = _view_of(state_dir / MEMORY_FILE, encoder.name)
    events = list_events(data_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    memory, model, report = adapt_camera(events, encoder, thumbs, options, ProgressLine())
    if not keep_memory:
        memory.save(state_dir / MEMORY_FILE)
        model = replace(model, view=memory.reaimed)
        model.save(state_dir / MODEL_FILE)
    elif _view_of(state_dir / MEMORY_FILE, encoder.name) == view:
        memory.reaimed = view
        memory.save(state_dir / REBUILT_FILE)
        replace(model, view=view).save(state_dir / MODEL_FILE)
    else:
        report = replace(report, learned=False, promise=None, missing=_TURNED)
    told = asdict(report)
    write_report(state_dir, told)
    return told


def _view_of(path: Path, encoder: str) -> int:
    """Return which view the worker's memory knows: the first where it has none yet."""
    try:
        return SceneMemory.load(path, encoder).reaimed
    except (FileNotFoundError, StateFileError):
        return 0
