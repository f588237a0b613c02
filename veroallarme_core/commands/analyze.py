"""The verdict of one burst given as files, as ``veroallarme analyze`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from veroallarme_core.commands.errors import CommandError
from veroallarme_core.contract import (
    ALL_KINDS,
    CameraSettings,
    FrameCounts,
    Mode,
    ObjectKind,
    Verdict,
    Zone,
    is_valid_id,
    new_event_id,
)
from veroallarme_core.pipeline import EventPipeline


def analyze_files(
    frames: Sequence[Path],
    *,
    reference: Path | None = None,
    threshold: float | None = None,
    zones: tuple[Zone, ...] = (),
    objects: tuple[ObjectKind, ...] = ALL_KINDS,
    camera: str = "camera",
) -> tuple[Verdict, bytes | None]:
    """Judge a burst of picture files as mode ``filter`` would.

    Args:
        frames: two or more pictures in order of time. One that cannot be decoded counts as damaged.
        reference: a picture of the camera without motion.
        threshold: a score from 0 to 1; None takes the general one.
        zones: where motion counts.
        objects: kinds that count.
        camera: the id to name in the verdict.

    Returns:
        The verdict, and the annotated JPEG where a frame could be decoded.

    Raises:
        CommandError: a file cannot be read or an argument is wrong.
    """
    if len(frames) < 2:
        raise CommandError(f"{len(frames)} frame given: motion shows between 2 or more frames")
    if threshold is not None and not 0 <= threshold <= 1:
        raise CommandError(f"--threshold {threshold:g}: give a score from 0 to 1")
    if not is_valid_id(camera):
        raise CommandError(f"--camera {camera!r}: use 1 to 64 of the characters a-z, 0-9 and _")
    data = [_read(path) for path in frames]
    settings = CameraSettings(mode=Mode.FILTER, threshold=threshold, zones=zones, objects=objects)
    motion_at = datetime.now(UTC)
    pipeline = EventPipeline.with_shipped_networks(None)
    result = pipeline.judge(data, settings, None if reference is None else _read(reference))
    verdict = result.to_verdict(
        event_id=new_event_id(motion_at),
        camera=camera,
        settings=settings,
        learning=True,
        motion_at=motion_at,
        decided_at=datetime.now(UTC),
        merged=0,
        frames=FrameCounts(requested=len(data), fetched=len(data), distinct=len(set(data))),
        fetch_ms=0.0,
    )
    return verdict.unstored(), result.picture


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
