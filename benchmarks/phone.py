"""A phone with Home Assistant's app, and the blueprint that notifies it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.home_assistant_peer import HomeAssistant
from benchmarks.house import House, running_house
from benchmarks.peers import serving

BLUEPRINT = "veroallarme/notify_relevant_motion.yaml"
CONFIGURATION = """
automation: !include automations.yaml
mobile_app:
mqtt:
  binary_sensor:
    - name: Front camera motion
      unique_id: front_camera_motion
      state_topic: cam/front/motion
      payload_on: "ON"
      payload_off: "OFF"
      device_class: motion
"""
MOTION = "binary_sensor.front_camera_motion"


@dataclass
class Phone:
    """Takes pushes over HTTP, as the service of the app's maker does."""

    port: int = 0
    pushes: list[dict[str, Any]] = field(default_factory=list)
    """Each with the moment ``at`` which it came, on the monotonic clock."""

    async def _push(self, request: web.Request) -> web.Response:
        self.pushes.append(await request.json() | {"at": time.monotonic()})
        return web.json_response({}, status=201)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Phone]:
        """Take pushes until the block ends."""
        app = web.Application()
        app.router.add_post("/push", self._push)
        async with serving(app) as self.port:
            yield self

    async def register(self, home: HomeAssistant) -> str:
        """Log in as the app does; return the device of the phone."""
        await home.post(
            "mobile_app/registrations",
            {
                "device_id": "phone",
                "app_id": "test",
                "app_name": "Test",
                "app_version": "1",
                "device_name": "Phone",
                "manufacturer": "Test",
                "model": "Test",
                "os_name": "Test",
                "os_version": "1",
                "supports_encryption": False,
                "app_data": {
                    "push_token": "token",
                    "push_url": f"http://127.0.0.1:{self.port}/push",
                },
            },
        )
        devices = await home.ask("config/device_registry/list")
        (device,) = [device["id"] for device in devices if device["name"] == "Phone"]
        return str(device)

    def about(self, words: str) -> list[dict[str, Any]]:
        """Return the pushes whose message matches."""
        return [push for push in self.pushes if re.search(words, push["message"])]


@contextlib.asynccontextmanager
async def guarded_house(
    folder: Path, phone: Phone, *, hold_s: float, limit_s: int, more: str = ""
) -> AsyncIterator[House]:
    """Run a house with the camera `front` whose blueprint notifies a phone of its motion.

    Args:
        folder: for everything that is written.
        phone: serves already.
        hold_s: how long an alarm lasts at least.
        limit_s: how long a verdict is waited for.
        more: what Home Assistant's configuration holds besides.
    """
    (folder / "home-assistant").mkdir(parents=True)
    (folder / "home-assistant" / "automations.yaml").write_text("[]", encoding="utf-8")
    configuration = CONFIGURATION + more
    async with running_house(folder, "front", hold_s=hold_s, more=configuration) as house:
        device = await phone.register(house.home)
        await notify_about(house.home, "notify", MOTION, device, limit_s)
        yield house


async def notify_about(
    home: HomeAssistant, name: str, motion: str, phone: str, limit_s: int
) -> None:
    """Make an automation of the blueprint.

    Args:
        home: which runs.
        name: of the automation.
        motion: the entity that signals the camera's motion.
        phone: device of the phone.
        limit_s: how long a verdict is waited for.
    """
    inputs = {
        "alarm": "binary_sensor.front_relevant_motion",
        "motion": motion,
        "phones": [phone],
        "page": "/alarms/0",
        "limit": limit_s,
    }
    await home.post(
        f"config/automation/config/{name}",
        {"alias": name, "use_blueprint": {"path": BLUEPRINT, "input": inputs}},
    )
    await home.until_state(f"automation.{name}", "on")
