"""Suggest zones to ignore from a folder of events, as the worker does from what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from veroallarme_core.adaptation import (
    AdaptationInputError,
    EventFolder,
    list_events,
    picture_files,
    read_labels,
)
from veroallarme_core.camera_memory import CameraState, SceneMemory
from veroallarme_core.commands.errors import CommandError
from veroallarme_core.commands.score import judge_event, read_state
from veroallarme_core.contract import (
    ALL_KINDS,
    CameraSettings,
    FrameCounts,
    Mode,
    ObjectKind,
    Zone,
    ZoneSuggestion,
)
from veroallarme_core.files import write_atomically
from veroallarme_core.pictures import write_picture
from veroallarme_core.pipeline import EventPipeline, PipelineResult
from veroallarme_core.zone_suggestions import (
    History,
    PastEvent,
    clearest_frame,
    draw_suggestions,
    suggest_zones,
)

_PICTURED_EVENTS = 8
"""Events among whose pictures that of the suggestion is chosen."""


def suggest_folder(
    data_dir: Path,
    state_dir: Path | None,
    output: Path,
    *,
    zones: tuple[Zone, ...] = (),
    objects: tuple[ObjectKind, ...] = ALL_KINDS,
    labels: Path | None = None,
    picture: Path | None = None,
    detector: Path | None = None,
    threads: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ZoneSuggestion]:
    """Judge a camera's events, suggest what to ignore and write it as a file of zones.

    Args:
        data_dir: the camera's folder, with a folder of pictures per event.
        state_dir: what the camera has learned, by which its alarms are told; it is left as it is.
            None judges as a fresh installation would.
        output: the file to write, in one step: `zones` and what is suggested, for `--zones`.
        zones: that are in force.
        objects: kinds that count.
        labels: the user's thumbs.
        picture: a picture of the suggestion to write; its suffix says how.
        detector: an object detector of the user's own; None takes the one that ships.
        threads: events that are judged at the same time.
        progress: told how many are done, of how many.

    Raises:
        AdaptationInputError: `data_dir` holds no event that can be used, or the labels are wrong.
        CommandError: `state_dir` is no folder, `output` is one, or the picture cannot be written as
            asked.
        StateFileError: what the camera has learned cannot be used.
        ModelError: the encoder or the detector cannot be loaded.
        OSError: the file cannot be written.
    """
    for path in (output, picture):
        if path is not None and path.is_dir():
            raise CommandError(f"{path} is a folder: give the name of the file to write")
    thumbs = {} if labels is None else read_labels(labels)
    events = list_events(data_dir)
    pipeline = EventPipeline.with_shipped_networks(1, detector)
    settings = CameraSettings(mode=Mode.FILTER, zones=zones, objects=objects)
    history = _look_at(events, pipeline, state_dir, settings, thumbs, threads, progress)
    suggested = suggest_zones(history, zones)
    content = [zone.to_dict() for zone in (*zones, *(found.zone for found in suggested))]
    write_atomically(output, json.dumps(content, indent=2) + "\n")
    if picture is not None:
        _draw(picture, events, history, suggested)
    return suggested


def _look_at(
    events: Sequence[EventFolder],
    pipeline: EventPipeline,
    state_dir: Path | None,
    settings: CameraSettings,
    thumbs: Mapping[str, bool],
    threads: int,
    progress: Callable[[int, int], None],
) -> History:
    if state_dir is None:
        # Events are described for a camera that learns; one that knows nothing changes no verdict.
        state = CameraState(Path(), SceneMemory(pipeline.encoder_name))
    else:
        state = read_state(state_dir)
    observed = SceneMemory(pipeline.encoder_name)
    past: list[PastEvent] = []

    def judge(event: EventFolder) -> PipelineResult:
        return judge_event(event, pipeline, settings, state)

    with ThreadPoolExecutor(threads) as pool:
        judged = zip(events, pool.map(judge, events), strict=True)
        for count, (event, result) in enumerate(judged, 1):
            if result.evidence is not None:
                if observed.observe(result.evidence, event.event_id, event.at):
                    past.clear()  # the camera was turned: what it showed before says nothing
                known = _past_event(event, result, settings, thumbs.get(event.event_id))
                past += [] if known is None else [known]
            progress(count, len(events))
    if observed.grid is None:
        raise AdaptationInputError("not a single picture of these events can be used")
    return History(events=past, recurrence=observed.recurrence())


def _past_event(
    event: EventFolder, result: PipelineResult, settings: CameraSettings, thumb: bool | None
) -> PastEvent | None:
    """Keep of an event what the worker's store keeps: its verdict."""
    at = datetime.fromtimestamp(event.at, UTC)
    verdict = result.to_verdict(
        event_id=event.event_id,
        camera="camera",
        settings=settings,
        learning=False,
        motion_at=at,
        decided_at=at,
        merged=0,
        frames=FrameCounts(),
        fetch_ms=0.0,
    )
    return PastEvent.from_verdict(verdict.to_dict(), thumb)


def _draw(
    path: Path,
    events: Sequence[EventFolder],
    history: History,
    suggested: Sequence[ZoneSuggestion],
) -> None:
    step = max(1, len(events) // _PICTURED_EVENTS)
    frame = clearest_frame(
        [file.read_bytes() for file in picture_files(event.folder)]
        for event in events[::-step][:_PICTURED_EVENTS]
    )
    if frame is None:
        frame = np.zeros((*history.events[-1].frame_dimensions, 3), np.uint8)
    try:
        write_picture(path, draw_suggestions(frame, history.recurrence, suggested))
    except ValueError:
        raise CommandError(f"{path}: no picture format has this suffix; use .jpg or .png") from None
