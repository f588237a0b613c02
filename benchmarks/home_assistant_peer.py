"""A real Home Assistant on loopback, in the process and the Python of its own.

Tests and benchmarks drive it as its own frontend does: REST for states, flows and actions, the
WebSocket for registries and for what happens over time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.peers import PATIENCE_S, free_port, until

ROOT = Path(__file__).resolve().parents[1]
VENV = Path(os.environ.get("VEROALLARME_HOME_ASSISTANT") or ROOT / ".venv-home-assistant")
"""Another environment may hold another release of Home Assistant."""
START_LIMIT_S = 120.0
STOP_LIMIT_S = 40.0

# Without default_config, which would look for other devices on the network and for its cloud.
CONFIGURATION = """
homeassistant:
  name: Test home
  latitude: 48.0
  longitude: 2.0
  elevation: 10
  unit_system: metric
  time_zone: UTC
  country: FR
  currency: EUR
  internal_url: {url}
  external_url: {url}
  allowlist_external_dirs:
    - {folder}
frontend:
config:
history:
logbook:
diagnostics:
repairs:
system_health:
logger:
  default: info
{more}
"""
HTTP_SETTINGS = {
    "cors_allowed_origins": [],
    "login_attempts_threshold": -1,
    "ip_ban_enabled": True,
    "ssl_profile": "modern",
    "use_x_frame_options": True,
    "created_at": "2026-01-01T00:00:00+00:00",
    "error": None,
    "error_message": None,
}


class RequestError(RuntimeError):
    """Home Assistant refused a request; the text is its answer."""


class HomeAssistant:
    """A Home Assistant with the integration of this checkout.

    Args:
        folder: for its configuration, database and log; `shared` below it may be read by cameras.
        more: what its `configuration.yaml` holds besides.

    Raises:
        FileNotFoundError: the environment of Home Assistant has not been made.
    """

    def __init__(self, folder: Path, more: str = "") -> None:
        self._hass = VENV / "bin" / "hass"
        if not self._hass.exists():
            raise FileNotFoundError(
                f"there is no Home Assistant in {VENV}: run scripts/setup-home-assistant, or "
                "scripts/test"
            )
        self.config = folder / "home-assistant"
        self.shared = folder / "shared"
        self.shared.mkdir(parents=True)
        self.log_path = folder / "home-assistant.log"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.token: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._http: aiohttp.ClientSession | None = None
        (self.config / ".storage").mkdir(parents=True)
        (self.config / "configuration.yaml").write_text(
            CONFIGURATION.format(url=self.url, folder=self.shared, more=more), encoding="utf-8"
        )
        # In YAML these settings would count for five minutes only.
        settings = {"server_host": ["127.0.0.1"], "server_port": port, **HTTP_SETTINGS}
        http = {"stable": settings, "pending": None, "yaml_migration_done": True}
        self._store("http", http, version=2, minor_version=2)
        # What these steps of the first start set up wants the internet.
        self._store("onboarding", {"done": ["core_config", "analytics", "integration"]}, version=4)
        self._store("core.network", {"configured_adapters": ["lo"]})
        for name in ("custom_components", "blueprints"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self.config / name, ignore=ignored)

    def _store(self, key: str, data: Any, version: int = 1, minor_version: int = 1) -> None:
        content = {"version": version, "minor_version": minor_version, "key": key, "data": data}
        (self.config / ".storage" / key).write_text(json.dumps(content), encoding="utf-8")

    def remove_integration(self) -> None:
        """Take the integration away again, before the first start."""
        shutil.rmtree(self.config / "custom_components")

    # --- process --------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[HomeAssistant]:
        """Start it with an owner who is logged in; end it with the block."""
        async with aiohttp.ClientSession() as self._http:
            try:
                await self.start()
                await self._log_in()
                yield self
            finally:
                await self.stop()

    async def start(self) -> None:
        """Start it and wait until it has started in full."""
        self._launch()
        await until(self._is_up, START_LIMIT_S)

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [self._hass, "-c", self.config, "--skip-pip", "--log-no-color"],
                stdout=log,
                stderr=log,
            )

    async def _is_up(self) -> bool:
        assert self._process is not None
        assert self._http is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Home Assistant ended with {self._process.returncode}: {self.log}")
        try:
            if not self.token:
                async with self._http.get(f"{self.url}/api/onboarding") as answer:
                    return answer.status == 200
            return bool((await self.get("config"))["state"] == "RUNNING")
        except (aiohttp.ClientError, RequestError):
            await asyncio.sleep(0.2)
            return False

    async def stop(self) -> None:
        """Let it end as a restart of the machine would; kill it where it takes too long."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_LIMIT_S)
            self._process = None

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that it has logged, over all starts."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    async def _log_in(self) -> None:
        client = f"{self.url}/"
        owner = {"name": "Test", "username": "test", "password": "test", "language": "en"}
        created = await self.post("onboarding/users", owner | {"client_id": client})
        form = {
            "grant_type": "authorization_code",
            "code": created["auth_code"],
            "client_id": client,
        }
        assert self._http is not None
        async with self._http.post(f"{self.url}/auth/token", data=form) as answer:
            token = await answer.json()
        expires = int((time.time() + token["expires_in"]) * 1000)
        self.token = token | {"hassUrl": self.url, "clientId": client, "expires": expires}

    # --- requests -------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        """Get something below ``/api``."""
        return await self._request("GET", path)

    async def post(self, path: str, body: Any) -> Any:
        """Post something below ``/api``."""
        return await self._request("POST", path, json=body)

    async def delete(self, path: str) -> Any:
        """Delete something below ``/api``."""
        return await self._request("DELETE", path)

    async def _request(self, method: str, path: str, **more: Any) -> Any:
        assert self._http is not None
        headers = {"Authorization": f"Bearer {self.token['access_token']}"} if self.token else {}
        timeout = aiohttp.ClientTimeout(total=60)
        async with self._http.request(
            method, f"{self.url}/api/{path}", headers=headers, timeout=timeout, **more
        ) as answer:
            if answer.status >= 400:
                raise RequestError(f"{method} {path}: {answer.status} {await answer.text()}")
            if answer.content_type == "application/json":
                return await answer.json()
            return await answer.read()

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """Open a WebSocket and log in."""
        assert self._http is not None
        limit = 64 << 20
        async with self._http.ws_connect(f"{self.url}/api/websocket", max_msg_size=limit) as ws:
            await ws.receive_json()
            await ws.send_json({"type": "auth", "access_token": self.token["access_token"]})
            assert (await ws.receive_json())["type"] == "auth_ok"
            yield Socket(ws)

    async def ask(self, command: str, **fields: Any) -> Any:
        """Send one command over a WebSocket of its own; return its result."""
        async with self.socket() as socket:
            return await socket.ask(command, **fields)

    # --- what tests want to do ------------------------------------------------------------

    async def state(self, entity_id: str) -> dict[str, Any]:
        """Return an entity's state with its attributes; state ``missing`` where there is none."""
        try:
            found: dict[str, Any] = await self.get(f"states/{entity_id}")
        except RequestError as error:
            if ": 404 " not in str(error):
                raise
            return {"state": "missing", "attributes": {}}
        return found

    async def until_state(
        self, entity_id: str, *wanted: str, limit_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait for an entity's state; return it with its attributes.

        Raises:
            TimeoutError: it did not come in time; the text says what there was instead.
        """
        state: dict[str, Any] = {}

        async def holds() -> bool:
            nonlocal state
            state = await self.state(entity_id)
            return state["state"] in wanted

        try:
            await until(holds, limit_s)
        except TimeoutError:
            raise TimeoutError(f"{entity_id} is {state}, not {wanted}") from None
        return state

    async def act(self, action: str, *, respond: bool = False, **data: Any) -> Any:
        """Perform an action; return its response where one is asked for."""
        query = "?return_response" if respond else ""
        answer = await self.post(f"services/{action.replace('.', '/')}{query}", data)
        return answer["service_response"] if respond else answer

    async def flow(self, handler: str, *answers: dict[str, Any]) -> dict[str, Any]:
        """Go through the configuration flow of an integration; return the entry's result."""
        step = await self.post("config/config_entries/flow", {"handler": handler})
        return await self.answer_flow("config/config_entries/flow", step, *answers)

    async def add_subentry(
        self, entry_id: str, kind: str, *answers: dict[str, Any]
    ) -> dict[str, Any]:
        """Go through the flow of a subentry."""
        path = "config/config_entries/subentries/flow"
        step = await self.post(path, {"handler": [entry_id, kind]})
        return await self.answer_flow(path, step, *answers)

    async def answer_flow(
        self, path: str, step: dict[str, Any], *answers: dict[str, Any]
    ) -> dict[str, Any]:
        """Fill in the forms of a flow.

        Raises:
            RequestError: the flow did not create what was wanted; the text is its last step.
        """
        for answer in answers:
            step = await self.post(f"{path}/{step['flow_id']}", answer)
        if step["type"] != "create_entry":
            raise RequestError(json.dumps(step))
        return step

    async def add_file_camera(self, name: str, path: Path) -> None:
        """Let it have a camera whose picture is a file named ``name``."""
        step = await self.post("config/config_entries/flow", {"handler": "local_file"})
        answers = {"name": name, "file_path": str(path)}
        # From 2026.11 on the name of the file names the camera.
        asked = {field["name"] for field in step["data_schema"]}
        answers = {key: value for key, value in answers.items() if key in asked}
        await self.answer_flow("config/config_entries/flow", step, answers)

    def show(self, camera: str, picture: bytes) -> Path:
        """Write the picture of a camera, for `local_file`; return its path."""
        path = self.shared / f"{camera}.jpg"
        path.write_bytes(picture)
        return path

    async def connect(self, broker_port: int) -> None:
        """Set up its MQTT integration."""
        answers = {
            "broker": "127.0.0.1",
            "port": broker_port,
            "protocol": "5",
            "other_settings": {
                "set_client_cert": False,
                "set_ca_cert": "off",
                "transport": "tcp",
            },
        }
        await self.flow("mqtt", answers)


class Socket:
    """A WebSocket that is logged in."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._last_id = 0
        self.events: list[dict[str, Any]] = []
        """Events of all subscriptions, in the order in which they came."""

    async def ask(self, command: str, **fields: Any) -> Any:
        """Send a command; return its result.

        Raises:
            RequestError: Home Assistant refused it.
        """
        self._last_id += 1
        await self._ws.send_json({"id": self._last_id, "type": command, **fields})
        while True:
            answer = await self.take()
            if answer.get("type") == "result" and answer["id"] == self._last_id:
                if not answer["success"]:
                    raise RequestError(str(answer["error"]))
                return answer["result"]

    async def collect(self, seconds: float) -> None:
        """Take events for some time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self.take()

    async def take(self) -> dict[str, Any]:
        """Take the next message; an event is added to `events`."""
        answer: dict[str, Any] = await self._ws.receive_json()
        if answer.get("type") == "event":
            self.events.append(answer["event"])
        return answer
