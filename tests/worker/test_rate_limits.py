"""Floods of commands: bounded for each camera, told once, and no motion of them is lost."""

import json
import logging
from pathlib import Path

import pytest

from benchmarks.peers import HttpCamera, Listener, Mosquitto
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.talk import HEALTH, ROOT, STATUS, C, Judging, burst, events, sender
from veroallarme_core.contract import State
from veroallarme_core.worker import commands as commands_module
from veroallarme_core.worker import rate_limits
from veroallarme_core.worker.rate_limits import MAX_BUCKETS, Rate, RateLimits, TokenBucket

P = f"{ROOT}/camera/porch"


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_bucket_lets_through_what_the_rate_says():
    clock = Clock()
    bucket = TokenBucket(Rate(3, 0.5), clock)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    assert not bucket.is_rested
    clock.s = 2.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.s = 1000.0
    assert bucket.is_rested
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_stands_still_gives_nothing():
    bucket = TokenBucket(Rate(1, 1000.0), Clock())
    assert [bucket.take() for _ in range(3)] == [True, False, False]


def test_cameras_and_commands_do_not_take_from_each_other():
    limits = RateLimits(Clock())
    first = limits.bucket("a", "set")
    assert first is limits.bucket("a", "set")
    assert len({id(limits.bucket(c, n)) for c in ("a", "b") for n in ("set", "burst")}) == 4
    assert limits.bucket(None, "set") is limits.bucket(None, "burst")
    assert limits.bucket(None, "set") is not limits.bucket(None, "config")
    assert limits.bucket("a", "list_events") is None


def test_the_memory_of_cameras_is_bounded():
    limits = RateLimits(Clock())
    first = limits.bucket("0", "set")
    for number in range(MAX_BUCKETS):
        limits.bucket(str(number), "set")
    assert limits.bucket("0", "set") is first
    limits.bucket("one more", "set")
    assert limits.bucket("0", "set") is not first


# --- a running worker ---------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {name: Rate(3, 1e-9) for name in rate_limits.RATES}
    monkeypatch.setattr(rate_limits, "RATES", rates)
    monkeypatch.setattr(rate_limits, "UNKNOWN_CAMERA", Rate(5, 1e-9))


def floods(heard: Listener) -> dict[str, str]:
    """What the latest health says of floods, by key."""
    errors = json.loads(heard.payloads(HEALTH)[-1])["errors"]
    return {one["key"]: one["message"] for one in errors if one["key"].startswith("flood/")}


async def test_settings_and_thumbs_of_a_flood_are_refused_and_told_once(
    site: Site, few: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        for number in range(20):
            await broker.send(f"{C}/set", {"hold_s": number})
            await broker.send(
                f"{C}/feedback", {"event_id": "20261123_061402_9f31c4", "relevant": True}
            )
        # Another command of the camera goes on.
        await broker.send(f"{C}/list_events", {"request_id": "a"})
        await heard.until(lambda: heard.on(f"{C}/answer/a"))
        await heard.until(lambda: len(floods(heard)) == 2)
        told = floods(heard)
    assert set(told) == {"flood/front/set", "flood/front/feedback"}
    assert told["flood/front/set"] == (
        f"{C}/set: more than 3 of these at once, and 1e-09 a second after that, are too many: "
        "find out who sends them; the rest is not taken"
    )
    assert json.loads(heard.payloads(f"{C}/settings")[-1])["hold_s"] == 2
    assert caplog.text.count(f"{C}/set: more than") == 1


async def test_a_flood_that_is_over_is_forgotten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(commands_module, "RateLimits", lambda: RateLimits(clock))
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        for number in range(rate_limits.RATES["set"].at_once + 1):
            await broker.send(f"{C}/set", {"hold_s": number})
        await heard.until(lambda: floods(heard))
        clock.s = 1000.0
        await broker.send(f"{C}/set", {"hold_s": 5})
        await heard.until(lambda: not floods(heard))
        assert json.loads(heard.payloads(f"{C}/settings")[-1])["hold_s"] == 5


@pytest.mark.parametrize("garbage", [False, True])
async def test_no_motion_of_a_flood_of_bursts_is_lost(
    tmp_path: Path, mosquitto: Mosquitto, cameras: HttpCamera, few: None, garbage: bool
) -> None:
    """What is judged is nuisance; what nobody looks at must alert, and every start is counted."""
    site = Site(tmp_path, mosquitto.port, cameras, names=())
    frames = drawn_jpegs("person_in_the_drive")
    judging = Judging(State.IRRELEVANT)
    async with (
        site.listener() as heard,
        site.worker(judging.install),
        sender(site.port) as broker,
    ):
        await broker.send(f"{P}/config", {"name": "Porch", "mode": "filter"}, retain=True)
        await heard.until(lambda: heard.on(f"{P}/settings"))
        for number in range(20):
            await broker.send(f"{P}/burst", b"{" if garbage and number > 3 else burst(frames))
        await heard.until(lambda: sum(1 + one["merged"] for one in events(heard)) == 20)
        decided = events(heard)
        await heard.until(lambda: heard.payloads(f"{P}/relevant")[-1] == b"ON")
        await heard.until(lambda: floods(heard))
        told = floods(heard)
    assert [one["state"] for one in decided].count("irrelevant") == 3
    unseen = [one for one in decided if one["state"] == "unknown"]
    assert sum(1 + one["merged"] for one in unseen) == 17
    assert {one["reason"] for one in unseen} == {"no_snapshot"}
    assert {one["cues"]["snapshot_error"] for one in unseen} == {"flood"}
    assert all(one["relevant"] for one in unseen)
    assert told["flood/porch/burst"].endswith("motion counts without its pictures")


async def test_bursts_that_find_no_room_count_as_motion(
    tmp_path: Path,
    mosquitto: Mosquitto,
    cameras: HttpCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands_module, "MAX_HELD_BYTES", 1024)
    site = Site(tmp_path, mosquitto.port, cameras, names=())
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await broker.send(f"{P}/config", {"name": "Porch", "mode": "filter"}, retain=True)
        await heard.until(lambda: heard.on(f"{P}/settings"))
        await broker.send(f"{P}/burst", burst(drawn_jpegs("person_in_the_drive")))
        await heard.until(lambda: events(heard))
        assert events(heard)[0]["state"] == "unknown"
        await heard.until(lambda: heard.payloads(f"{P}/relevant")[-1] == b"ON")


async def test_cameras_that_are_not_there_crowd_nothing_out(site: Site, few: None) -> None:
    async with site.listener() as heard, site.worker(), sender(site.port) as broker:
        await heard.until(lambda: heard.payloads(STATUS) == [b"online"])
        for number in range(50):
            await broker.send(f"{ROOT}/camera/x{number}/set", {"hold_s": 1})
        await heard.until(lambda: floods(heard))
        assert set(floods(heard)) == {"flood//set"}
