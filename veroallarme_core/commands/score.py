"""Judge a folder of events as a camera in mode `filter` would, for evaluation and for curiosity."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from veroallarme_core.adaptation import EventFolder, list_events, picture_files
from veroallarme_core.camera_memory import CameraState
from veroallarme_core.commands.errors import CommandError
from veroallarme_core.contract import ALL_KINDS, MAX_REGIONS, CameraSettings, Mode, ObjectKind, Zone
from veroallarme_core.files import atomic_text_file
from veroallarme_core.pipeline import EventPipeline, PipelineResult, not_judged

COLUMNS = ("event_id", "state", "score", "reason", "regions")


def score_folder(
    data_dir: Path,
    state_dir: Path | None,
    output: Path,
    *,
    zones: tuple[Zone, ...] = (),
    objects: tuple[ObjectKind, ...] = ALL_KINDS,
    threshold: float | None = None,
    detector: Path | None = None,
    threads: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Judge every event of a camera's folder in order of time and write a CSV file.

    Args:
        data_dir: the camera's folder, with a folder of pictures per event.
        state_dir: what the camera has learned; it is left as it is. None judges as a fresh
            installation would.
        output: the file to write, in one step. An event without a score gets 1.0.
        zones: where motion counts.
        objects: kinds that count.
        threshold: score in [0, 1] from which an event is relevant; None takes the calibrated one.
        detector: an object detector of the user's own; None takes the one that ships.
        threads: events that are judged at the same time.
        progress: told how many are done, of how many.

    Returns:
        How many events there are.

    Raises:
        AdaptationInputError: `data_dir` holds no event.
        CommandError: `output` is a folder, `state_dir` is none, or the threshold is no score.
        StateFileError: what the camera has learned cannot be used.
        ModelError: the encoder or the detector cannot be loaded.
        OSError: the file cannot be written.
    """
    if output.is_dir():
        raise CommandError(f"{output} is a folder: give the name of the file to write")
    if threshold is not None and not 0 <= threshold <= 1:
        raise CommandError(f"--threshold {threshold:g}: give a score from 0 to 1")
    events = list_events(data_dir)
    state = None if state_dir is None else read_state(state_dir)
    pipeline = EventPipeline.with_shipped_networks(1, detector)
    settings = CameraSettings(mode=Mode.FILTER, zones=zones, objects=objects, threshold=threshold)

    def judge(event: EventFolder) -> PipelineResult:
        return judge_event(event, pipeline, settings, state)

    with atomic_text_file(output) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        with ThreadPoolExecutor(threads) as pool:
            judged = zip(events, pool.map(judge, events), strict=True)
            for count, (event, result) in enumerate(judged, 1):
                writer.writerow(_row(event, result))
                progress(count, len(events))
    return len(events)


def read_state(state_dir: Path) -> CameraState:
    """Read what a camera has learned.

    Raises:
        CommandError: there is no such folder.
        StateFileError: a file cannot be used.
    """
    if not state_dir.is_dir():
        raise CommandError(
            f"there is no folder {state_dir}: run `veroallarme adapt` first, or leave it out to "
            "judge as a fresh installation would"
        )
    return CameraState.read(state_dir)


def judge_event(
    event: EventFolder,
    pipeline: EventPipeline,
    settings: CameraSettings,
    state: CameraState | None,
) -> PipelineResult:
    """Judge an event on disk; one whose pictures cannot be read is unknown."""
    try:
        frames = [path.read_bytes() for path in picture_files(event.folder)]
    except OSError as error:
        text = f"{event.folder} cannot be read: {error.strerror}"
        return not_judged("no_snapshot", text, settings)
    return pipeline.judge(
        frames,
        settings,
        state=state,
        event_id=event.event_id,
        motion_at=datetime.fromtimestamp(event.at, UTC),
    )


def _row(event: EventFolder, result: PipelineResult) -> list[Any]:
    shown = sorted(result.regions, key=lambda region: -region.relevance_score)[:MAX_REGIONS]
    regions = json.dumps([region.to_contract() for region in shown], separators=(",", ":"))
    score = 1.0 if result.score is None else result.score
    return [event.event_id, result.state.value, f"{score:.6f}", result.reason, regions]
