"""What the worker writes is nobody else's, whatever the system gives by default."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.house import worker_configuration
from benchmarks.peers import HttpCamera, Listener, Mosquitto, WorkerProcess, until
from tests.worker.talk import ROOT, STATUS, C, sender


@pytest.fixture
def open_by_default() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def test_files_are_600_and_folders_700(
    tmp_path: Path, mosquitto: Mosquitto, cameras: HttpCamera, open_by_default: None
) -> None:
    config = worker_configuration(mosquitto.port, cameras, "front") | {"discovery": True}
    config["inference"] = {"enabled": False}
    config["cameras"]["front"]["reference_every_s"] = 1
    worker = WorkerProcess(tmp_path, config)
    listener = Listener(mosquitto.port, ("veroallarme/#", "homeassistant/#"))
    async with listener.listen(), sender(mosquitto.port) as broker:
        worker.start()
        try:
            await listener.until(lambda: listener.payloads(STATUS) == [b"online"])
            await broker.send(f"{ROOT}/camera/porch/config", {"name": "Porch"}, retain=True)
            await until((tmp_path / "state/cameras/front/reference.jpg").exists)
            await broker.motion()
            await listener.until(lambda: listener.on(f"{C}/event"))
            await until((tmp_path / "state/discovery.json").exists)
            await until((tmp_path / "state/bridged.json").exists)
        finally:
            assert await worker.terminate() == 0
    found = [*(tmp_path / "state").rglob("*"), *(tmp_path / "data").rglob("*")]
    assert {"client_id", "lock", "events.sqlite", "0.jpg", "reference.jpg"} <= {
        path.name for path in found
    }
    for path in (tmp_path / "state", tmp_path / "data", *found):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
