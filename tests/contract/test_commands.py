"""Commands from anybody who may publish to the broker."""

import json
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.commands import (
    MAX_BURST_BYTES,
    MAX_COMMAND_BYTES,
    AnalysisRequest,
    BridgedBurst,
    BridgedCamera,
    BridgedFrame,
    CommandError,
    Feedback,
    MotionEnd,
    read_command,
)
from veroallarme_core.contract.reading import MAX_ERROR_CHARACTERS
from veroallarme_core.contract.settings import Mode
from veroallarme_core.contract.topics import COMMAND_NAMES

WHEN = "2026-11-23T06:14:02.517+00:00"


def refusal(name: str, payload: bytes) -> str:
    with pytest.raises(CommandError) as caught:
        read_command(name, payload)
    message = str(caught.value)
    assert "\n" not in message
    assert "\r" not in message
    assert 0 < len(message) <= MAX_ERROR_CHARACTERS
    return message


def test_a_change_of_settings_holds_only_what_was_sent():
    assert read_command("set", b'{"mode": "filter"}') == {"mode": Mode.FILTER}
    assert read_command("set", b"{}") == {}


@pytest.mark.parametrize("relevant", [True, False, None])
def test_feedback(relevant):
    payload = json.dumps({"event_id": "20261123_061402_9f31c4", "relevant": relevant}).encode()
    content = read_command("feedback", payload)
    assert content == {"event_id": "20261123_061402_9f31c4", "relevant": relevant}


@pytest.mark.parametrize(
    ("name", "payload", "message"),
    [
        (
            "set",
            b'{"hold_s": -1}',
            "hold_s: -1: give a number from 0 to 3600 (seconds)",
        ),
        ("set", b'{"mode": "off"}', "mode: 'off': choose one of auto, filter, shadow"),
        ("set", b'{"enabled": "no"}', "enabled: 'no': give true or false"),
        ("set", b'{"enabled": 1}', "enabled: 1: give true or false"),
        ("set", b'{"zones": {}}', "zones: give a list"),
        (
            "set",
            b'{"zones": [{"name": "a", "kind": "never", "points": [[0, 0], [1, 0], [1, 1]]}]}',
            "zones.0.kind: 'never': choose one of only, ignore, always",
        ),
        (
            "set",
            b'{"threshold": 2, "on_unknown": null}',
            "on_unknown: nothing: choose one of alert, suppress; "
            "threshold: 2: give null or a number from 0 to 1",
        ),
        ("feedback", b"{}", "event_id: missing: add it; relevant: missing: add it"),
        (
            "feedback",
            b'{"event_id": "../../x", "relevant": true}',
            "event_id: '../../x': use 1 to 64 of the characters a-z, 0-9 and _",
        ),
        (
            "feedback",
            b'{"event_id": "a", "relevant": "yes"}',
            "relevant: 'yes': give true, false or null",
        ),
        (
            "set",
            b"filter",
            'the payload b\'filter\' is not JSON: send an object such as {"mode": "filter"}',
        ),
        (
            "feedback",
            b"[1]",
            "the payload b'[1]' is not a JSON object: send one such as "
            '{"event_id": "...", "relevant": true}',
        ),
        (
            "config",
            b'{"name": "", "burst_size": 1.5, "spacing_s": 0.1}',
            "burst_size: 1.5: give a number from 2 to 10 (frames); "
            "name: '': give a text that is not empty; "
            "spacing_s: 0.1: give a number from 0.5 to 10 (seconds)",
        ),
        (
            "config",
            b'{"name": "x", "burst_size": 2.5}',
            "burst_size: 2.5: give a whole number from 2 to 10 (frames)",
        ),
        (
            "burst",
            b'{"event_id": "20261123_061402_9f31c4", "motion_at": "2026-11-23T07:14:02+00:00", '
            b'"frames": []}',
            "event_id: '20261123_061402_9f31c4': motion_at is 20261123_071402 in UTC: begin with "
            "that",
        ),
        (
            "burst",
            b'{"event_id": "../../x", "motion_at": "2026-13-01T00:00:00Z", "frames": 1}',
            "event_id: '../../x': give motion_at in UTC as YYYYMMDD_HHMMSS, then _ and 6 hex "
            "digits; frames: 1: give a list; motion_at: '2026-13-01T00:00:00Z': give a time with "
            "its zone, such as 2026-11-23T06:14:02.517+00:00",
        ),
        (
            "analyze",
            json.dumps({"request_id": "a/b", "frames": [{}] * 11}).encode(),
            "frames.0.captured_at: missing: add it; frames.0.jpeg: missing: add it; "
            "request_id: 'a/b': use 1 to 64 of the characters a-z, 0-9 and _",
        ),
        (
            "analyze",
            json.dumps(
                {"request_id": "a", "frames": [{"captured_at": WHEN, "jpeg": ""}] * 11}
            ).encode(),
            "frames: give at most 10 frames",
        ),
        ("learn", b"", "the payload b'' is not JSON: send an object such as {}"),
        ("learn", b"1", "the payload b'1' is not a JSON object: send one such as {}"),
    ],
)
def test_a_refusal_names_place_value_and_remedy(name, payload, message):
    assert refusal(name, payload) == message


NESTED = 30_000
HOSTILE = {
    "empty": b"",
    "not UTF-8": b'{"mode": "\xff"}',
    "UTF-16": '{"mode": "filter"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"mode": "filter"}',
    "deep list": b"[" * NESTED + b"]" * NESTED,
    "unfinished": b"[" * 60_000,
    "NaN": b'{"threshold": NaN}',
    "infinite": b'{"hold_s": Infinity}',
    "unknown NaN": b'{"more": NaN}',
    "large exponent": b'{"hold_s": 1e999}',
    "huge integer": b'{"hold_s": 1' + b"0" * 400 + b"}",
    "integer that Python refuses": b'{"hold_s": 1' + b"0" * 5000 + b"}",
    "half a pair as a name": b'{"zones": [{"name": "\\ud800", "points": [[0,0],[1,0],[1,1]]}]}',
    "half a pair as a key": b'{"\\udfff": 1}',
    "line breaks": b'{"mode": "a\\nb\\r\\u2028c"}',
    "null characters": b'{"mode": "' + b"\\u0000" * 500 + b'"}',
    "long value": b'{"mode": "' + b"x" * 60_000 + b'"}',
    "many mistakes": json.dumps(
        {"zones": [{"name": "", "points": [[2, 2]] * 60}] * 16, "mode": "x" * 500, "hold_s": []}
    ).encode(),
    "too long": b" " * (MAX_COMMAND_BYTES + 1),
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("name", ["set", "feedback"])
def test_hostile_payloads_get_one_short_line(name, payload):
    refusal(name, payload)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":' * (NESTED // 3) + b"1" + b"}" * (NESTED // 3),
        b'{"more": ' + b"[" * NESTED + b"]" * NESTED + b"}",
    ],
    ids=["object", "list"],
)
def test_a_deep_unknown_field_is_refused_or_ignored(payload):
    # How deep JSON may go is the interpreter's choice.
    try:
        assert read_command("set", payload) == {}
    except CommandError:
        refusal("set", payload)


def burst_with(frame: bytes, more: bytes = b"") -> bytes:
    return (
        b'{"event_id": "20261123_061402_9f31c4", "motion_at": "' + WHEN.encode() + b'", '
        b'"frames": [{"captured_at": "' + WHEN.encode() + b'", "jpeg": ' + frame + b"}]" + more
    ) + b"}"


LARGE = 8 << 20
BOMBS = {
    "a list of millions": b"[" + b"1," * (LARGE // 2) + b"1]",
    "millions of lists": b"[" * LARGE,
    "nested objects": b'{"a":' * (LARGE // 5),
    "an endless integer": b"1" * LARGE,
    "an endless escape": b'"' + b"\\ud800" * (LARGE // 6) + b'"',
    "too much": b'"' + b"A" * MAX_BURST_BYTES + b'"',
}


@pytest.mark.parametrize("frame", BOMBS.values(), ids=BOMBS.keys())
def test_large_payloads_that_are_no_pictures_take_neither_time_nor_memory(frame):
    tracemalloc.start()
    message = refusal("burst", burst_with(frame))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message
    assert peak < 4 * MAX_BURST_BYTES


def test_a_large_burst_is_read():
    text = b'"' + b"A" * (MAX_BURST_BYTES - 1000) + b'"'
    content = read_command("burst", burst_with(text, b', "of a newer peer": 1'))
    assert content.keys() == {"event_id", "motion_at", "frames"}
    assert len(content["frames"][0]["jpeg"]) == MAX_BURST_BYTES - 1000


@pytest.mark.parametrize("name", ["config", "motion_end", "learn"])
def test_commands_without_pictures_are_short(name):
    assert "send at most 65536" in refusal(name, burst_with(b'"' + b"A" * MAX_COMMAND_BYTES + b'"'))


@given(payload=st.binary(max_size=400), name=st.sampled_from(COMMAND_NAMES))
def test_random_bytes_are_refused_or_read(payload, name):
    try:
        read_command(name, payload)
    except CommandError:
        refusal(name, payload)


@given(
    start=st.sampled_from([b'{"mode": ', b'{"zones": [', b'{"event_id": "', b'{"relevant": tru']),
    rest=st.binary(max_size=60),
)
def test_damaged_commands_are_refused_or_read(start, rest):
    for name in COMMAND_NAMES:
        try:
            read_command(name, start + rest)
        except CommandError:
            refusal(name, start + rest)


def test_commands_become_what_they_say():
    frame = {"captured_at": WHEN, "jpeg": "/9j/", "of a newer peer": 1}
    frames = (
        BridgedFrame(captured_at=datetime(2026, 11, 23, 6, 14, 2, 517_000, UTC), jpeg="/9j/"),
    )
    event_id = "20261123_061402_9f31c4"

    def written(**content):
        return json.dumps(content).encode()

    assert Feedback.from_json(written(event_id=event_id, relevant=None)) == Feedback(
        event_id=event_id, relevant=None
    )
    assert BridgedBurst.from_json(
        written(event_id=event_id, motion_at=WHEN, frames=[frame])
    ) == BridgedBurst(event_id=event_id, motion_at=frames[0].captured_at, frames=frames)
    assert MotionEnd.from_json(written(event_id=event_id)) == MotionEnd(event_id=event_id)
    assert AnalysisRequest.from_json(written(request_id="a")) == AnalysisRequest(request_id="a")
    assert AnalysisRequest.from_json(written(request_id="a", frames=[frame])) == AnalysisRequest(
        request_id="a", frames=frames
    )
    assert AnalysisRequest.from_json(written(request_id="a", frames=[])).frames == ()
    camera = BridgedCamera.from_json(written(name="Drive"))
    assert camera == BridgedCamera(name="Drive", burst_size=3, spacing_s=0.6)
    assert BridgedCamera.from_json(json.dumps(camera.to_dict()).encode()) == camera


@pytest.mark.parametrize(
    "kind", [Feedback, BridgedBurst, MotionEnd, AnalysisRequest], ids=lambda kind: kind.__name__
)
def test_commands_that_lack_something_are_refused(kind):
    with pytest.raises(CommandError, match="missing: add it"):
        kind.from_json(b"{}")
