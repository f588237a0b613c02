"""One camera from motion start to verdict, over real HTTP and a real store."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from aiohttp import web

from benchmarks.peers import HttpCamera
from tests.worker.fake_state import FakeState, install
from veroallarme_core.camera_memory.camera_state import CameraState
from veroallarme_core.contract import CameraSettings, CommandError, Mode, OnUnknown, State, Topics
from veroallarme_core.description.burst_evidence import BurstEvidence
from veroallarme_core.pipeline import EventPipeline, PipelineResult
from veroallarme_core.worker.camera import camera as camera_module
from veroallarme_core.worker.camera import camera_judge, event_decider, journal
from veroallarme_core.worker.camera.camera import CameraWorker
from veroallarme_core.worker.camera.context import WorkerServices
from veroallarme_core.worker.camera.judging import JudgingThreads, OverloadedError
from veroallarme_core.worker.camera.learning import CameraLearning
from veroallarme_core.worker.camera.pending_event import Signal
from veroallarme_core.worker.camera.reference import ReferencePicture
from veroallarme_core.worker.camera.review import REVIEW_DAYS, Review
from veroallarme_core.worker.camera.suggestions import Suggestions
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config import BurstConfig, CameraConfig, InferenceConfig
from veroallarme_core.worker.motion_sources.motion_messages import Trigger
from veroallarme_core.worker.mqtt.messages import Outgoing
from veroallarme_core.worker.snapshots import bursts as bursts_module
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource, MqttSnapshotClient
from veroallarme_core.worker.snapshots.sources import open_client
from veroallarme_core.worker.storage.event_frames import EventFrames
from veroallarme_core.worker.storage.event_store import EventStore
from veroallarme_core.worker.storage.records import OpenEvent
from veroallarme_core.worker.storage.storage import Storage

C = "veroallarme/home/camera/front/"
Judge = Callable[..., Awaitable[PipelineResult]]


def judged(state: State) -> PipelineResult:
    score = {State.RELEVANT: 0.9, State.IRRELEVANT: 0.1, State.UNKNOWN: None}[state]
    return PipelineResult(
        state=state, score=score, threshold=0.5, reason="test", explanation="Decided by a test."
    )


class ScriptedJudging(JudgingThreads):
    """Judges as a stage says, and loads no network."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(InferenceConfig(enabled=False), stage.complaints.setdefault)
        self._stage = stage

    async def judge(
        self,
        frames: list[bytes],
        settings: CameraSettings,
        reference: ReferencePicture,
        state: CameraState | None,
        *,
        event_id: str,
        motion_at: datetime,
    ) -> PipelineResult:
        judge = self._stage.judge or self._stage._judge
        return await judge(frames, settings, reference, state, event_id)


@dataclass
class Stage:
    """A camera's worker, what it publishes and what it complains about."""

    folder: Path
    server: HttpCamera
    settings: CameraSettings = field(
        default_factory=lambda: CameraSettings(mode=Mode.FILTER, hold_s=0.3)
    )
    state: State = State.RELEVANT
    more: dict[str, Any] = field(default_factory=dict)
    broker_is_there: bool = True
    learns: bool = False
    reviews: list[bytes] = field(default_factory=list)
    judge_s: float = 0.0
    judge: Judge | None = None
    published: list[Outgoing] = field(default_factory=list)
    complaints: dict[str, str] = field(default_factory=dict)
    acknowledged: list[int] = field(default_factory=list)
    bursts: list[int] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def play(self) -> AsyncIterator[CameraWorker]:
        storage = Storage(EventStore(self.folder / "data"))
        config = CameraConfig(
            **{
                "id": "front",
                "name": "Front",
                "triggers": (Trigger(topic="cam/front", start=("ON",)),),
                "source": HttpSource(url=self.server.url("front"), timeout_s=3.0),
                "burst": BurstConfig(size=2, spacing_s=0.01, limit_s=5.0),
                "merge_window_s": 0.0,
                "reference_every_s": 0.0,
                **self.more,
            }
        )
        complain = self.complaints.setdefault
        thread = ThreadPoolExecutor(1)
        learning = CameraLearning("front", self.folder / "state", thread, complain, self._resolve)
        if self.learns:
            await learning.open()
        camera = CameraWorker(
            config,
            open_client(config.source),
            await storage.database(lambda store: store.remember_camera("front")),
            self.settings,
            ReferencePicture(self.folder / "reference.jpg"),
            learning,
            Review([], [], REVIEW_DAYS, self.reviews.append),
            Suggestions(learning, storage, thread, True, lambda *_: None, complain, self._resolve),
            WorkerServices(
                topics=Topics(),
                storage=storage,
                judging=ScriptedJudging(self),
                publish=self._publish,
                complain=complain,
                resolve=self._resolve,
            ),
        )
        self.storage, self.camera = storage, camera
        running = asyncio.create_task(camera.run())
        try:
            yield camera
        finally:
            await camera.finish(5)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            thread.shutdown()
            await asyncio.to_thread(storage.close)

    def _resolve(self, key: str) -> None:
        self.complaints.pop(key, None)

    async def _judge(self, frames: list[bytes], *_: object) -> PipelineResult:
        self.bursts.append(len(frames))
        await asyncio.sleep(self.judge_s)
        return judged(self.state)

    def _publish(self, message: Outgoing) -> None:
        self.published.append(message)
        if self.broker_is_there and message.on_published is not None:
            message.on_published()
        self.news.set()

    def start(self, auto_end_s: float = 60.0, **more: Any) -> None:
        number = len(self.acknowledged)
        given = {"received_at": now(), "acknowledge": lambda: self.acknowledged.append(number)}
        self.camera.motion.start(Signal(**{**given, **more}), auto_end_s)

    def end(self, **more: Any) -> None:
        given = {"received_at": now(), "acknowledge": lambda: None}
        self.camera.motion.end(Signal(**{**given, **more}))

    def on(self, suffix: str) -> list[bytes]:
        return [message.payload for message in self.published if message.topic == C + suffix]

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.on("event")]

    async def until(self, holds: Callable[[], Any], limit_s: float = 10.0) -> Any:
        async with asyncio.timeout(limit_s):
            while not (value := holds()):
                self.news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.news.wait()
            return value


@pytest.fixture
def stage(tmp_path: Path, cameras: HttpCamera) -> Stage:
    return Stage(tmp_path, cameras)


# --- the truth table --------------------------------------------------------------------------


def expected_alarm(
    enabled: bool, mode: Mode, state: State, on_unknown: OnUnknown, learning: bool
) -> bool:
    """The table of the architecture, row by row."""
    if not enabled:
        return True
    if mode is Mode.SHADOW or (mode is Mode.AUTO and learning):
        return True
    return {
        State.RELEVANT: True,
        State.IRRELEVANT: False,
        State.UNKNOWN: on_unknown is OnUnknown.ALERT,
    }[state]


@pytest.mark.parametrize(
    ("enabled", "mode", "state", "on_unknown", "learning"),
    list(itertools.product((True, False), Mode, State, OnUnknown, (True, False))),
)
async def test_truth_table_reaches_every_topic(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    enabled: bool,
    mode: Mode,
    state: State,
    on_unknown: OnUnknown,
    learning: bool,
) -> None:
    monkeypatch.setattr(CameraLearning, "learned", not learning)
    stage.state = state
    stage.settings = CameraSettings(enabled=enabled, mode=mode, on_unknown=on_unknown, hold_s=30)
    alarm = expected_alarm(enabled, mode, state, on_unknown, learning)
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.on("stats"))
        (verdict,) = stage.verdicts
        assert verdict["relevant"] is alarm
        assert (verdict["hold_until"] is not None) is alarm
        assert stage.on("relevant") == [b"ON" if alarm else b"OFF"]
        assert camera.alarm.is_on is alarm
        assert verdict["mode"] == mode.value
        assert verdict["learning"] is learning
        if enabled:
            assert verdict["state"] == state.value
            assert stage.bursts == [2]
        else:
            assert (verdict["state"], verdict["reason"]) == ("unknown", "disabled")
            assert stage.server.requests == [], "a camera that is switched off is not asked"
        stats = json.loads(stage.on("stats")[-1])
        assert stats["suppressed"] == (not alarm)


# --- the alarm --------------------------------------------------------------------------------


async def test_alarm_ends_by_itself_after_its_hold(stage: Stage) -> None:
    async with stage.play() as camera:
        stage.start(auto_end_s=0.1)
        await stage.until(lambda: stage.on("relevant") == [b"ON", b"OFF"])
        assert not camera.alarm.is_on
        (verdict,) = stage.verdicts
        held = datetime.fromisoformat(verdict["hold_until"])
        decided = datetime.fromisoformat(verdict["decided_at"])
        assert timedelta(seconds=0.299) <= held - decided <= timedelta(seconds=0.301)


async def test_end_message_during_hold_lets_the_hold_run_out(stage: Stage) -> None:
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.verdicts)
        stage.end()
        assert camera.alarm.is_on, "the alarm stays on for its hold"
        assert stage.on("relevant") == [b"ON"]
        await stage.until(lambda: stage.on("relevant") == [b"ON", b"OFF"])


async def test_end_message_after_hold_ends_the_alarm_at_once(stage: Stage) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.on("relevant") == [b"ON"])
        await asyncio.sleep(0.1)
        assert camera.alarm.is_on, "motion goes on"
        stage.end()
        assert stage.on("relevant") == [b"ON", b"OFF"]
        await stage.until(lambda: not camera.context.is_busy)
    reopened = EventStore(stage.folder / "data")
    until = reopened.remember_camera("front").alarm_until
    reopened.close()
    assert until is not None
    assert until <= now(), "the store still holds the end that the motion's end has moved"


async def test_irrelevant_event_does_not_end_the_alarm_of_an_earlier_one(stage: Stage) -> None:
    stage.settings = replace(stage.settings, hold_s=30)
    async with stage.play():
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 1)
        stage.state = State.IRRELEVANT
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert stage.verdicts[1]["relevant"] is False
        assert stage.on("relevant") == [b"ON", b"ON"]


async def test_restart_neither_ends_nor_revives_an_alarm(stage: Stage) -> None:
    stage.settings = replace(stage.settings, hold_s=1.0)
    async with stage.play():
        stage.start(auto_end_s=0.1)
        await stage.until(lambda: stage.verdicts)
    until = datetime.fromisoformat(stage.verdicts[0]["hold_until"])
    async with stage.play() as camera:
        relevant = {m.topic: m.payload for m in camera.state()}[C + "relevant"]
        assert relevant == b"ON"
        assert camera.alarm.until == until
        await stage.until(lambda: stage.on("relevant")[-1:] == [b"OFF"])
        assert now() >= until
    async with stage.play() as camera:
        relevant = {m.topic: m.payload for m in camera.state()}[C + "relevant"]
        assert relevant == b"OFF"


# --- what the log says of motion ---------------------------------------------------------------


def motion_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if "motion starts" in line]


async def test_each_motion_is_one_line(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with stage.play():
        for _ in range(3):
            stage.start(shown="ON")
        stage.end()
        stage.start(shown="once more")
        stage.start(shown="1", trigger="another one")
        await stage.until(lambda: sum(1 + verdict["merged"] for verdict in stage.verdicts) == 5)
    assert motion_lines(caplog) == [
        "front: motion starts (ON)",
        "front: motion starts (once more)",
        "front: motion starts (1)",
    ]


async def test_a_start_that_is_delivered_again_is_no_second_line(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with stage.play():
        stage.start(delivery="1:on", shown="ON")
        await stage.until(lambda: stage.acknowledged)
        stage.end()
        stage.start(delivery="1:on", shown="ON", redelivered=True)
        await stage.until(lambda: len(stage.acknowledged) == 2)
        stage.start(delivery="2:on", shown="never heard", redelivered=True)
        await stage.until(lambda: len(stage.acknowledged) == 3)
    assert motion_lines(caplog) == [
        "front: motion starts (ON)",
        "front: motion starts (never heard)",
    ]


async def test_the_log_tells_a_late_start_as_late(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    since = datetime(2026, 11, 23, 6, 14, 2, tzinfo=UTC)
    async with stage.play():
        stage.start(shown="ON", not_before=since)
        stage.end()
        stage.start(shown="ON", retained=True)
        await stage.until(lambda: sum(1 + verdict["merged"] for verdict in stage.verdicts) == 2)
    assert motion_lines(caplog) == [
        "front: motion starts (ON, may have waited at the broker since "
        "2026-11-23T06:14:02.000+00:00)",
        "front: motion starts (ON, retained: nobody knows when)",
    ]


# --- the order of starts and ends, and what can be seen of an alarm -----------------------------


def slow_call(monkeypatch: pytest.MonkeyPatch, name: str, takes_s: float = 0.1) -> None:
    """Let the store take its time for one thing; not so long that the worker gives it up."""
    call = getattr(EventStore, name)

    def slow(*arguments: Any) -> Any:
        time.sleep(takes_s)
        return call(*arguments)

    monkeypatch.setattr(EventStore, name, slow)


async def test_an_end_does_not_overtake_a_start_that_is_delivered_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_call(monkeypatch, "find_delivery")
    async with stage.play() as camera:
        stage.start(300, delivery="1:on", redelivered=True)
        stage.end(delivery="2:off", redelivered=True)
        await stage.until(lambda: stage.verdicts)
        assert not camera.alarm.in_motion
        await stage.until(lambda: stage.on("relevant") == [b"ON", b"OFF"])


async def test_starts_and_ends_keep_their_order_behind_a_start_that_waits(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_call(monkeypatch, "find_delivery")
    async with stage.play() as camera:
        stage.start(300, delivery="1:on", redelivered=True)
        stage.end(delivery="2:off")
        stage.start(300, delivery="3:on")
        await stage.until(lambda: len(stage.acknowledged) == 2)
        assert camera.alarm.in_motion, "the last word was a start"


async def test_a_start_that_is_delivered_again_is_one_on_a_slow_machine_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.play():
        stage.start(delivery="1:on")
        await stage.until(lambda: stage.verdicts and stage.acknowledged)
        slow_call(monkeypatch, "find_delivery", 2 * journal.STORE_LIMIT_S)
        stage.start(delivery="1:on", redelivered=True)
        await stage.until(lambda: len(stage.acknowledged) == 2)
        assert len(stage.verdicts) == 1


async def test_a_start_that_is_delivered_again_alerts_where_the_journal_does_not_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "DELIVERY_LIMIT_S", 0.05)
    slow_call(monkeypatch, "find_delivery", 0.5)
    async with stage.play():
        stage.start(delivery="1:on", redelivered=True)
        await stage.until(lambda: stage.on("relevant") == [b"ON"])
        assert "no answer in time" in stage.complaints["front/storage"]


async def test_an_end_that_is_delivered_again_does_not_end_a_newer_motion(stage: Stage) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    acknowledged: list[str] = []
    async with stage.play() as camera:
        stage.start(300)
        await stage.until(lambda: stage.on("relevant") == [b"ON"])
        stage.end(delivery="2:off")
        stage.start(300)
        await stage.until(lambda: len(stage.verdicts) == 2)
        stage.end(
            delivery="2:off", redelivered=True, acknowledge=lambda: acknowledged.append("again")
        )
        assert acknowledged == ["again"]
        assert camera.alarm.in_motion
        camera.motion.forget_deliveries()
        stage.end(delivery="2:off", redelivered=True)
        assert not camera.alarm.in_motion, "the broker counts anew: this is another message"


@pytest.mark.parametrize("first", [300.0, 5.0])
async def test_the_longest_motion_of_several_triggers_wins(stage: Stage, first: float) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    async with stage.play() as camera:
        stage.start(first, trigger="0")
        stage.start(305.0 - first, trigger="1")
        await stage.until(lambda: stage.verdicts)
        verdict = stage.verdicts[0]
        left = datetime.fromisoformat(verdict["hold_until"]) - now()
        assert timedelta(seconds=200) < left <= timedelta(seconds=300)
        stage.end(trigger="1" if first == 300 else "0")
        assert camera.alarm.in_motion, "the other trigger sees motion yet"
        assert stage.on("relevant")[-1] == b"ON"


async def test_an_alarm_whose_motion_ends_while_the_verdict_is_stored_is_seen(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    storing = asyncio.Event()
    loop = asyncio.get_running_loop()
    add_verdict = EventStore.add_verdict

    def slow(*arguments: Any) -> bool:
        loop.call_soon_threadsafe(storing.set)
        time.sleep(0.3)
        return add_verdict(*arguments)

    monkeypatch.setattr(EventStore, "add_verdict", slow)
    async with stage.play() as camera:
        stage.start(300)
        await storing.wait()
        stage.end()
        assert stage.on("relevant") == []
        await stage.until(lambda: stage.on("relevant") == [b"ON", b"OFF"])
        (verdict,) = stage.verdicts
        assert verdict["hold_until"] > verdict["decided_at"]
        await stage.until(lambda: not camera.context.is_busy)
    async with stage.play() as camera:
        assert not camera.alarm.is_on, "a restart does not revive it"


async def test_an_end_before_the_verdict_is_stored_is_not_forgotten_by_the_store(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the end has stored must not be overwritten by the verdict that was made before it."""
    saving = asyncio.Event()
    loop = asyncio.get_running_loop()
    save_frames = EventFrames.save

    def slow(*arguments: Any) -> None:
        loop.call_soon_threadsafe(saving.set)
        time.sleep(0.3)
        save_frames(*arguments)

    monkeypatch.setattr(EventFrames, "save", slow)
    stage.settings = replace(stage.settings, hold_s=0.0)
    async with stage.play() as camera:
        stage.start(300)
        await saving.wait()
        await stage.until(lambda: camera.alarm.is_on)
        stage.end()
        await stage.until(lambda: stage.on("relevant") == [b"ON", b"OFF"])
        await stage.until(lambda: not camera.context.is_busy)
    store = EventStore(stage.folder / "data")
    until = store.remember_camera("front").alarm_until
    store.close()
    assert until is not None
    assert until <= now()


async def test_an_end_is_acknowledged_once_it_is_remembered(stage: Stage) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    acknowledged: list[datetime | None] = []

    def note() -> None:
        reader = sqlite3.connect(stage.folder / "data" / "events.sqlite")
        (text,) = reader.execute("SELECT alarm_until FROM cameras").fetchone()
        reader.close()
        acknowledged.append(datetime.fromisoformat(text))

    async with stage.play():
        stage.start(300)
        await stage.until(lambda: stage.on("relevant") == [b"ON"])
        stage.end(acknowledge=note)
        assert acknowledged == []
        await stage.until(lambda: acknowledged)
        assert acknowledged[0] <= now()
        stage.end(acknowledge=lambda: acknowledged.append(None))
        assert acknowledged[-1] is None, "where nothing changed there is nothing to wait for"


async def test_an_alarm_that_came_and_went_while_the_broker_was_away_is_seen(stage: Stage) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    stage.broker_is_there = False
    async with stage.play() as camera:
        stage.start(300)
        await stage.until(lambda: stage.verdicts)
        stage.end()
        await asyncio.sleep(0.4)
        (alarm,) = [one for one in camera.state() if one.topic == C + "relevant"]
        assert alarm.payload == b"ON"
        assert alarm.on_published is not None
        stage.published.clear()
        alarm.on_published()
        await stage.until(lambda: stage.on("relevant") == [b"OFF"])


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_wall_clock_that_is_set_makes_no_alarm_of_a_former_run_last(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    stage.settings = replace(stage.settings, hold_s=30)
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
    real = now

    def jumped() -> datetime:
        return real() + timedelta(hours=hours)

    monkeypatch.setattr(camera_module, "now", jumped)
    monkeypatch.setattr("veroallarme_core.worker.camera.alarm.now", jumped)
    async with stage.play() as camera:
        until = camera.alarm.until
        assert until is not None
        assert until - jumped() <= timedelta(seconds=61)


async def test_an_end_of_one_of_several_triggers_ends_no_alarm_of_a_former_run(
    stage: Stage,
) -> None:
    stage.settings = replace(stage.settings, hold_s=0.0)
    stage.more["triggers"] = (
        Trigger(topic="cam/front", start=("ON",)),
        Trigger(topic="cam/radar", start=("ON",), end=("OFF",)),
    )
    async with stage.play():
        stage.start(60, trigger="0")
        await stage.until(lambda: stage.verdicts)
    async with stage.play() as camera:
        stage.end(trigger="1")
        assert camera.alarm.is_on


# --- pictures that come too late ----------------------------------------------------------------


@pytest.fixture
def soon_late(monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds after which pictures are late: few, so that a test need not wait long."""
    monkeypatch.setattr(bursts_module, "LATE_AFTER_S", 1.0)
    return 1.0


@pytest.fixture
def soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pictures show nothing of what moves after them."""
    monkeypatch.setattr(bursts_module, "EARLY_S", 0.02)


@pytest.mark.parametrize(
    ("state", "on_unknown", "expected"),
    [
        (State.IRRELEVANT, OnUnknown.ALERT, ("unknown", "late_pictures", True)),
        (State.IRRELEVANT, OnUnknown.SUPPRESS, ("unknown", "late_pictures", False)),
        (State.RELEVANT, OnUnknown.SUPPRESS, ("relevant", "test", True)),
        (State.UNKNOWN, OnUnknown.ALERT, ("unknown", "test", True)),
    ],
)
async def test_pictures_of_a_slow_camera_prove_no_nuisance(
    stage: Stage,
    soon_late: float,
    state: State,
    on_unknown: OnUnknown,
    expected: tuple[str, str, bool],
) -> None:
    stage.state = state
    stage.settings = replace(stage.settings, on_unknown=on_unknown)
    stage.server.delay_s = soon_late + 0.2
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.on("stats"))
    (verdict,) = stage.verdicts
    assert (verdict["state"], verdict["reason"], verdict["relevant"]) == expected
    if expected[1] == "late_pictures":
        assert verdict["score"] is None
        assert verdict["cues"]["late_s"] > soon_late
        assert verdict["cues"]["pictures_say"] == "test"
        assert "s after the motion" in verdict["explanation"]
        assert stage.complaints["front/late_pictures"].startswith("front: The pictures begin ")
    else:
        assert stage.complaints == {}


async def test_health_tells_of_late_pictures_until_a_verdict_without_them(
    stage: Stage, soon_late: float
) -> None:
    stage.state = State.IRRELEVANT
    stage.server.delay_s = soon_late + 0.2
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.on("stats"))
    assert "front/late_pictures" in stage.complaints
    stage.complaints.clear()
    stage.server.delay_s = 0.0
    async with stage.play():
        await stage.until(lambda: "front/late_pictures" in stage.complaints)
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert stage.verdicts[1]["state"] == "irrelevant"
        assert stage.complaints == {}


@pytest.mark.parametrize("reason", ["frozen_picture", "no_contrast"])
async def test_health_tells_of_pictures_that_prove_nothing(stage: Stage, reason: str) -> None:
    explanation = "The camera shows nothing."

    async def judge(*_: object) -> PipelineResult:
        return replace(judged(State.UNKNOWN), reason=reason, explanation=explanation)

    stage.judge = judge
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.complaints)
        assert stage.complaints == {
            f"front/{reason}": "front: The camera shows nothing: "
            + event_decider.PICTURE_REMEDIES[reason]
        }
        stage.judge_s = 0.0
        stage.judge = None
        stage.start()
        await stage.until(lambda: not stage.complaints)


async def test_starts_that_waited_too_long_for_their_pictures_are_not_called_nuisance(
    stage: Stage, soon_late: float
) -> None:
    stage.state = State.IRRELEVANT
    stage.judge_s = soon_late + 0.3
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.bursts)
        stage.start()
        await asyncio.sleep(0.2)
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
    assert [(one["reason"], one["merged"]) for one in stage.verdicts] == [
        ("test", 0),
        ("late_pictures", 1),
    ]


async def test_a_start_after_the_pictures_were_taken_gets_pictures_of_its_own(
    stage: Stage, soon_over: None
) -> None:
    stage.state = State.IRRELEVANT
    stage.judge_s = 0.4
    stage.more["merge_window_s"] = 5.0
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.bursts)
        await asyncio.sleep(0.1)
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
    assert [one["merged"] for one in stage.verdicts] == [0, 0]
    assert {one["state"] for one in stage.verdicts} == {"irrelevant"}


async def test_a_start_while_pictures_are_taken_joins_but_needs_one_of_them(
    stage: Stage, soon_over: None
) -> None:
    stage.state = State.IRRELEVANT
    stage.more |= {"merge_window_s": 5.0, "burst": BurstConfig(size=2, spacing_s=0.3, limit_s=2)}
    async with stage.play():
        stage.start()
        await stage.until(lambda: len(stage.server.requests) == 1)
        await asyncio.sleep(0.1)
        stage.start()
        await stage.until(lambda: stage.verdicts)
        assert [(v["merged"], v["state"]) for v in stage.verdicts] == [(1, "irrelevant")]
        stage.server.requests.clear()
        stage.start()
        await stage.until(lambda: len(stage.server.requests) == 1)
        stage.server.faults["front"] = lambda: web.Response(status=403)
        await asyncio.sleep(0.1)
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert (stage.verdicts[1]["merged"], stage.verdicts[1]["reason"]) == (1, "late_pictures")
        assert "end before the latest motion" in stage.verdicts[1]["explanation"]


@pytest.mark.parametrize(
    ("since_s", "reason"), [(0.2, "test"), (3600.0, "late_pictures")], ids=["short", "long"]
)
async def test_a_start_that_may_have_waited_proves_nothing_unless_that_was_short(
    stage: Stage, since_s: float, reason: str
) -> None:
    stage.state = State.IRRELEVANT
    since = now() - timedelta(seconds=since_s)
    async with stage.play() as camera:
        stage.start(not_before=since)
        assert camera.alarm.in_motion, "nobody knows that it is over"
        await stage.until(lambda: stage.verdicts)
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
    first, second = stage.verdicts
    assert first["reason"] == reason
    assert first["motion_at"] == since.isoformat(timespec="milliseconds")
    assert (second["reason"], second["state"]) == ("test", "irrelevant")
    if reason == "late_pictures":
        assert "while the worker was away" in first["explanation"]


async def test_retained_motion_that_is_to_count_proves_nothing(stage: Stage) -> None:
    stage.state = State.IRRELEVANT
    async with stage.play():
        stage.start(retained=True)
        await stage.until(lambda: stage.verdicts)
    assert stage.verdicts[0]["reason"] == "late_pictures"


# --- order, stored before published -----------------------------------------------------------


async def test_decision_is_published_in_the_order_of_the_contract(stage: Stage) -> None:
    pipeline = EventPipeline()

    async def judge(
        frames: list[bytes],
        settings: CameraSettings,
        reference: ReferencePicture,
        *_: object,
    ) -> PipelineResult:
        return await asyncio.to_thread(pipeline.judge, frames, settings)

    stage.judge = judge
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.on("stats"))
    topics = [message.topic.removeprefix(C) for message in stage.published]
    assert topics[:5] == ["connectivity", "image", "verdict", "relevant", "event"]
    assert [message.retain for message in stage.published[:5]] == [True, True, True, True, False]
    assert stage.on("verdict") == stage.on("event")
    assert stage.on("image")[0].startswith(b"\xff\xd8")
    assert stage.verdicts[0]["stored"] is True


async def test_image_can_be_switched_off(stage: Stage) -> None:
    stage.more["publish_image"] = False
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
    assert stage.on("image") == []


async def test_frames_and_verdict_are_stored_before_publishing(
    stage: Stage, frames: tuple[bytes, ...]
) -> None:
    seen: list[Any] = []
    publish = stage._publish

    def check(message: Outgoing) -> None:
        if message.topic.endswith("/event"):
            event_id = json.loads(message.payload)["event_id"]
            reader = sqlite3.connect(stage.folder / "data" / "events.sqlite")
            row = reader.execute("SELECT verdict FROM events WHERE event_id = ?", (event_id,))
            seen.append(json.loads(row.fetchone()[0]))
            reader.close()
        publish(message)

    stage._publish = check  # type: ignore[method-assign]
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
        (verdict,) = stage.verdicts
        assert seen == [verdict]
        folder = stage.folder / "data" / "front" / verdict["event_id"]
        assert [file.read_bytes() for file in sorted(folder.iterdir())] == list(frames[:2])


# --- merging ----------------------------------------------------------------------------------


async def test_fifty_starts_in_a_second_give_few_verdicts_that_cover_all(stage: Stage) -> None:
    stage.judge_s = 0.2
    async with stage.play() as camera:
        for _ in range(50):
            stage.start()
            assert len(camera.queue) <= 2
            await asyncio.sleep(0.02)
        await stage.until(lambda: sum(1 + v["merged"] for v in stage.verdicts) >= 50)
        await stage.until(lambda: not len(camera.queue))
        assert sum(1 + verdict["merged"] for verdict in stage.verdicts) == 50
        assert len({verdict["event_id"] for verdict in stage.verdicts}) == len(stage.verdicts)
        assert 2 <= len(stage.verdicts) <= 10
        await stage.until(lambda: len(stage.acknowledged) == 50)
        await stage.until(lambda: not camera.context.is_busy)
        stats = json.loads(stage.on("stats")[-1])
        assert stats["motions"] == 50
        assert stats["events"] + stats["merged"] == 50


async def test_one_event_runs_and_one_waits(stage: Stage) -> None:
    stage.judge_s = 0.3
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.bursts)
        for _ in range(5):
            stage.start()
        assert len(camera.queue) == 2
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert [verdict["merged"] for verdict in stage.verdicts] == [0, 4]


async def test_start_within_the_merge_window_joins_the_running_event(stage: Stage) -> None:
    stage.judge_s = 0.3
    stage.more["merge_window_s"] = 5.0
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.bursts)
        stage.start()
        assert len(camera.queue) == 1
        await stage.until(lambda: stage.verdicts)
        assert [verdict["merged"] for verdict in stage.verdicts] == [1]
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert stage.verdicts[1]["merged"] == 0, "a decided event takes no further starts"


async def test_start_delivered_again_counts_once(stage: Stage) -> None:
    async with stage.play():
        stage.start(delivery="7:abc")
        await stage.until(lambda: stage.verdicts and stage.acknowledged)
        again: list[str] = []
        for delivery, name in (("7:abc", "known"), ("8:abc", "new")):
            stage.start(
                delivery=delivery, redelivered=True, acknowledge=lambda n=name: again.append(n)
            )
            await stage.until(lambda n=name: n in again)
        await stage.until(lambda: len(stage.verdicts) == 2)
        await stage.until(lambda: again == ["known", "new"])
        assert [verdict["merged"] for verdict in stage.verdicts] == [0, 0]


async def test_delivery_of_an_earlier_session_does_not_swallow_a_start(stage: Stage) -> None:
    async with stage.play():
        stage.start(delivery="1:abc")
        await stage.until(lambda: stage.verdicts)
        # The broker has lost its memory and counts from 1 again.
        await stage.storage.write(lambda store: store.forget_deliveries())
        stage.start(delivery="1:abc", redelivered=True)
        await stage.until(lambda: len(stage.verdicts) == 2)


# --- what a former run left -------------------------------------------------------------------


async def test_event_without_verdict_is_taken_up_again(
    stage: Stage, frames: tuple[bytes, ...]
) -> None:
    event = OpenEvent(
        event_id="20261123_120000_abcdef",
        camera="front",
        motion_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        starts=3,
    )
    async with stage.play() as camera:
        camera.resume(event, list(frames), [event.motion_at] * len(frames))
        await stage.until(lambda: stage.verdicts)
        (verdict,) = stage.verdicts
        assert verdict["event_id"] == event.event_id
        assert verdict["merged"] == 2
        assert stage.server.requests == [], "its frames were on disk already"


@pytest.mark.parametrize(
    ("late_s", "reason"), [(0.5, "test"), (3600.0, "late_pictures")], ids=["in time", "late"]
)
async def test_frames_on_disk_are_as_late_after_a_restart_as_they_were_before(
    stage: Stage, frames: tuple[bytes, ...], late_s: float, reason: str
) -> None:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    event = OpenEvent(event_id="20261123_120000_abcdef", camera="front", motion_at=at, starts=1)
    taken_at = [at + timedelta(seconds=late_s + number) for number in range(len(frames))]
    store = EventStore(stage.folder / "data")
    store.frames.save("front", event.event_id, frames, taken_at)
    taken_at = store.frames.taken_at("front", event.event_id)
    store.close()
    stage.state = State.IRRELEVANT
    async with stage.play() as camera:
        camera.resume(event, list(frames), taken_at)
        await stage.until(lambda: stage.verdicts)
    assert stage.verdicts[0]["reason"] == reason


async def test_start_of_a_former_run_is_not_called_nuisance_by_later_pictures(
    stage: Stage,
) -> None:
    at = now() - timedelta(seconds=23)
    event = OpenEvent(event_id="20261123_120000_abcdef", camera="front", motion_at=at, starts=1)
    stage.state = State.IRRELEVANT
    async with stage.play() as camera:
        camera.resume(event, [], [])
        await stage.until(lambda: stage.verdicts)
    (verdict,) = stage.verdicts
    assert (verdict["state"], verdict["reason"]) == ("unknown", "late_pictures")
    assert verdict["relevant"] is True


async def test_stop_finishes_the_running_event_and_leaves_the_waiting_one(stage: Stage) -> None:
    stage.judge_s = 0.3
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.bursts)
        stage.start()
        stage.start()
        await stage.until(lambda: len(stage.acknowledged) == 3)
    assert [verdict["merged"] for verdict in stage.verdicts] == [0]
    store = EventStore(stage.folder / "data")
    (left,) = store.open_events()
    store.close()
    assert left.starts == 2


# --- storage that fails -----------------------------------------------------------------------


def hold_lock(path: Path) -> sqlite3.Connection:
    """Lock the database as another program would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


async def decided_to_published(stage: Stage, count: int) -> dict[str, Any]:
    """Return the newest verdict, once that many are out, with its delay in seconds added."""
    await stage.until(lambda: len(stage.verdicts) >= count)
    verdict = stage.verdicts[-1]
    decided_at = datetime.fromisoformat(verdict["decided_at"])
    return verdict | {"delay_s": (now() - decided_at).total_seconds()}


async def test_locked_database_delays_no_alarm_and_loses_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts and len(stage.acknowledged) == 1)
        other = hold_lock(stage.folder / "data" / "events.sqlite")
        stage.start()
        verdict = await decided_to_published(stage, 2)
        assert verdict["stored"] is False
        assert verdict["relevant"] is True
        # 0.2 s by the rule; a busy machine may add to it, but waiting for the lock takes 2 s.
        assert verdict["delay_s"] < 1.0
        await stage.until(lambda: stage.storage.kept >= 2)
        assert "database is locked" in stage.complaints["front/storage"]
        stage.start()
        await decided_to_published(stage, 3)
        other.close()
        await stage.until(lambda: len(stage.acknowledged) == 3)
        while await stage.storage.retry():
            pass
        stage.start()
        assert (await decided_to_published(stage, 4))["stored"] is True
        assert "front/storage" not in stage.complaints
        await stage.until(lambda: not stage.camera.context.is_busy)
        stats = json.loads(stage.on("stats")[-1])
    store = EventStore(stage.folder / "data")
    assert store.open_events() == []
    assert store.unpublished(["front"], 10) == []
    assert all(store.get_verdict(verdict["event_id"]) for verdict in stage.verdicts)
    totals = store.remember_camera("front").totals
    store.close()
    assert (totals.motions, totals.events) == (stats["motions"], stats["events"]) == (4, 4)


async def test_full_disk_delays_no_alarm(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async with stage.play():
        with monkeypatch.context() as patch:
            patch.setattr(EventFrames, "save", full)
            patch.setattr(EventStore, "add_start", full)
            patch.setattr(EventStore, "add_verdict", full)
            stage.start()
            verdict = await decided_to_published(stage, 1)
            assert verdict["stored"] is False
            assert verdict["relevant"] is True
            assert "No space left" in stage.complaints["front/storage"]
            await stage.until(lambda: stage.acknowledged == [0])
        assert await stage.storage.retry() == 0
        stage.start()
        assert (await decided_to_published(stage, 2))["stored"] is True
    store = EventStore(stage.folder / "data")
    assert store.open_events() == []
    assert store.remember_camera("front").totals.events == 2
    store.close()


async def test_start_that_cannot_be_journalled_is_acknowledged_after_its_verdict(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EventStore, "add_start", full)
    stage.broker_is_there = False
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.verdicts)
        await asyncio.sleep(0.1)
        assert stage.acknowledged == [], "the broker keeps the start until its verdict is out"
        event = next(m for m in stage.published if m.topic.endswith("/event"))
        assert event.on_published is not None
        event.on_published()
        assert stage.acknowledged == [0]
        await stage.until(lambda: not camera.context.is_busy)


async def test_slow_disk_delays_no_alarm(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    save = EventFrames.save

    def slow(*arguments: Any) -> None:
        time.sleep(2.0)
        save(*arguments)

    monkeypatch.setattr(EventFrames, "save", slow)
    async with stage.play():
        stage.start()
        verdict = await decided_to_published(stage, 1)
        assert verdict["stored"] is False
        assert verdict["delay_s"] < 1.0
        folder = stage.folder / "data" / "front" / verdict["event_id"]
        await stage.until(folder.exists)


# --- what must not end a camera ---------------------------------------------------------------


async def test_judge_that_fails_gives_an_unknown_verdict(stage: Stage) -> None:
    async def broken(*_: object) -> PipelineResult:
        raise ZeroDivisionError("a model's surprise")

    stage.judge = broken
    async with stage.play():
        for count in (1, 2):
            stage.start()
            await stage.until(lambda count=count: len(stage.verdicts) == count)
    for verdict in stage.verdicts:
        assert (verdict["state"], verdict["reason"]) == ("unknown", "internal_error")
        assert verdict["relevant"] is True
    assert "a model's surprise" in stage.complaints["front/fault"]


async def test_verdict_that_cannot_be_written_as_json_still_alerts(stage: Stage) -> None:
    async def strange(*_: object) -> PipelineResult:
        return replace(judged(State.RELEVANT), cues={"count": np.int64(3)})

    stage.judge = strange
    async with stage.play():
        for count in (1, 2):
            stage.start()
            await stage.until(lambda count=count: len(stage.verdicts) == count)
    assert {verdict["reason"] for verdict in stage.verdicts} == {"internal_error"}
    store = EventStore(stage.folder / "data")
    assert store.open_events() == []
    store.close()


async def test_judge_that_hangs_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_judge, "JUDGE_LIMIT_S", 0.1)
    stage.judge_s = 5.0
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
    assert (stage.verdicts[0]["state"], stage.verdicts[0]["reason"]) == ("unknown", "model_failed")
    assert stage.verdicts[0]["relevant"] is True


async def test_burst_that_nobody_has_time_for_alerts(stage: Stage) -> None:
    is_busy = True

    async def busy(*_: object) -> PipelineResult:
        if is_busy:
            raise OverloadedError("31 bursts wait to be judged")
        return judged(State.IRRELEVANT)

    stage.judge = busy
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
        assert (stage.verdicts[0]["state"], stage.verdicts[0]["reason"]) == (
            "unknown",
            "overloaded",
        )
        assert stage.verdicts[0]["relevant"] is True
        assert "(31 bursts wait to be judged): take smaller" in stage.complaints["front/overloaded"]

        is_busy = False
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert stage.verdicts[1]["relevant"] is False
        assert "front/overloaded" not in stage.complaints


# --- faults of the camera itself --------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[[], web.StreamResponse], str]] = {
    "401": (lambda: web.Response(status=401), "http_401"),
    "404": (lambda: web.Response(status=404), "http_404"),
    "500": (lambda: web.Response(status=500), "http_500"),
    "0 bytes": (lambda: web.Response(body=b"", content_type="image/jpeg"), "empty"),
    "HTML": (
        lambda: web.Response(text="<html><title>Login</title></html>", content_type="text/html"),
        "not_an_image",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_fault_of_the_camera_gives_an_unknown_verdict(stage: Stage, name: str) -> None:
    answer, code = FAULTS[name]
    stage.server.faults["front"] = answer
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
        (verdict,) = stage.verdicts
        assert (verdict["state"], verdict["reason"]) == ("unknown", "no_snapshot")
        assert verdict["cues"]["snapshot_error"] == code
        assert verdict["relevant"] is True
        assert verdict["score"] is None
        assert stage.on("connectivity") == [b"OFF"]
        assert stage.complaints["front/snapshots"].startswith("front: ")

        del stage.server.faults["front"]
        stage.start()
        await stage.until(lambda: len(stage.verdicts) == 2)
        assert stage.verdicts[1]["state"] == "relevant"
        assert stage.on("connectivity") == [b"OFF", b"ON"]
        assert "front/snapshots" not in stage.complaints


async def test_unreachable_camera_gives_an_unknown_verdict(stage: Stage) -> None:
    stage.server.port = 9  # discard: nobody listens there
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
    (verdict,) = stage.verdicts
    assert (verdict["state"], verdict["reason"]) == ("unknown", "no_snapshot")
    assert verdict["cues"]["snapshot_error"] == "unreachable"
    assert stage.on("connectivity") == [b"OFF"]


async def test_disk_holds_what_the_camera_sent_for_an_event_that_alerts(stage: Stage) -> None:
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.verdicts)
    frames = stage.verdicts[0]["frames"]
    assert frames["requested"] == frames["fetched"] == frames["distinct"] == 2


# --- reference picture ------------------------------------------------------------------------


async def test_reference_is_taken_without_motion_and_tells_connectivity(
    stage: Stage, frames: tuple[bytes, ...]
) -> None:
    stage.more["reference_every_s"] = 0.05
    async with stage.play() as camera:
        watching = asyncio.create_task(camera.reference_watch.run())
        await stage.until(lambda: (stage.folder / "reference.jpg").exists())
        assert (stage.folder / "reference.jpg").read_bytes() in frames
        assert stage.on("connectivity") == [b"ON"]
        stage.server.faults["front"] = lambda: web.Response(status=500)
        await stage.until(lambda: stage.on("connectivity") == [b"ON", b"OFF"])
        watching.cancel()


async def test_no_reference_is_taken_during_motion(stage: Stage) -> None:
    stage.more["reference_every_s"] = 0.02
    stage.state = State.IRRELEVANT
    async with stage.play() as camera:
        stage.start(auto_end_s=60)
        await stage.until(lambda: stage.verdicts)
        asked = len(stage.server.requests)
        watching = asyncio.create_task(camera.reference_watch.run())
        await asyncio.sleep(0.2)
        assert len(stage.server.requests) == asked
        stage.end()
        await stage.until(lambda: len(stage.server.requests) > asked)
        watching.cancel()


async def test_motion_outside_the_zones_leaves_a_reference(stage: Stage) -> None:
    """Before a busy street the motion hardly ever ends."""
    stage.more["reference_every_s"] = 0.02
    seen: list[bytes] = []

    async def judge(frames: list[bytes], *_: object) -> PipelineResult:
        seen[:] = frames
        return replace(judged(State.IRRELEVANT), reason="outside_zones")

    stage.judge = judge
    async with stage.play():
        stage.start(auto_end_s=60)
        await stage.until(lambda: (stage.folder / "reference.jpg").exists())
        assert (stage.folder / "reference.jpg").read_bytes() == seen[-1]


@pytest.mark.parametrize(
    "result",
    [
        replace(judged(State.IRRELEVANT), reason="no_motion"),
        replace(judged(State.IRRELEVANT), reason="outside_zones", damaged=1),
    ],
)
async def test_other_motion_leaves_no_reference(stage: Stage, result: PipelineResult) -> None:
    stage.more["reference_every_s"] = 0.02

    async def judge(*_: object) -> PipelineResult:
        return result

    stage.judge = judge
    async with stage.play() as camera:
        stage.start(auto_end_s=60)
        await stage.until(lambda: stage.verdicts)
        await camera.finish(5)
        assert not (stage.folder / "reference.jpg").exists()


async def test_who_came_a_moment_ago_gets_into_no_reference(stage: Stage) -> None:
    stage.more["reference_every_s"] = 60.0
    results = [
        judged(State.RELEVANT),
        replace(judged(State.IRRELEVANT), reason="outside_zones"),
    ]

    async def judge(*_: object) -> PipelineResult:
        return results.pop(0)

    stage.judge = judge
    async with stage.play() as camera:
        for count in (1, 2):
            stage.start(auto_end_s=60)
            await stage.until(lambda count=count: len(stage.verdicts) == count)
        await camera.finish(5)
        assert not (stage.folder / "reference.jpg").exists()


async def test_picture_of_a_motion_that_is_over_becomes_no_reference(
    stage: Stage, frames: tuple[bytes, ...]
) -> None:
    """A camera that sends pictures on motion only has no other."""
    stage.more |= {
        "reference_every_s": 0.02,
        "source": MqttImageSource(topic="cam/front/image", timeout_s=0.02),
    }
    async with stage.play() as camera:
        client = cast(MqttSnapshotClient, camera.client)
        client.offer(frames[0], now() - timedelta(seconds=60))
        watching = asyncio.create_task(camera.reference_watch.run())
        await stage.until(lambda: stage.on("connectivity"))
        client.offer(frames[1], now())
        await stage.until(lambda: (stage.folder / "reference.jpg").exists())
        assert (stage.folder / "reference.jpg").read_bytes() == frames[1]
        watching.cancel()


# --- commands ---------------------------------------------------------------------------------


async def test_changed_settings_are_published_and_survive_a_restart(stage: Stage) -> None:
    async with stage.play() as camera:
        await camera.change_settings({"threshold": 0.75, "enabled": False})
        assert json.loads(stage.on("settings")[-1])["threshold"] == 0.75
    store = EventStore(stage.folder / "data")
    kept = store.remember_camera("front").settings
    store.close()
    assert CameraSettings().changed(kept) == replace(stage.settings, threshold=0.75, enabled=False)


async def test_feedback_is_stored_taken_back_and_refused_for_unknown_events(stage: Stage) -> None:
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.verdicts)
        event_id = stage.verdicts[0]["event_id"]
        await camera.give_feedback(event_id, False)
        assert await stage.storage.database(lambda s: s.feedback("front")) == {event_id: False}
        await camera.give_feedback(event_id, True)
        assert await stage.storage.database(lambda s: s.feedback("front")) == {event_id: True}
        await camera.give_feedback(event_id, None)
        assert await stage.storage.database(lambda s: s.feedback("front")) == {}
        assert stage.complaints == {}
        with pytest.raises(CommandError, match="unknown event 20200101_000000_abcdef"):
            await camera.give_feedback("20200101_000000_abcdef", True)


# --- learning and review ----------------------------------------------------------------------


EVIDENCE = cast(BurstEvidence, object())
"""A fake state does not look into it."""


@pytest.fixture
def learner(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> FakeState:
    """What the stage's camera has learned, and learns on."""
    state = FakeState()
    install(monkeypatch, state)
    stage.learns = True

    async def judge(frames: list[bytes], *_: object) -> PipelineResult:
        return replace(judged(stage.state), evidence=EVIDENCE)

    stage.judge = judge
    return state


async def test_camera_learns_from_an_event_after_it_was_published(
    stage: Stage, learner: FakeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    call = learner._call

    def note(*arguments: Any) -> None:
        seen.append(len(stage.verdicts))
        call(*arguments)

    monkeypatch.setattr(learner, "_call", note)
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.on("stats"))
    (verdict,) = stage.verdicts
    assert learner.calls[1:] == [("observe", verdict["event_id"]), ("save",)]
    assert seen[1:] == [1, 1]
    assert json.loads(stage.on("stats")[-1])["learning"]["events_seen"] == 1


async def test_judging_is_given_the_state(stage: Stage, learner: FakeState) -> None:
    given: list[object] = []

    async def judge(
        frames: list[bytes],
        settings: CameraSettings,
        reference: ReferencePicture,
        state: object,
        event_id: str,
    ) -> PipelineResult:
        given.append((state, event_id))
        return judged(State.RELEVANT)

    stage.judge = judge
    async with stage.play():
        stage.start()
        await stage.until(lambda: stage.on("stats"))
    assert given == [(learner, stage.verdicts[0]["event_id"])]
    assert ("save",) not in learner.calls, "without evidence there is no lesson"


async def test_auto_filters_once_the_camera_is_learned(stage: Stage, learner: FakeState) -> None:
    stage.settings = CameraSettings(mode=Mode.AUTO, hold_s=0.2)
    stage.state = State.IRRELEVANT
    for learned in (False, True):
        learner.learned = learned
        async with stage.play():
            stage.start()
            await stage.until(lambda count=learned: len(stage.verdicts) == 1 + count)
    assert [(v["learning"], v["relevant"]) for v in stage.verdicts] == [
        (True, True),
        (False, False),
    ]


async def test_learning_that_fails_or_hangs_delays_no_alarm(
    stage: Stage, learner: FakeState
) -> None:
    learner.faults["save"] = OSError(28, "No space left on device")
    learner.takes_s = 0.5
    async with stage.play():
        for count in (1, 2):
            stage.start()
            verdict = await decided_to_published(stage, count)
            assert verdict["relevant"] is True
            assert verdict["stored"] is True
            assert verdict["delay_s"] < 0.4
        await stage.until(lambda: not stage.camera.context.is_busy)
    assert "No space left" in stage.complaints["front/learning"]
    assert json.loads(stage.on("stats")[-1])["learning"]["events_seen"] == 2


async def test_feedback_acts_at_once_on_state_stats_and_review(
    stage: Stage, learner: FakeState
) -> None:
    stage.state = State.IRRELEVANT
    async with stage.play() as camera:
        stage.start()
        await stage.until(lambda: stage.on("stats") and stage.reviews)
        event_id = stage.verdicts[0]["event_id"]
        assert [one["event_id"] for one in json.loads(stage.reviews[-1])["events"]] == [event_id]
        before = len(stage.on("stats"))
        await camera.give_feedback(event_id, True)
        assert learner.calls[-2:] == [("apply_feedback", event_id, True), ("save",)]
        assert len(stage.on("stats")) == before + 1
        state = {message.topic: message.payload for message in camera.state()}
        assert json.loads(state[C + "review"]) == {"events": []}


async def test_feedback_for_an_unknown_event_teaches_nothing(
    stage: Stage, learner: FakeState
) -> None:
    async with stage.play() as camera:
        with pytest.raises(CommandError, match="unknown event"):
            await camera.give_feedback("20200101_000000_abcdef", True)
    assert [call[0] for call in learner.calls] == ["open"]
