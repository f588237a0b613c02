"""A whole house: a real mosquitto, the worker, cameras over HTTP, and a real Home Assistant."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from benchmarks.home_assistant_peer import HomeAssistant
from benchmarks.peers import PATIENCE_S, HttpCamera, Mosquitto, WorkerProcess, until
from veroallarme_core.demo.events import encode
from veroallarme_core.drawing import draw_event

SIZE = (480, 640)
"""Height and width of the cameras' frames, in pixels."""


def jpegs(name: str) -> tuple[bytes, ...]:
    """Draw an event of the package as a camera would send it."""
    return tuple(encode(frame) for frame in draw_event(name, size=SIZE).frames)


def worker_configuration(
    port: int, cameras: HttpCamera, *names: str, hold_s: float = 3.0
) -> dict[str, Any]:
    """Return the worker's file for cameras that send motion on ``cam/<name>/motion``."""
    return {
        "mqtt": {"host": "127.0.0.1", "port": port},
        "cameras": {
            name: {
                "name": name.capitalize(),
                "triggers": [{"topic": f"cam/{name}/motion", "start": "ON", "end": "OFF"}],
                "snapshot": {"url": cameras.url(name)},
                "burst": {"spacing_s": 0.2},
                "settings": {"mode": "filter", "hold_s": hold_s},
                "reference_every_s": 0,
                "merge_window_s": 0,
            }
            for name in names
        },
    }


@dataclass
class House:
    """All that there is, running; each part can be killed and started again."""

    broker: Mosquitto
    cameras: HttpCamera
    worker: WorkerProcess
    home: HomeAssistant

    # --- what cameras do ------------------------------------------------------------------

    async def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Say something as a camera."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.publish(topic, payload, qos=1, retain=retain)

    async def motion(self, camera: str, scene: str) -> None:
        """Let a camera see something, and say so."""
        self.cameras.frames[camera] = jpegs(scene)
        # Each request gets the next frame: the first shall be the scene's first.
        self.cameras.requests.clear()
        await self.publish(f"cam/{camera}/motion", "ON")

    async def decide(self, camera: str, scene: str) -> dict[str, Any]:
        """Let a camera see something, and say so; return the state of its decision."""
        before = await self.home.state(f"event.{camera}_decision")
        await self.motion(camera, scene)
        return await self.decision_after(camera, before)

    async def decision_after(
        self, camera: str, before: dict[str, Any], limit_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait for a camera's decision that was not there before; return its state."""
        found: dict[str, Any] = {}

        async def holds() -> bool:
            nonlocal found
            found = await self.home.state(f"event.{camera}_decision")
            nothing = {"unknown", "unavailable", "missing", before["state"]}
            return found["state"] not in nothing

        await until(holds, limit_s)
        return found

    # --- what Home Assistant knows --------------------------------------------------------

    async def entities(self) -> list[dict[str, Any]]:
        """Return the registered entities of the integration."""
        found = await self.home.ask("config/entity_registry/list")
        return [entity for entity in found if entity["platform"] == "veroallarme"]

    async def devices(self) -> dict[str, dict[str, Any]]:
        """Return the devices of the integration by their names."""
        found = await self.home.ask("config/device_registry/list")
        return {
            device["name"]: device
            for device in found
            if any(domain == "veroallarme" for domain, _ in device["identifiers"])
        }

    async def entry(self) -> dict[str, Any]:
        """Return the configuration entry of the site."""
        entries = await self.home.get("config/config_entries/entry")
        (entry,) = [found for found in entries if found["domain"] == "veroallarme"]
        return dict(entry)

    def faults(self) -> list[str]:
        """Return the errors of ours that either side has logged, each with what belongs to it."""
        records = re.split(r"^(?=\d{4}-\d\d-\d\d )", self.home.log, flags=re.MULTILINE)
        wrong = [record for record in records if " ERROR " in record or "Traceback" in record]
        faults = [record for record in wrong if "veroallarme" in record]
        return faults + ([self.worker.log] if "Traceback" in self.worker.log else [])


@contextlib.asynccontextmanager
async def running_house(
    folder: Path, *names: str, hold_s: float = 3.0, more: str = ""
) -> AsyncIterator[House]:
    """Run everything, set up as a user would: the site is found over MQTT and agreed to.

    Args:
        folder: for everything that is written.
        names: ids of the worker's cameras.
        hold_s: how long an alarm lasts at least.
        more: what Home Assistant's configuration holds besides.

    Raises:
        FileNotFoundError: mosquitto or Home Assistant is not installed.
    """
    broker = Mosquitto(folder)
    home = HomeAssistant(folder, more)
    cameras = HttpCamera()
    cameras.frames = {name: jpegs("person_in_the_drive") for name in names}
    broker.start()
    async with cameras.serve():
        config = worker_configuration(broker.port, cameras, *names, hold_s=hold_s)
        worker = WorkerProcess(folder, config)
        worker.start()
        try:
            async with home.run():
                await home.connect(broker.port)
                await agree_to_discovery(home)
                for name in names:
                    await home.until_state(f"binary_sensor.{name}_relevant_motion", "off")
                yield House(broker, cameras, worker, home)
        except BaseException:
            # Why a house does not come up shows where the worker was; `kill` would hide it.
            worker.tell_where()
            print(worker.log)
            raise
        finally:
            worker.kill()
            broker.kill()


async def agree_to_discovery(home: HomeAssistant) -> None:
    """Wait until the site is found over MQTT, and agree as a user would."""

    async def found() -> Any:
        flows = await home.ask("config_entries/flow/progress")
        return [flow for flow in flows if flow["handler"] == "veroallarme"]

    (flow,) = await until(found)
    assert flow["context"]["source"] == "mqtt"
    assert flow["context"]["title_placeholders"] == {"site": "home"}
    path = "config/config_entries/flow"
    step = await home.get(f"{path}/{flow['flow_id']}")
    await home.answer_flow(path, step, {})
