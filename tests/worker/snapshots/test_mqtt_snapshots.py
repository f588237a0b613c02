"""Snapshots from MQTT messages."""

import asyncio
import base64
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.counting_camera import MOTION_AT, jpeg
from veroallarme_core.worker.snapshots.bursts import take_burst
from veroallarme_core.worker.snapshots.mqtt_snapshots import KEPT_PICTURES, MqttImageSource
from veroallarme_core.worker.snapshots.snapshots import MAX_PICTURE_BYTES, Snapshot, SnapshotError
from veroallarme_core.worker.snapshots.sources import open_client


def mqtt_client(**fields: object):
    source = MqttImageSource(**{"topic": "cam/image", "timeout_s": 0.2, **fields})
    return open_client(source)  # type: ignore[arg-type]


def at(seconds: float) -> datetime:
    return MOTION_AT + timedelta(seconds=seconds)


async def test_an_mqtt_picture_after_the_motion_is_taken_at_once():
    client = mqtt_client()
    client.offer(jpeg(1), at(-5))
    client.offer(jpeg(2), at(0.5))
    client.offer(jpeg(3), at(0.6))
    snapshot = await client.fetch(MOTION_AT)
    assert snapshot == Snapshot(jpeg(2), at(0.5), None)
    assert (await client.fetch(MOTION_AT)).data == jpeg(3)


async def test_a_fetch_waits_for_the_next_mqtt_picture():
    client = mqtt_client(timeout_s=5)
    waiting = asyncio.create_task(client.fetch(MOTION_AT))
    await asyncio.sleep(0.01)
    client.offer(jpeg(1), at(-1))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    client.offer(jpeg(2), at(1))
    assert (await waiting).data == jpeg(2)


async def test_without_a_new_mqtt_picture_the_newest_old_one_serves():
    client = mqtt_client()
    client.offer(jpeg(1), at(-5))
    client.offer(jpeg(2), at(-4))
    assert (await client.fetch(MOTION_AT)).data == jpeg(2)
    with pytest.raises(SnapshotError, match="cam/image") as caught:
        await client.fetch(MOTION_AT)
    assert caught.value.code == "no_picture"


async def test_a_burst_of_a_camera_with_one_picture_per_motion():
    client = mqtt_client()
    client.offer(jpeg(1), at(0.1))
    burst = await take_burst(client, spacing_s=0.0, motion_at=MOTION_AT)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert [error.code for error in burst.errors] == ["no_picture"]


@pytest.mark.parametrize("encoding", ["raw", "base64"])
async def test_a_picture_that_is_published_half_and_then_whole_is_one(encoding):
    client = mqtt_client(encoding=encoding)
    for number, data in enumerate((jpeg(1)[:-90], jpeg(1), jpeg(1) + b"again", jpeg(2)[:-2])):
        client.offer(data if encoding == "raw" else base64.b64encode(data), at(number))
    burst = await take_burst(client, spacing_s=0.0, motion_at=MOTION_AT)
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2)[:-2]]
    assert (burst.fetched, burst.distinct) == (4, 2)


async def test_only_the_newest_mqtt_pictures_are_kept():
    client = mqtt_client()
    for number in range(100):
        client.offer(jpeg(number), at(number))
    numbers = [(await client.fetch(MOTION_AT)).data for _ in range(KEPT_PICTURES)]
    assert numbers == [jpeg(number) for number in range(100 - KEPT_PICTURES, 100)]


@pytest.mark.parametrize(("payload", "retained"), [(jpeg(), True), (b"", False)])
async def test_retained_and_clearing_messages_are_no_pictures(payload, retained):
    client = mqtt_client()
    client.offer(payload, at(1), retained=retained)
    with pytest.raises(SnapshotError) as caught:
        await client.fetch(MOTION_AT)
    assert caught.value.code == "no_picture"


ENCODED = base64.b64encode(jpeg(1))


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        (None, ENCODED),
        (None, b" " + ENCODED[:8] + b"\r\n" + ENCODED[8:] + b"\n"),
        (None, b"data:image/jpeg;base64," + ENCODED),
        ("image.data", b'{"image": {"data": "' + ENCODED + b'"}}'),
        ("images.0", b'{"images": ["data:image/jpeg;base64,' + ENCODED + b'"]}'),
    ],
)
async def test_base64_pictures(path, payload):
    client = mqtt_client(encoding="base64", path=path)
    client.offer(payload, at(1))
    assert (await client.fetch(MOTION_AT)).data == jpeg(1)


@pytest.mark.parametrize(
    ("fields", "payload", "code"),
    [
        ({}, ENCODED, "not_an_image"),
        ({"encoding": "base64"}, jpeg(), "bad_encoding"),
        ({"encoding": "base64"}, ENCODED[:-1], "bad_encoding"),
        ({"encoding": "base64"}, b"*" + ENCODED, "bad_encoding"),
        ({"encoding": "base64"}, ENCODED + b"====", "bad_encoding"),
        ({"encoding": "base64"}, b"data:image/jpeg," + ENCODED, "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, ENCODED, "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b'{"b": ""}', "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b'{"a": 5}', "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, '{"a": "ü"}'.encode(), "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b"[" * 100_000, "bad_encoding"),
        ({"encoding": "base64", "path": "a"}, b'{"a": ""}', "empty"),
        ({}, jpeg() + bytes(MAX_PICTURE_BYTES), "too_large"),
        (
            {"encoding": "base64"},
            base64.b64encode(jpeg() + bytes(MAX_PICTURE_BYTES)),
            "too_large",
        ),
    ],
)
async def test_unusable_mqtt_pictures(fields, payload, code):
    client = mqtt_client(**fields)
    client.offer(payload, at(1))
    with pytest.raises(SnapshotError, match="cam/image") as caught:
        await client.fetch(MOTION_AT)
    assert caught.value.code == code


async def test_closing_ends_an_mqtt_fetch_that_waits():
    client = mqtt_client(timeout_s=30)
    waiting = asyncio.create_task(client.fetch(MOTION_AT))
    await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(SnapshotError) as caught:
        await asyncio.wait_for(waiting, 5)
    assert caught.value.code == "closed"
    client.offer(jpeg(), at(1))
    with pytest.raises(SnapshotError):
        await client.fetch(MOTION_AT)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"topic": "a#"}, "last level"),
        ({"encoding": "hex"}, "raw, base64"),
        ({"path": "a"}, "encoding is raw"),
        ({"timeout_s": -1}, "seconds above 0"),
    ],
)
def test_an_impossible_mqtt_source_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        MqttImageSource(**{"topic": "cam/image", **fields})


@given(payload=st.binary(), path=st.none() | st.just("a"))
def test_no_mqtt_payload_raises_anything_else(payload, path):
    async def scenario() -> None:
        for encoding in ("raw", "base64") if path is None else ("base64",):
            client = mqtt_client(encoding=encoding, path=path, timeout_s=0.001)
            client.offer(payload, at(1))
            try:
                fetched.append((await client.fetch(MOTION_AT)).data)
            except SnapshotError as error:
                errors.append(str(error))

    fetched: list[bytes] = []
    errors: list[str] = []
    asyncio.run(scenario())
    assert all(fetched)
    assert not [text for text in errors if "\n" in text]
