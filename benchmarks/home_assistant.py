"""Measure the integration in a real Home Assistant; prints Markdown.

    python -m benchmarks.home_assistant [--events 100] [--notifications 20] [--cameras 50]
        [--seconds 60]

Three measurements, each with a mosquitto and a Home Assistant of its own on loopback:

1. Time from a camera's motion message to the state in Home Assistant, through the real worker and
   cameras over HTTP. The pauses between the pictures of a burst are taken off.
2. Time from a camera's motion message to the phone of a family, through the blueprint: to the
   action that notifies, and to the push that reaches the service of the app's maker, which a local
   server stands for.
3. Processor time and memory that the integration adds to Home Assistant while every camera has an
   event each second, against the same Home Assistant on the same broker without the integration.
   The worker's part is played by a publisher that sends the messages of one real verdict again
   and again, under new event ids.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import psutil

from benchmarks.home_assistant_peer import HomeAssistant, Socket
from benchmarks.house import agree_to_discovery, jpegs, running_house
from benchmarks.peers import Listener, Mosquitto, until
from benchmarks.phone import Phone, guarded_house
from veroallarme_core.contract import CameraSettings, FrameCounts, Mode, iso, new_event_id
from veroallarme_core.drawing import event_names
from veroallarme_core.pipeline import EventPipeline

TOPIC = "veroallarme/home/camera/front"
PAUSES_S = 0.4
"""Two pauses between three pictures, see `house.worker_configuration`."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


# --- from motion to state ---------------------------------------------------------------------


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one event, without the pauses between its pictures."""

    to_state: float
    """From the camera's message to the state of Home Assistant's event entity."""
    fetch: float
    """Of that, what the cameras took."""
    in_home_assistant: float
    """From the decision on MQTT, as another subscriber hears it, to the state."""


async def measure_latencies(folder: Path, events: int) -> list[Latency]:
    """Let a camera see the drawn scenes one after the other."""
    bursts = [jpegs(name) for name in event_names()]
    latencies = []
    async with (
        running_house(folder, "front", hold_s=0.0) as house,
        Listener(house.broker.port, [f"{TOPIC}/event"]).listen() as heard,
        house.home.socket() as socket,
        aiomqtt.Client("127.0.0.1", house.broker.port) as camera,
    ):
        await socket.ask(
            "subscribe_trigger",
            trigger={"trigger": "state", "entity_id": "event.front_decision"},
        )
        for number in range(events):
            house.cameras.frames["front"] = bursts[number % len(bursts)]
            house.cameras.requests.clear()
            sent = time.monotonic()
            await camera.publish("cam/front/motion", "ON", qos=1)
            shown = await next_decision(socket)
            await until(lambda: heard.heard)
            decision = heard.heard.pop()
            fetch = decision.json()["timing_ms"]["fetch"] - PAUSES_S * 1e3
            latencies.append(
                Latency(
                    to_state=(shown - sent - PAUSES_S) * 1e3,
                    fetch=fetch,
                    in_home_assistant=(shown - decision.at) * 1e3,
                )
            )
            await camera.publish("cam/front/motion", "OFF", qos=1)
            await asyncio.sleep(0.3)
            progress(f"event {number + 1} of {events}")
    return latencies


async def next_decision(socket: Socket) -> float:
    """Wait for a decision; return when it came, on the monotonic clock."""
    socket.events.clear()
    async with asyncio.timeout(30):
        while not socket.events:
            await socket.take()
    return time.monotonic()


# --- from motion to phone ---------------------------------------------------------------------


@dataclass(frozen=True)
class Notified:
    """Milliseconds of one notification, without the pauses between the pictures."""

    to_action: float
    """From the camera's message to the action that notifies, as Home Assistant's bus tells it."""
    to_push: float
    """From the camera's message to the push that leaves Home Assistant."""
    in_home_assistant: float
    """From the alarm on MQTT, as another subscriber hears it, to the push."""


async def measure_notifications(folder: Path, count: int) -> list[Notified]:
    """Let a person come again and again, and wait for the phone each time."""
    notified = []
    async with (
        Phone().serve() as phone,
        guarded_house(folder, phone, hold_s=0.0, limit_s=60) as house,
        house.home.socket() as socket,
        Listener(house.broker.port, [f"{TOPIC}/relevant"]).listen() as heard,
        aiomqtt.Client("127.0.0.1", house.broker.port) as camera,
    ):
        await socket.ask("subscribe_events", event_type="call_service")
        for number in range(count):
            house.cameras.requests.clear()
            phone.pushes.clear()
            heard.heard.clear()
            sent = time.monotonic()
            await camera.publish("cam/front/motion", "ON", qos=1)
            called = await next_notification(socket)
            await until(lambda: phone.about("A person moved"))
            pushed = phone.pushes[0]["at"]
            (alarm,) = [message for message in heard.heard if message.payload == b"ON"]
            notified.append(
                Notified(
                    to_action=(called - sent - PAUSES_S) * 1e3,
                    to_push=(pushed - sent - PAUSES_S) * 1e3,
                    in_home_assistant=(pushed - alarm.at) * 1e3,
                )
            )
            await camera.publish("cam/front/motion", "OFF", qos=1)
            await house.home.until_state("binary_sensor.front_relevant_motion", "off")
            await asyncio.sleep(0.3)
            progress(f"notification {number + 1} of {count}")
    return notified


async def next_notification(socket: Socket) -> float:
    """Wait for the blueprint's action; return when it was called, on the monotonic clock."""
    socket.events.clear()
    called = {"domain": "veroallarme", "service": "notify"}
    async with asyncio.timeout(30):
        while True:
            await socket.take()
            if any(called.items() <= event["data"].items() for event in socket.events):
                return time.monotonic()


# --- load -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """What Home Assistant's process used."""

    cpu_share: float
    """Of one core."""
    memory_mb: float
    """Resident, at the end."""


class Publisher:
    """Plays a worker with many cameras.

    Args:
        port: of the broker.
        cameras: how many.
    """

    def __init__(self, port: int, cameras: int) -> None:
        self._port = port
        self._names = [f"camera_{number}" for number in range(cameras)]
        frames = list(jpegs("person_in_the_drive"))
        settings = CameraSettings(mode=Mode.FILTER)
        result = EventPipeline().judge(frames, settings)
        at = datetime.now(UTC)
        verdict = result.to_verdict(
            event_id=new_event_id(at),
            camera="camera",
            settings=settings,
            learning=False,
            motion_at=at,
            decided_at=at,
            merged=0,
            frames=FrameCounts(requested=3, fetched=3, distinct=3),
            fetch_ms=1200.0,
        )
        assert result.picture is not None
        self._picture = result.picture
        self._verdict = verdict.to_dict()
        self._settings = settings.to_dict()

    async def introduce(self) -> None:
        """Publish what a worker has retained."""
        cameras = [{"id": name, "name": name, "origin": "local"} for name in self._names]
        info = {
            "contract": 1,
            "version": "0.1.0",
            "site": "home",
            "cameras": cameras,
            "capabilities": ["analyze", "burst", "config", "feedback", "learn", "set"],
            "inference": None,
        }
        health = {
            "version": "0.1.0",
            "backend": "none",
            "model": "none",
            "queue": {},
            "memory_mb": 100.0,
            "last_error": None,
        }
        async with self._client() as client:
            for name in self._names:
                await self._say(client, f"camera/{name}/settings", self._settings)
                await self._say(client, f"camera/{name}/stats", self._stats(0))
                await self._say(client, f"camera/{name}/relevant", b"OFF")
            await self._say(client, "worker/main/health", health)
            await self._say(client, "worker/main/status", b"online")
            await self._say(client, "info", info)

    async def play(self, seconds: float) -> int:
        """Let every camera have an event each second; return how many there were."""
        async with self._client() as client:
            began = time.monotonic()
            for second in range(round(seconds)):
                for number, name in enumerate(self._names):
                    due = began + second + number / len(self._names)
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    await self._event(client, name, second + 1)
                progress(f"second {second + 1} of {seconds:.0f}")
        if (late := time.monotonic() - began - seconds) > 1:
            raise RuntimeError(f"the publisher was {late:.1f} s late: take fewer cameras")
        return round(seconds) * len(self._names)

    async def _event(self, client: aiomqtt.Client, name: str, count: int) -> None:
        at = datetime.now(UTC)
        verdict = self._verdict | {
            "event_id": f"{at:%Y%m%d_%H%M%S}_{secrets.token_hex(3)}",
            "camera": name,
            "motion_at": iso(at),
            "decided_at": iso(at),
            "hold_until": iso(at + timedelta(seconds=0.5)),
        }
        await self._say(client, f"camera/{name}/image", self._picture)
        await self._say(client, f"camera/{name}/verdict", verdict)
        await self._say(client, f"camera/{name}/relevant", b"ON")
        await self._say(client, f"camera/{name}/event", verdict, retain=False)
        await self._say(client, f"camera/{name}/stats", self._stats(count))

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self._port)

    async def _say(
        self,
        client: aiomqtt.Client,
        below: str,
        payload: bytes | dict[str, Any],
        *,
        retain: bool = True,
    ) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        await client.publish(f"veroallarme/home/{below}", data, qos=1, retain=retain)

    @staticmethod
    def _stats(count: int) -> dict[str, Any]:
        learning = {
            "learned": False,
            "events_seen": count,
            "sessions_seen": 1,
            "share": 0.1,
            "missing": "events",
        }
        totals = dict.fromkeys(("motions", "events", "relevant"), count)
        totals |= dict.fromkeys(("suppressed", "unknown", "merged"), 0)
        nothing = {"promise": None, "adaptation": None, "notice": None}
        return totals | nothing | {"learning": learning}


async def measure_load(
    folder: Path, cameras: int, seconds: float, *, integrated: bool
) -> tuple[Load, Load]:
    """Measure Home Assistant at rest and under load, with the integration or without."""
    broker = Mosquitto(folder, durable=False)
    broker.start()
    try:
        publisher = Publisher(broker.port, cameras)
        await publisher.introduce()
        home = HomeAssistant(folder)
        if not integrated:
            home.remove_integration()
        async with home.run():
            await home.connect(broker.port)
            if integrated:
                await agree_to_discovery(home)
                last = f"binary_sensor.camera_{cameras - 1}_relevant_motion"
                await home.until_state(last, "off")
            process = psutil.Process(home.pid)
            # What a start still does in the background.
            await asyncio.sleep(15)
            load_at_rest = await observe(process, asyncio.sleep(10))
            load = await observe(process, publisher.play(seconds))
            if integrated:
                await check_counts(home, cameras, round(seconds))
    finally:
        broker.kill()
    return load_at_rest, load


async def observe(process: psutil.Process, work: Any) -> Load:
    """Measure a process while something goes on."""
    before, began = process.cpu_times(), time.monotonic()
    await work
    after, took = process.cpu_times(), time.monotonic() - began
    used = after.user + after.system - before.user - before.system
    return Load(cpu_share=used / took, memory_mb=process.memory_info().rss / 2**20)


async def check_counts(home: HomeAssistant, cameras: int, count: int) -> None:
    """Make sure that nothing was left behind: a figure of dropped messages would be worthless."""
    for number in range(cameras):
        entity = f"sensor.camera_{number}_relevant_events"
        await home.until_state(entity, str(count), limit_s=30)
    own_lines = [line for line in home.log.splitlines() if "veroallarme" in line]
    errors = [line for line in own_lines if " ERROR " in line]
    assert not errors, errors[:3]


# --- the table --------------------------------------------------------------------------------


def progress(text: str) -> None:
    """Show how far it is, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_latencies(latencies: Sequence[Latency]) -> None:
    """Print the percentiles of all events."""
    rows = {
        "motion message to state in Home Assistant": [latency.to_state for latency in latencies],
        "of it: fetching the pictures": [latency.fetch for latency in latencies],
        "of it: decision on MQTT to state": [latency.in_home_assistant for latency in latencies],
    }
    print(f"| {len(latencies)} events, without the pauses between pictures | p50 | p95 |")
    print("|---|---|---|")
    print_percentiles(rows)


def print_notifications(notified: Sequence[Notified]) -> None:
    """Print the percentiles of all notifications."""
    rows = {
        "motion message to the action that notifies": [one.to_action for one in notified],
        "motion message to the push": [one.to_push for one in notified],
        "of it: alarm on MQTT to the push": [one.in_home_assistant for one in notified],
    }
    print(f"\n| {len(notified)} notifications, without the pauses between pictures | p50 | p95 |")
    print("|---|---|---|")
    print_percentiles(rows)


def print_percentiles(rows: Mapping[str, Sequence[float]]) -> None:
    """Print rows of a table, in milliseconds."""
    for name, values in rows.items():
        middle, high = statistics.median(values), percentile(values, 0.95)
        print(f"| {name} | {middle:.0f} ms | {high:.0f} ms |")


def print_loads(cameras: int, without: tuple[Load, Load], with_it: tuple[Load, Load]) -> None:
    """Print what the integration adds."""
    print(f"\n| Home Assistant, {cameras} cameras | without | with the integration | added |")
    print("|---|---|---|---|")
    names = ("at rest", "an event a second each")
    for name, base, integrated in zip(names, without, with_it, strict=True):
        cpu, more_cpu = 100 * base.cpu_share, 100 * integrated.cpu_share
        added = f"{more_cpu - cpu:.1f} % of a core"
        print(f"| CPU, {name} | {cpu:.1f} % | {more_cpu:.1f} % | {added} |")
        memory, more_memory = base.memory_mb, integrated.memory_mb
        added = f"{more_memory - memory:.0f} MB"
        print(f"| memory, {name} | {memory:.0f} MB | {more_memory:.0f} MB | {added} |")


async def measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Measure everything and print it."""
    if arguments.events:
        print_latencies(await measure_latencies(folder / "latency", arguments.events))
    if arguments.notifications:
        print_notifications(await measure_notifications(folder / "phone", arguments.notifications))
    if arguments.cameras:
        loads = [
            await measure_load(
                folder / f"load_{integrated}",
                arguments.cameras,
                arguments.seconds,
                integrated=integrated,
            )
            for integrated in (False, True)
        ]
        print_loads(arguments.cameras, *loads)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description="Measure the integration in Home Assistant.")
    parser.add_argument("--events", type=int, default=100, help="of one camera; 0: none")
    parser.add_argument("--notifications", type=int, default=20, help="on a phone; 0: none")
    parser.add_argument("--cameras", type=int, default=50, help="of the load; 0: no load")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the load")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="veroallarme-") as folder:
        asyncio.run(measure(arguments, Path(folder)))


if __name__ == "__main__":
    main()
