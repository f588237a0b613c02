"""Bursts: distinct snapshots, in order, within their time."""

import asyncio
import itertools
import threading
from datetime import datetime, timedelta

import cv2
import numpy as np
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.counting_camera import MOTION_AT, answers, jpeg, now
from veroallarme_core.worker.snapshots import bursts
from veroallarme_core.worker.snapshots.bursts import (
    EARLY_S,
    LATE_AFTER_S,
    MAX_EMPTY,
    MAX_FAILURES,
    MAX_REPEATS,
    STOPPING_CODES,
    Burst,
    covers,
    take_burst,
)
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.snapshots import Snapshot, SnapshotError
from veroallarme_core.worker.snapshots.sources import open_client


class Script:
    """A client that plays a list of snapshots, errors and pauses."""

    def __init__(self, *steps: Snapshot | SnapshotError | None) -> None:
        self.steps = list(steps)
        self.moments: list[datetime] = []

    async def fetch(self, moment: datetime) -> Snapshot:
        self.moments.append(moment)
        step = self.steps.pop(0) if self.steps else None
        if step is None:
            await asyncio.sleep(30)
        if isinstance(step, SnapshotError):
            raise step
        assert step is not None
        return step

    async def close(self) -> None:
        pass


def shot(number: int, captured_s: float = 0.0) -> Snapshot:
    return Snapshot(jpeg(number), MOTION_AT + timedelta(seconds=captured_s), None)


async def burst_of(*steps: Snapshot | SnapshotError | None, **options: float) -> Burst:
    options = {"spacing_s": 0.0, "limit_s": 0.3, **options}
    return await take_burst(Script(*steps), motion_at=MOTION_AT, **options)


async def test_identical_frames_are_fetched_again():
    burst = await burst_of(shot(1), shot(1), shot(2), shot(2), shot(3), shot(4))
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2), jpeg(3)]
    assert (burst.requested, burst.fetched, burst.errors) == (3, 5, ())


async def test_a_frozen_camera_is_not_waited_for_until_the_time_is_over():
    burst = await burst_of(*[shot(1)] * 20)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert (burst.fetched, burst.distinct) == (1 + MAX_REPEATS, 1)
    assert [error.code for error in burst.errors] == ["repeats"]
    assert "repeats its picture" in str(burst.errors[0])


async def test_a_slow_camera_is_asked_again_as_long_as_it_sends_something_new():
    repeats = [shot(1)] * (MAX_REPEATS - 1)
    burst = await burst_of(shot(1), *repeats, shot(2), *repeats, shot(3))
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2), jpeg(3)]
    assert burst.errors == ()


def coded(data: bytes, quality: int) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


REPEATED = {
    "bytes behind the end": [jpeg(1) + b"%d" % number for number in range(6)],
    "a comment": [jpeg(1)[:2] + b"\xff\xfe\0\4%02d" % n + jpeg(1)[2:] for n in range(6)],
    "other qualities": [coded(jpeg(1), quality) for quality in (50, 60, 70, 80, 90, 98)],
}


@pytest.mark.parametrize("pictures", REPEATED.values(), ids=REPEATED)
async def test_a_frozen_camera_is_one_picture_whatever_its_bytes(pictures):
    """The same must hold for what a camera sends while nothing but its clock goes on."""
    steps = [Snapshot(data, MOTION_AT, None) for data in pictures]
    burst = await burst_of(*steps)
    assert [s.data for s in burst.snapshots] == pictures[:1]
    assert (burst.fetched, burst.distinct) == (6, 1)
    burst = await burst_of(*steps, shot(2), shot(3))
    assert [s.data for s in burst.snapshots] == [pictures[0], jpeg(2), jpeg(3)]
    assert (burst.fetched, burst.distinct, burst.errors) == (8, 3, ())


async def test_a_file_that_was_read_half_written_and_then_whole_is_one_picture():
    cut = [jpeg(1)[: len(jpeg(1)) * share // 10] for share in (5, 9)]
    steps = [Snapshot(data, MOTION_AT, None) for data in (*cut, cut[0] + bytes(900), jpeg(1))]
    burst = await burst_of(*steps)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert (burst.fetched, burst.distinct) == (4, 1)
    # Whatever comes first: the whole picture is kept.
    burst = await burst_of(*reversed(steps))
    assert [s.data for s in burst.snapshots] == [jpeg(1)]


async def test_a_camera_that_cuts_every_picture_gives_different_ones():
    cut = [Snapshot(jpeg(number)[:-60], MOTION_AT, None) for number in range(3)]
    burst = await burst_of(*cut)
    assert burst.snapshots == tuple(cut)
    assert (burst.distinct, burst.errors) == (3, ())


def broken(number: int) -> Snapshot:
    return Snapshot(b"\xff\xd8\xff %d" % number, MOTION_AT, None)


async def test_what_cannot_be_decoded_is_told_and_no_picture():
    burst = await burst_of(shot(1), broken(1), shot(2), shot(3), limit_s=5.0)
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2), jpeg(3)]
    assert (burst.fetched, burst.distinct) == (4, 3)
    assert [error.code for error in burst.errors] == ["not_an_image"]
    assert "cannot be used" in str(burst.errors[0])


async def test_a_camera_that_sends_nothing_decodable_is_left_alone():
    """What came is kept, so that the verdict can tell what it was."""
    burst = await burst_of(*map(broken, range(9)))
    assert burst.snapshots == tuple(map(broken, range(MAX_FAILURES)))
    assert burst.distinct == 0
    assert len(burst.errors) == MAX_FAILURES


EMPTY = SnapshotError("empty", "it sent an empty picture")


async def test_a_server_that_begins_to_listen_to_its_camera_is_waited_for():
    """As with motionEye 0.43.1, whose answers are empty for the first 1.5 s."""
    burst = await burst_of(*[EMPTY] * (MAX_EMPTY - 1), *map(shot, range(3)), limit_s=5.0)
    assert [s.data for s in burst.snapshots] == [jpeg(0), jpeg(1), jpeg(2)]
    assert [error.code for error in burst.errors] == ["empty"], "told once"


async def test_a_camera_whose_answers_stay_empty_is_left_alone():
    script = Script(*[EMPTY] * MAX_EMPTY, shot(1))
    burst = await take_burst(script, spacing_s=0.0, limit_s=5.0, motion_at=MOTION_AT)
    assert burst.snapshots == ()
    assert len(script.moments) == MAX_EMPTY
    assert [error.code for error in burst.errors] == ["empty"]


async def test_what_a_camera_sent_is_not_kept_with_what_is_wrong_with_it():
    wrong = SnapshotError("too_large", "it sent more than 16 MB")
    burst = await burst_of(*[wrong] * MAX_FAILURES, shot(0))
    assert len(burst.errors) == MAX_FAILURES
    for error in burst.errors:
        assert (error.code, str(error)) == (wrong.code, str(wrong))
        assert error.__traceback__ is None, "its frames hold the body of the answer"
        assert error.__context__ is None


async def test_pictures_are_compared_off_the_event_loop(monkeypatch):
    compared_in = []
    look_at = bursts.look_at

    def noted(*arguments):
        compared_in.append(threading.current_thread())
        return look_at(*arguments)

    monkeypatch.setattr(bursts, "look_at", noted)
    await burst_of(shot(1), shot(2), shot(3))
    assert len(compared_in) == 3
    assert threading.main_thread() not in compared_in


async def test_snapshots_are_in_order_of_time():
    burst = await burst_of(shot(1, 2.0), shot(2, 1.0), shot(3, 3.0))
    assert [s.data for s in burst.snapshots] == [jpeg(2), jpeg(1), jpeg(3)]


async def test_stale_frames_are_refused_by_their_time_before_the_motion():
    burst = await burst_of(shot(1, -10.1), shot(2, -9.9), shot(3), shot(4, 100.0))
    assert [s.data for s in burst.snapshots] == [jpeg(2), jpeg(3), jpeg(4)]
    assert burst.fetched == 4
    assert [error.code for error in burst.errors] == ["stale"]
    assert "10 s before the motion" in str(burst.errors[0])


async def test_moments_move_on_with_every_picture_but_not_with_errors():
    script = Script(shot(1), SnapshotError("http_500", "x"), shot(1), shot(2), shot(3))
    await take_burst(script, spacing_s=0.001, motion_at=MOTION_AT)
    offsets = [round((m - MOTION_AT).total_seconds() * 1000) for m in script.moments]
    assert offsets == [0, 1, 1, 2, 3]


async def test_errors_leave_what_there_is():
    failure = SnapshotError("http_500", "x")
    burst = await burst_of(failure, shot(1), failure, shot(2), failure, shot(3))
    assert [s.data for s in burst.snapshots] == [jpeg(1), jpeg(2)]
    assert [(error.code, str(error)) for error in burst.errors] == [
        ("http_500", "x")
    ] * MAX_FAILURES


@pytest.mark.parametrize("code", sorted(STOPPING_CODES))
async def test_hopeless_errors_end_the_burst_at_once(code):
    script = Script(shot(1), SnapshotError(code, "x"), shot(2))
    burst = await take_burst(script, spacing_s=0.0, motion_at=MOTION_AT)
    assert len(script.moments) == 2
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert [error.code for error in burst.errors] == [code]


async def test_the_time_limit_keeps_what_has_come():
    burst = await asyncio.wait_for(burst_of(shot(1), None, limit_s=0.1), 5)
    assert [s.data for s in burst.snapshots] == [jpeg(1)]
    assert [error.code for error in burst.errors] == ["timeout"]
    assert "1 of 3" in str(burst.errors[0])


async def test_the_time_limit_covers_the_pauses():
    burst = await asyncio.wait_for(burst_of(*map(shot, range(9)), spacing_s=30, limit_s=0.1), 5)
    assert len(burst.snapshots) == 1


async def test_requests_keep_their_distance():
    starts: list[float] = []

    class Timed(Script):
        async def fetch(self, moment: datetime) -> Snapshot:
            starts.append(asyncio.get_running_loop().time())
            return await super().fetch(moment)

    await take_burst(Timed(shot(1), shot(2), shot(3)), spacing_s=0.05, motion_at=MOTION_AT)
    assert all(later - earlier >= 0.045 for earlier, later in itertools.pairwise(starts))


async def test_cancellation_passes_through_and_leaves_the_client_usable(camera):
    asked, hold = asyncio.Event(), asyncio.Event()

    async def held(request: web.Request) -> web.Response:
        asked.set()
        await hold.wait()
        return web.Response(body=jpeg())

    client = open_client(HttpSource(url=await camera.start(held)))
    task = asyncio.create_task(take_burst(client, motion_at=now()))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    hold.set()
    assert (await client.fetch(now())).data == jpeg()


async def test_never_two_requests_in_flight(camera):
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.02)
        return web.Response(body=jpeg(len(camera.requests)))

    client = open_client(HttpSource(url=await camera.start(slow)))
    results = await asyncio.gather(
        *(take_burst(client, spacing_s=0.0, motion_at=now()) for _ in range(3)),
        *(client.fetch(now()) for _ in range(3)),
    )
    assert len(results) == 6
    assert len(camera.requests) == 12
    assert camera.most_in_flight == 1


async def test_a_closed_client_asks_nothing(camera):
    client = open_client(HttpSource(url=await camera.start(answers(jpeg()))))
    await client.close()
    burst = await take_burst(client, motion_at=now())
    assert [error.code for error in burst.errors] == ["closed"]
    assert camera.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [({"size": 0}, "at least 1"), ({"motion_at": MOTION_AT.replace(tzinfo=None)}, "time zone")],
)
async def test_wrong_use_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        await take_burst(Script(), **{"motion_at": MOTION_AT, **options})


# --- do pictures show the moment of the motion? -----------------------------------------------


def moments(*seconds: float) -> list[datetime]:
    return [MOTION_AT + timedelta(seconds=one) for one in seconds]


@pytest.mark.parametrize(
    ("taken_at", "begins", "ends", "shown"),
    [
        ((0.1, 0.7, 1.3), 0, 0, True),
        ((LATE_AFTER_S,), 0, 0, True),
        ((LATE_AFTER_S + 0.1,), 0, 0, False),
        ((), 0, 0, False),
        ((-EARLY_S,), 0, 0, True),
        ((-EARLY_S - 0.1,), 0, 0, False),
        ((-8.0, 1.0), 0, 0, True),
        ((-8.0, 9.0), 0, 0, False),
        ((0.1, 0.7, 1.3), 0, 1.3 + EARLY_S, True),
        ((0.1, 0.7, 1.3), 0, 1.4 + EARLY_S, False),
        ((1.3, 0.1, 6.0), 0, 6.5, True),
        ((0.1, 9.0), 0, 9.0, False),
        ((3600.1,), 0, 3600, False),
        ((0.1,), 0, 3600, False),
    ],
)
def test_pictures_show_what_moved_shortly_before_them(taken_at, begins, ends, shown):
    begin, end = moments(begins, ends)
    assert covers(moments(*taken_at), begin, end) is shown


@given(
    taken_at=st.lists(st.integers(-50, 200), max_size=5),
    begin=st.integers(-20, 100),
    length=st.integers(0, 100),
)
def test_pictures_show_every_moment_of_the_time_that_they_cover(taken_at, begin, length):
    """Against the definition, moment by moment: pictures at tenths of a second, and in between."""
    shown = all(
        any(at - 10 * LATE_AFTER_S <= moment / 2 <= at + 10 * EARLY_S for at in taken_at)
        for moment in range(2 * begin, 2 * (begin + length) + 1)
    )
    begins, ends = moments(begin / 10, (begin + length) / 10)
    assert covers(moments(*(at / 10 for at in taken_at)), begins, ends) is shown
