"""What reads input of strangers, or files that may be damaged; each with inputs that are good.

A target takes any bytes. What it refuses as it should ends in `Refused`, with the sentence that a
user would read; anything else that it raises is a fault of ours.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import voluptuous as vol

from benchmarks.fuzz.files import built, state_seeds
from benchmarks.fuzz.http import answer_of_a_camera, answer_seeds, challenge, challenge_seeds
from benchmarks.fuzz.pictures import burst_seeds, picture_seeds
from veroallarme_core.adaptation import AdaptationInputError
from veroallarme_core.adaptation.history import list_events, read_frames
from veroallarme_core.camera_memory import CameraModel, SceneMemory, StateFileError
from veroallarme_core.contract import (
    AnalysisRequest,
    BridgedBurst,
    BridgedCamera,
    BridgedFrame,
    CameraSettings,
    CommandError,
    Feedback,
    MotionEnd,
    SuggestionAnswer,
    ZonesError,
    read_command,
    read_zones,
)
from veroallarme_core.contract.topics import COMMAND_NAMES
from veroallarme_core.pictures import FrameError, decode_frame, picture_end
from veroallarme_core.worker.bridge import clock_lead
from veroallarme_core.worker.config import ConfigError, load_config
from veroallarme_core.worker.discovery.publisher import read_announced
from veroallarme_core.worker.motion_sources import (
    MotionPayloadError,
    Trigger,
    read_signal,
    show_payload,
)
from veroallarme_core.worker.snapshots import SnapshotError
from veroallarme_core.worker.snapshots import read_frames as read_burst
from veroallarme_core.worker.snapshots.snapshots import check_picture
from veroallarme_core.worker.storage.event_frames import EventFrames
from veroallarme_core.worker.storage.records import KeepLimits
from veroallarme_core.zone_suggestions import KnownSuggestions, SuggestionFileError

NOW = datetime(2026, 11, 23, 6, 14, 5, tzinfo=UTC)
MAX_SENTENCE = 2000
"""Characters of a refusal that a person reads."""


class Refused(Exception):  # noqa: N818  # what should be refused is
    """The input is refused as it should be; the text is the sentence for people."""


@dataclass(frozen=True)
class Target:
    """Something that reads input.

    Attributes:
        name: What it reads.
        seeds: Good inputs.
        read: Reads an input; raises `Refused`.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]


def _json(*values: object) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


# --- what comes over MQTT ---------------------------------------------------------------------

_TRIGGERS = (
    Trigger(topic="a", start=("ON", "true", "1"), end=("OFF",)),
    Trigger(topic="a", start=("*",), end=("off",), path="message.data.0.active"),
    Trigger(topic="a", start=("new",), path="type", where={"after.camera": "drive"}),
)


def _motion(data: bytes) -> object:
    signals = []
    for trigger in _TRIGGERS:
        try:
            signals.append(read_signal(trigger, data, retained=False))
        except MotionPayloadError as error:
            signals.append(_sentence(error))
    if len(show_payload(data)) > MAX_SENTENCE:
        raise AssertionError("too much of a payload is shown")
    return signals


_READERS: tuple[Callable[[bytes], object], ...] = (
    Feedback.from_json,
    MotionEnd.from_json,
    SuggestionAnswer.from_json,
    BridgedCamera.from_json,
    BridgedFrame.from_json,
    AnalysisRequest.from_json,
    *((lambda data, name=name: read_command(name, data)) for name in COMMAND_NAMES),
)


def _commands(data: bytes) -> object:
    chosen = zlib.crc32(data) % len(_READERS)
    try:
        return chosen, type(_READERS[chosen](data)).__name__
    except CommandError as error:
        return chosen, _sentence(error)


def _burst(data: bytes) -> object:
    try:
        burst = BridgedBurst.from_json(data)
    except CommandError as error:
        raise Refused(str(error)) from None
    lead = clock_lead(burst, NOW, NOW)
    taken = read_burst(burst.frames, min(burst.motion_at - lead, NOW), NOW)
    for snapshot in taken.snapshots:
        _decode(snapshot.data)
    return len(taken.snapshots), [_sentence(error) for error in taken.errors]


# --- pictures -----------------------------------------------------------------------------------


def _decode(data: bytes) -> object:
    try:
        frame = decode_frame(data, max_pixels=1 << 20)
    except FrameError as error:
        return _sentence(error)
    return frame.image.shape, frame.truncated


def _picture(data: bytes) -> object:
    try:
        check_picture(data, "http://camera/", str)
    except SnapshotError as error:
        raise Refused(str(error)) from None
    return picture_end(data) is None, _decode(data)


# --- files --------------------------------------------------------------------------------------

# In memory where that is possible: a disk would be what is measured.
_MEMORY = Path("/dev/shm")
_FOLDER = Path(
    tempfile.mkdtemp(prefix="veroallarme-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None)
)


def remove_files() -> None:
    """Remove what the targets have written."""
    shutil.rmtree(_FOLDER, ignore_errors=True)


def _written(name: str, data: bytes) -> Path:
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def _configuration(data: bytes) -> object:
    try:
        return len(load_config(_written("veroallarme.yaml", data)).cameras)
    except ConfigError as error:
        raise Refused("; ".join(error.mistakes)) from None


def _zones(data: bytes) -> object:
    try:
        return len(read_zones(_written("zones.json", data)))
    except ZonesError as error:
        raise Refused(str(error)) from None


def _state(data: bytes) -> object:
    path, found = _written("state.npz", built(data)), []
    for read in (CameraModel.load, SceneMemory.load):
        try:
            found.append(type(read(path, "some-1")).__name__)
        except StateFileError as error:
            found.append(_sentence(error))
    return found


def _memories(data: bytes) -> object:
    path, found = _written("memory.json", data), []
    try:
        found.append(len(KnownSuggestions.load(path).offered))
    except SuggestionFileError as error:
        found.append(_sentence(error))
    found.append(len(read_announced(path, "homeassistant/device/veroallarme_home/")))
    try:
        stored = json.loads(data)
        if isinstance(stored, dict):
            found.append(CameraSettings().changed(stored))
    except (ValueError, RecursionError):
        pass
    except vol.MultipleInvalid as error:
        found.append(_sentence(error))
    return found


def _events(data: bytes) -> object:
    """Lay out a folder of events by the input: its names are in the first line."""
    source = random.Random(data)
    head, _, body = data.partition(b"\n")
    names = [name for name in dict.fromkeys(head.decode("latin-1").split(";")) if _is_name(name)]
    names = names[:8]
    root = Path(tempfile.mkdtemp(dir=_FOLDER))
    camera = root / "drive"
    camera.mkdir()
    for name in names:
        if source.random() < 0.2:
            (camera / name).write_bytes(body[:64])
            continue
        (camera / name).mkdir(exist_ok=True)
        for file in source.sample(("0.jpg", "1.jpg", "x.jpg", "2.png", ".a", "1e3.jpg"), 3):
            (camera / name / file).write_bytes(body)
    frames = EventFrames(root)
    found: list[object] = [frames.remove_partial()]
    for name in names:
        try:
            found.append((frames.count("drive", name), len(frames.load("drive", name))))
        except ValueError:
            found.append("no id")
    try:
        events = list_events(camera)
        found.append([len([frame for frame in read_frames(one) if frame]) for one in events[:2]])
    except AdaptationInputError as error:
        found.append(_sentence(error))
    found.append(frames.remove_old("drive", KeepLimits(days=1, size_mb=1), set(), NOW))
    shutil.rmtree(root)
    return found


def _is_name(name: str) -> bool:
    is_plain = name not in {"", ".", ".."} and "/" not in name and "\0" not in name
    return is_plain and len(name.encode()) < 200


def _sentence(error: Exception) -> str:
    """Check that a refusal is one for people, and return its beginning."""
    text = str(error)
    if not text or "\n" in text or len(text) > MAX_SENTENCE or "Traceback" in text:
        raise AssertionError(f"no sentence for people: {text[:200]!r}")
    # Where the file lies is no kind of refusal.
    return text.replace(str(_FOLDER), "")[:80]


# --- all of them ----------------------------------------------------------------------------------

_EVENT_ID = "20261123_061402_9f31c4"
_ZONE = {"name": "Lawn", "kind": "only", "points": [[0.1, 0.4], [0.9, 0.4], [0.9, 1.0]]}
_CONFIGURATION = b"""\
mqtt: {host: localhost, port: 1883, username: a, password: !env HOME, tls: {verify: false}}
learning: {hour: 3, recall: 0.99}
page: {host: 127.0.0.1, port: 8099}
discovery: true
cameras:
  drive:
    triggers:
      - {topic: cameras/drive/motion, start: "ON", end: "OFF", where: {after.camera: drive}}
    snapshot: {url: http://192.168.1.20/snapshot.jpg, auth: digest, username: a, password: b}
    burst: {size: 3, spacing_s: 0.6}
    settings: {mode: filter, zones: [{name: a, kind: ignore, points: [[0, 0], [1, 0], [1, 1]]}]}
    keep: &keep {days: 3, size_mb: 10}
  yard: {preset: frigate, camera: yard, url: "http://f:5000", keep: *keep}
"""


def _targets() -> Sequence[Target]:
    return (
        Target(
            "motion payloads",
            (
                *(b"ON", b"off", b"1", b'"true"\0', b"\xef\xbb\xbfON\r\n"),
                *_json(
                    {"message": {"data": [{"active": True}]}},
                    {"type": "new", "after": {"camera": "drive", "score": 0.7}},
                    [1, 2.5, None],
                ),
            ),
            _motion,
        ),
        Target(
            "commands",
            _json(
                {"mode": "filter", "hold_s": 60, "threshold": None, "zones": [_ZONE]},
                {"objects": ["person"], "enabled": False, "recall": 0.9, "on_unknown": "alert"},
                {"event_id": _EVENT_ID, "relevant": False, "request_id": "01kb2m4f9s"},
                {
                    "request_id": "a",
                    "since": "2026-11-01T00:00:00+01:00",
                    "states": ["unknown"],
                    "limit": 50,
                    "count_between": ["2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"],
                },
                {"request_id": "a", "event_id": _EVENT_ID, "width": 320, "frame": 0},
                {"name": "Porch", "burst_size": 3, "spacing_s": 0.6, "mode": "auto"},
                {"id": "zone_4c1f90ab", "take": True},
            ),
            _commands,
        ),
        Target("bursts of the bridge", burst_seeds(NOW), _burst),
        Target("configuration", (_CONFIGURATION, b"cameras: {}\n"), _configuration),
        Target("pictures", picture_seeds(), _picture),
        Target("answers of HTTP cameras", answer_seeds(), answer_of_a_camera),
        Target("HTTP login headers", challenge_seeds(), challenge),
        Target("state files", state_seeds(), _state),
        Target(
            "memories and settings on disk",
            _json(
                {"offered": [], "refused": [_ZONE]},
                {"announced": ["homeassistant/device/veroallarme_home/drive/config"]},
                CameraSettings().to_dict(),
            ),
            _memories,
        ),
        Target(
            "event folders",
            tuple(
                f"{_EVENT_ID};20261123_061403_a1b2c3;.x.partial;walk 1\n".encode() + picture
                for picture in picture_seeds()
            ),
            _events,
        ),
        Target("zones", _json([_ZONE], [_ZONE, {**_ZONE, "objects": ["person"]}]), _zones),
    )


TARGETS = tuple(_targets())
