"""Frames that come in a message from Home Assistant."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.worker.counting_camera import MOTION_AT, jpeg
from veroallarme_core.contract import BridgedFrame
from veroallarme_core.worker.snapshots.bridge_snapshots import (
    MAX_FRAME_BYTES,
    BridgeSnapshotClient,
    BridgeSource,
    read_frames,
)
from veroallarme_core.worker.snapshots.bursts import Burst
from veroallarme_core.worker.snapshots.snapshots import SnapshotError
from veroallarme_core.worker.snapshots.sources import open_client

RECEIVED_AT = MOTION_AT + timedelta(seconds=3)


def frame(data: bytes | str, captured_s: float = 0.0) -> BridgedFrame:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return BridgedFrame(captured_at=MOTION_AT + timedelta(seconds=captured_s), jpeg=text)


def burst_of(*frames: BridgedFrame) -> Burst:
    return read_frames(frames, MOTION_AT, RECEIVED_AT)


def test_frames_are_distinct_dated_and_in_order_of_time():
    burst = burst_of(frame(jpeg(2), 1.2), frame(jpeg(1), 0.6), frame(jpeg(2), 1.8))
    assert [shot.data for shot in burst.snapshots] == [jpeg(1), jpeg(2)]
    assert [shot.age_ms for shot in burst.snapshots] == [2400, 1800]
    assert (burst.requested, burst.fetched, burst.errors) == (3, 3, ())


def test_the_same_picture_in_other_bytes_is_one_frame():
    cut = frame(jpeg(1)[:-90], 0.3)
    burst = burst_of(cut, frame(jpeg(1), 0.6), frame(jpeg(1) + b"\0", 1.2), frame(jpeg(2), 1.8))
    assert [shot.data for shot in burst.snapshots] == [jpeg(1), jpeg(2)]
    assert (burst.fetched, burst.distinct, burst.errors) == (4, 2, ())


def test_a_frame_from_the_future_has_no_age():
    assert [shot.age_ms for shot in burst_of(frame(jpeg(), 60)).snapshots] == [0]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame("*" * 8), "bad_encoding"),
        (frame("/9j"), "bad_encoding"),
        (frame("/9j/\n/9j/"), "bad_encoding"),
        (frame("ü" * 8), "bad_encoding"),
        (frame(""), "empty"),
        (frame(b"<html><title>Login</title>"), "not_an_image"),
        (frame(b"GIF89a" + bytes(99)), "not_an_image"),
        (frame(jpeg() + bytes(MAX_FRAME_BYTES)), "too_large"),
        (frame(jpeg(9), -10.1), "stale"),
    ],
)
def test_a_frame_that_cannot_be_used_is_left_out_and_told(bad, code):
    burst = burst_of(frame(jpeg(1)), bad, frame(jpeg(2), 0.6))
    assert [shot.data for shot in burst.snapshots] == [jpeg(1), jpeg(2)]
    assert [error.code for error in burst.errors] == [code]
    assert "\n" not in str(burst.errors[0])


def test_the_largest_frame_is_taken():
    data = jpeg() + bytes(MAX_FRAME_BYTES - len(jpeg()))
    assert len(burst_of(frame(data)).snapshots) == 1


async def test_without_frames_it_is_said_that_there_is_no_picture():
    assert [error.code for error in burst_of().errors] == ["no_picture"]
    client = open_client(BridgeSource())  # type: ignore[arg-type]
    assert isinstance(client, BridgeSnapshotClient)
    with pytest.raises(SnapshotError, match="Home Assistant") as caught:
        await client.fetch(datetime.now(UTC))
    assert caught.value.code == "no_picture"
    await client.close()


@given(
    texts=st.lists(
        st.text(max_size=40) | st.binary(max_size=30).map(lambda b: base64.b64encode(b).decode())
    ),
    seconds=st.floats(-1e6, 1e6),
)
@example(texts=["/9j/"], seconds=0.0)
def test_no_text_raises(texts, seconds):
    burst = burst_of(*(frame(text, seconds) for text in texts))
    # What only begins like a picture is told, and kept for the verdict where nothing better came.
    assert burst.distinct + len(burst.errors) <= max(1, len(texts))
    assert len(burst.snapshots) <= len(texts)
