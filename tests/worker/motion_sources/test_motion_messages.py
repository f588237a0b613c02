"""Motion messages: starts, ends, neither, and what cannot be understood."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veroallarme_core.worker.motion_sources.motion_messages import (
    MAX_JSON_BYTES,
    MotionPayloadError,
    MotionSignal,
    Trigger,
    look_up,
    read_signal,
    topic_matches,
)

START, END = MotionSignal.START, MotionSignal.END
PAST, OTHER = MotionSignal.PAST, MotionSignal.OTHER
SWITCH = Trigger(topic="cam/motion", start=("ON",), end=("OFF",))
SHARED = Trigger(
    topic="frigate/events",
    path="type",
    start=("new",),
    end=("end",),
    where={"after.camera": "front"},
)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"ON", START),
        (b"on", START),
        (b" On\n", START),
        (b"OFF", END),
    ],
)
def test_plain_text_is_compared_without_case_and_blanks(payload, expected):
    assert read_signal(SWITCH, payload, retained=False) is expected


DRESSINGS = {
    "null at the end": b"ON\0",
    "a buffer of null bytes": b"ON" + b"\0" * 62,
    "a buffer with leftovers": b"ON\0FF\0\xfe\xff",
    "null before": b"\0ON",
    "double quotes": b'"ON"',
    "single quotes": b"'ON'",
    "quotes in quotes": b"\"'ON'\"",
    "typographic quotes": "\u201con\u201d".encode(),
    "byte-order mark": b"\xef\xbb\xbfON",
    "zero width": "\u200bON\u200b".encode(),
    "UTF-16, little end first": b"\xff\xfeO\0N\0",
    "UTF-16, big end first": b"\xfe\xff\0O\0N",
    "white space": b"\t ON \r\n",
    "everything": b'\xef\xbb\xbf " ON\r" \n\0\0',
}


@pytest.mark.parametrize("payload", DRESSINGS.values(), ids=DRESSINGS)
def test_what_is_wrapped_around_a_value_is_taken_off(payload):
    assert read_signal(SWITCH, payload, retained=False) is START


@pytest.mark.parametrize("value", ["end", "END\0", '"end"', "\ufeffend", " end\n"])
def test_what_is_wrapped_around_a_value_in_json_is_taken_off(value):
    content = json.dumps({"type": value, "after": {"camera": "front\0"}}).encode()
    for payload in (content, b"\xef\xbb\xbf" + content + b"\r\n\0\0"):
        assert read_signal(SHARED, payload, retained=False) is END


def test_what_is_wrapped_around_a_value_of_the_configuration_is_taken_off():
    assert read_signal(Trigger(topic="t", start=('"ON"',)), b"on", retained=False) is START


@pytest.mark.parametrize("payload", [b'"', b"''", b"O N", b"\"ON'", b'"' * 100_000, b"\0"])
def test_what_is_no_wrapping_is_kept(payload):
    with pytest.raises(MotionPayloadError, match="neither start nor end"):
        read_signal(SWITCH, payload, retained=False)


@pytest.mark.parametrize(
    ("trigger", "payload", "sentence"),
    [
        (
            SWITCH,
            b"ONE\0",
            "'ONE' on topic cam/motion is neither start nor end: add it to the trigger's start, "
            "end or ignore",
        ),
        (
            SWITCH,
            b"",
            "'' on topic cam/motion is neither start nor end: add it to the trigger's start, "
            "end or ignore",
        ),
        (
            SWITCH,
            b'{"state": "ON"}',
            '\'{"state": "ON"}\' on topic cam/motion is neither start nor end: add it to the '
            "trigger's start, end or ignore, or name the JSON field that tells it as path",
        ),
        (
            SHARED,
            b'{"type": "update", "after": {"camera": "front"}}',
            "'update' on topic frigate/events is neither start nor end: add it to the trigger's "
            "start, end or ignore",
        ),
        (
            SHARED,
            b'{"type": null, "after": {"camera": "front"}}',
            "null on topic frigate/events is neither start nor end: add it to the trigger's "
            "start, end or ignore",
        ),
    ],
)
def test_a_value_that_is_neither_start_nor_end_is_named(trigger, payload, sentence):
    with pytest.raises(MotionPayloadError) as caught:
        read_signal(trigger, payload, retained=False)
    assert str(caught.value) == sentence


def test_a_value_that_is_known_to_mean_neither_is_no_mistake():
    trigger = Trigger(topic="t", start=("*",), end=("OFF",), ignore=("unavailable",))
    assert read_signal(trigger, b'"Unavailable"', retained=False) is OTHER


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, START),
        (1, START),
        (1.0, START),
        ("1", START),
        ("ON", START),
        (False, END),
        (0, END),
        (None, END),
        ("off", END),
        (2, OTHER),
        (0.5, OTHER),
        ("", OTHER),
    ],
)
def test_json_values_are_compared_as_text(value, expected):
    trigger = Trigger(
        topic="t",
        path="motion",
        start=("ON", "true", "1"),
        end=("off", "false", "0", "null"),
        ignore=("2", "0.5", ""),
    )
    payload = json.dumps({"motion": value}).encode()
    assert read_signal(trigger, payload, retained=False) is expected


def test_a_path_goes_through_objects_and_lists():
    trigger = Trigger(topic="t", path="message.data.1.active", start=("1",))
    payload = b'{"message": {"data": [{"active": "0"}, {"active": "1"}]}}'
    assert read_signal(trigger, payload, retained=False) is START


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        ({"a": {"b": None}}, "a.b", (True, None)),
        ({"a": [1, 2]}, "a.1", (True, 2)),
        ({"a": [1, 2]}, "a.2", (False, None)),
        ({"a": [1, 2]}, "a.-1", (False, None)),
        ({"a": [1, 2]}, "a.9999999999", (False, None)),
        ({"a": "text"}, "a.0", (False, None)),
        ({"1": "named"}, "1", (True, "named")),
        (None, "a", (False, None)),
    ],
)
def test_look_up(document, path, expected):
    assert look_up(document, path) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"type": "new", "after": {"camera": "front"}}', START),
        (b'{"type": "end", "after": {"camera": "front"}}', END),
        (b'{"type": "new", "after": {"camera": "back"}}', OTHER),
        (b'{"after": {"camera": "back"}}', OTHER),
        (b'{"type": "new", "after": {"camera": ["front"]}}', OTHER),
    ],
)
def test_where_picks_the_camera_of_a_shared_topic(payload, expected):
    assert read_signal(SHARED, payload, retained=False) is expected


def test_where_without_path_judges_the_text_of_matching_messages():
    trigger = Trigger(topic="t", start=("*",), where={"camera": "front"})
    assert read_signal(trigger, b'{"camera": "front"}', retained=False) is START
    assert read_signal(trigger, b'{"camera": "back"}', retained=False) is OTHER


def test_any_value_starts_except_an_end():
    trigger = Trigger(topic="camera-alerts/front/VMD", start=("*",), end=("Stop",))
    assert read_signal(trigger, b"Motion alarm", retained=False) is START
    assert read_signal(trigger, b"", retained=False) is START
    assert read_signal(trigger, b"stop", retained=False) is END


def test_any_value_may_be_an_object():
    trigger = Trigger(topic="t", path="alarm", start=("*",))
    assert read_signal(trigger, b'{"alarm": {"zone": 1}}', retained=False) is START


def test_retained_messages_tell_the_past():
    assert read_signal(SWITCH, b"ON", retained=True) is PAST
    assert read_signal(SWITCH, b"\xff", retained=True) is PAST
    heeded = Trigger(topic="t", start=("ON",), ignore_retained=False)
    assert read_signal(heeded, b"ON", retained=True) is START


@pytest.mark.parametrize(
    ("trigger", "payload", "expected"),
    [
        (SWITCH, b"\xff\xfd", "UTF-8"),
        (SWITCH, b"\xff\xfeO", "UTF-8"),
        (SHARED, b"", "JSON with after.camera, type"),
        (SHARED, b"ON", "JSON with after.camera, type"),
        (SHARED, b'{"type": "new"', "JSON with after.camera, type"),
        (SHARED, b'{"type": "new"}', "JSON with after.camera"),
        (SHARED, b'{"after": {"camera": "front"}}', "JSON with type"),
        (SHARED, b'{"type": {}, "after": {"camera": "front"}}', "a plain value at type"),
        (SHARED, b'{"type": [], "after": {"camera": "front"}}', "not a list"),
        (SHARED, b"[" * 100_000, "JSON with after.camera, type"),
        (SHARED, b" " * MAX_JSON_BYTES + b"{}", "JSON of at most"),
        (SHARED, b'{"type": ' + b"9" * 10_000 + b"}", "JSON with after.camera, type"),
    ],
)
def test_an_error_names_topic_payload_and_expectation(trigger, payload, expected):
    with pytest.raises(MotionPayloadError) as caught:
        read_signal(trigger, payload, retained=False)
    text = str(caught.value)
    assert trigger.topic in text
    assert expected in text
    assert "\n" not in text
    assert len(text) < 250


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
documents = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("ab1"), inner)
)


@given(st.binary())
@example(b"\xed\xa0\x80")
@example(b'"\\ud800"')
@pytest.mark.parametrize("path", [None, "a", "a.1"])
def test_no_bytes_raise_anything_else(path, payload):
    trigger = Trigger(topic="t", path=path, start=("ON",), end=("OFF",))
    try:
        signal = read_signal(trigger, payload, retained=False)
    except MotionPayloadError as error:
        str(error).encode()  # fit for any log
    else:
        assert signal in {START, END}


@given(documents)
def test_no_json_raises_anything_else(document):
    trigger = Trigger(topic="t", path="a.1", start=("*",), where={"b": "1"})
    payload = json.dumps(document).encode()
    try:
        signal = read_signal(trigger, payload, retained=False)
    except MotionPayloadError as error:
        str(error).encode()
    else:
        assert signal in {START, OTHER}


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("+/b", "a/c", False),
        ("#", "$SYS/uptime", False),
    ],
)
def test_topic_matches(topic_filter, topic, expected):
    assert topic_matches(topic_filter, topic) is expected


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"topic": ""}, "empty"),
        ({"topic": "a\0"}, "null"),
        ({"topic": "a+/b"}, "stand alone"),
        ({"topic": "#/b"}, "last level"),
        ({"topic": "a/b#"}, "last level"),
        ({"start": ()}, "at least one value"),
        ({"start": "ON"}, "list of values"),
        ({"end": ("*",)}, "only start"),
        ({"ignore": ("*",)}, "only start"),
        ({"ignore": "x"}, "ignore is the text"),
        ({"end": ("off",), "ignore": ("OFF",)}, "'off' is in end and in ignore"),
        ({"start": ("1", "ON"), "end": ("on ",)}, "'on' is in start and in end"),
        ({"path": "a..b"}, "no JSON path"),
        ({"path": ""}, "no JSON path"),
        ({"where": {"a.": "x"}}, "no JSON path"),
        ({"auto_end_s": 0}, "seconds above 0"),
        ({"auto_end_s": float("nan")}, "seconds above 0"),
    ],
)
def test_an_impossible_trigger_is_refused(changes, remedy):
    with pytest.raises(ValueError, match=remedy):
        Trigger(**{"topic": "t", "start": ("ON",), **changes})


def test_triggers_are_values():
    first = Trigger(topic="t", start=("ON",), where={"camera": "front"})
    second = Trigger(topic="t", start=("ON",), where={"camera": "front"})
    assert first == second
    assert len({first, second}) == 1
