"""What the demo plays: the drawn scenes, a folder of real events, or a clip."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from veroallarme_core.drawing import Programme

DEFAULT_GAP_S = 0.5
DRAWN_BURST = 3
"""Frames of a drawn event."""
MAX_GAP_S = 10.0
CLIP_BURST = 3
CLIP_EVERY_S = 4.0
"""A clip becomes an event this often."""
LABELS = ("relevant", "irrelevant")


class EventsError(ValueError):
    """There is nothing to play; the message is one sentence for the user."""


@dataclass(frozen=True)
class PlayedEvent:
    """One event to play: its encoded frames, and what is known of it."""

    camera: str
    name: str
    frames: tuple[bytes, ...]
    gap_s: float
    label: str | None = None
    """``relevant`` or ``irrelevant``, None where nobody has said."""
    cause: str | None = None


def camera_id(name: str) -> str:
    """Make an id out of any name."""
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:64] or "camera"


def encode(frame: NDArray[np.uint8]) -> bytes:
    """Encode a BGR frame as the JPEG that a camera would send."""
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise EventsError(f"a frame of shape {frame.shape} cannot be encoded as JPEG")
    return data.tobytes()


def drawn(programme: Programme) -> Iterator[PlayedEvent]:
    """Draw the scenes that come with the package."""
    for event in programme.events():
        yield PlayedEvent(
            camera=event.camera,
            name=event.name,
            frames=tuple(encode(frame) for frame in event.frames),
            gap_s=event.gap_s,
            label=event.label,
            cause=event.cause,
        )


def from_folder(folder: Path, gap_s: float | None) -> Iterator[PlayedEvent]:
    """Read events laid out as ``<folder>/<event_id>/{0,1,2}.jpg``, in order of their names.

    Labels are taken from ``labels.csv`` where there is one; those marked uncertain are left out.

    Raises:
        EventsError: the folder holds no event.
    """
    if not folder.is_dir():
        raise EventsError(f"{folder} is no folder: give one that holds a folder per event")
    labels = read_labels(folder / "labels.csv")
    events = [entry for entry in sorted(folder.iterdir()) if entry.is_dir()]
    events = [entry for entry in events if next(entry.glob("*.jpg"), None)]
    if not events:
        raise EventsError(f"{folder} holds no events: expected {folder}/<event_id>/0.jpg")
    for entry in events:
        row = labels.get(entry.name, {})
        files = sorted(entry.glob("*.jpg"), key=lambda file: (len(file.stem), file.stem))
        yield PlayedEvent(
            camera=camera_id(folder.resolve().name),
            name=entry.name,
            frames=tuple(file.read_bytes() for file in files),
            gap_s=gap_s or _gap(row.get("gap_s")),
            label=row.get("label"),
            cause=row.get("cause"),
        )


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """Read a labels file, ``event_id,label[,cause,...]``; none there is no labels.

    Raises:
        EventsError: the file is not such a table, or holds another label.
    """
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EventsError(f"{path} cannot be read: {error}") from None
    labels = {}
    for number, row in enumerate(rows, start=2):
        if not row.get("event_id") or row.get("label") not in LABELS:
            raise EventsError(
                f"{path} line {number}: {row.get('label')!r} is no label: expected the columns "
                "event_id and label, and relevant or irrelevant as the label"
            )
        if row.get("uncertain") != "1":
            labels[row["event_id"]] = row
    return labels


def _gap(text: str | None) -> float:
    try:
        gap = float(text or "")
    except ValueError:
        return DEFAULT_GAP_S
    return gap if 0 < gap <= MAX_GAP_S else DEFAULT_GAP_S


def from_video(path: Path, gap_s: float | None) -> Iterator[PlayedEvent]:
    """Cut a clip into bursts of three frames, one every four seconds.

    Raises:
        EventsError: the file is no clip that OpenCV can read, or is too short.
    """
    gap_s = gap_s or DEFAULT_GAP_S
    clip = cv2.VideoCapture(str(path))
    try:
        if not path.is_file() or not clip.isOpened():
            raise EventsError(f"{path} is no clip that can be read: give an MP4, AVI or MKV file")
        fps = clip.get(cv2.CAP_PROP_FPS)
        fps = fps if 1 <= fps <= 240 else 25.0
        start, numbers = 0, [round(index * gap_s * fps) for index in range(CLIP_BURST)]
        step = max(round(CLIP_EVERY_S * fps), numbers[-1] + 1)
        burst: list[bytes] = []
        number = 0
        while clip.grab():
            if number - start in numbers:
                done, frame = clip.retrieve()
                if done:
                    burst.append(encode(frame.astype(np.uint8)))
            if number - start == numbers[-1]:
                yield PlayedEvent(
                    camera=camera_id(path.stem),
                    name=f"second_{start / fps:.0f}",
                    frames=tuple(burst),
                    gap_s=gap_s,
                )
                start, burst = start + step, []
            number += 1
        if start == 0:
            raise EventsError(
                f"{path} is shorter than {numbers[-1] / fps:.1f} s: give a longer clip"
            )
    finally:
        clip.release()
