"""The rights that docker-compose.yml and the systemd unit give: what they say, and what they stop.

The sandbox is made by the kernel's own means, as a container engine makes it: a read-only root, a
user without a name, no capability and no way to one. Without root none can be made here.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from benchmarks.house import jpegs, worker_configuration
from benchmarks.peers import HttpCamera, Listener, Mosquitto
from tests.worker.talk import STATUS, sender

ROOT = Path(__file__).resolve().parents[1]
UNIT = ROOT / "examples" / "systemd" / "veroallarme.service"
SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_bytes())["services"]["veroallarme"]
PROBE = Path(__file__).with_name("least_rights_probe.py")
SYSTEM_PYTHON = "/usr/bin/python3"
FREE = "/mnt"
"""Where the one folder that may be written lies in the sandbox."""

# The mounts of the new namespace end with it. The root is what a container's image is: read-only.
SANDBOX = """
set -e
mount --rbind / "$1"
mount -o remount,ro,bind "$1"
mount --bind "$2" "$1{free}"
mount -t tmpfs tmpfs "$1/tmp"
case "{root}" in /tmp/*)  # the checkout itself
  mkdir --parents "$1{root}"
  mount --bind "{root}" "$1{root}"
  mount -o remount,ro,bind "$1{root}"
esac
exec chroot "$1" "${@:3}"
""".replace("{free}", FREE).replace("{root}", str(ROOT))


def settings() -> dict[str, list[str]]:
    """Return the settings of the unit's service, in order."""
    found = defaultdict(list)
    section = ""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


# --- what they say --------------------------------------------------------------------------------


def test_the_compose_file_promises_the_least():
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert "cap_add" not in SERVICE
    assert "privileged" not in SERVICE
    assert "ports" not in SERVICE
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert SERVICE["tmpfs"] == ["/tmp"]
    user = int(SERVICE["user"].partition(":")[0])
    assert user >= 1000
    dockerfile = (ROOT / "app" / "Dockerfile").read_text(encoding="utf-8")
    assert f"useradd --system --uid {user} " in dockerfile
    assert "install --directory --owner veroallarme --group veroallarme --mode 700 /data" in (
        dockerfile
    )
    writable = [volume for volume in SERVICE["volumes"] if not volume.endswith(":ro")]
    assert writable == ["veroallarme:/data"]


def test_the_unit_promises_the_least():
    unit = settings()
    for key in (
        *("NoNewPrivileges", "RestrictSUIDSGID", "ProtectHome", "PrivateTmp", "PrivateDevices"),
        *("PrivateUsers", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs"),
        *("ProtectControlGroups", "ProtectClock", "ProtectHostname", "RestrictNamespaces"),
        *("RestrictRealtime", "LockPersonality"),
    ):
        assert unit[key] == ["yes"], key
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["ProtectSystem"] == ["strict"]
    assert "ReadWritePaths" not in unit
    assert unit["UMask"] == ["0077"]
    assert unit["User"] == ["veroallarme"]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert unit["SystemCallFilter"] == ["@system-service", "~@privileged"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_little_to_object_to():
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    done = subprocess.run(
        ["systemd-analyze", "verify", str(UNIT)], capture_output=True, text=True, check=False
    )
    # The program is where users install it, and not here.
    complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert [line for line in complaints if UNIT.name in line] == []


# --- what they stop -------------------------------------------------------------------------------


@pytest.fixture
def sandbox(tmp_path: Path) -> list[str]:
    """The beginning of a command that runs in the sandbox; the folder `free` may be written."""
    for name in ("unshare", "setpriv", "chroot"):
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name} to make a sandbox with")
    new_root, free = tmp_path / "root", tmp_path / "free"
    new_root.mkdir()
    free.mkdir()
    command = ["unshare", "--mount", "--uts", "--propagation", "private"]
    command += ["bash", "-c", SANDBOX, "sandbox", str(new_root), str(free)]
    done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no sandbox can be made here: {done.stderr.strip()}")
    return command


def dropping(user: int) -> list[str]:
    command = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return [*command, f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def probed(command: list[str]) -> tuple[set[str], set[str]]:
    """Return what was tried and what was refused."""
    done = subprocess.run(
        [*command, SYSTEM_PYTHON, "-c", PROBE.read_text(encoding="utf-8"), FREE],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    return set(answer["tried"]), set(answer["refused"])


@pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="there is no Python of the system")
def test_nothing_breaks_out_of_what_the_compose_file_gives(sandbox, tmp_path):
    user = int(SERVICE["user"].partition(":")[0])
    os.chown(tmp_path / "free", user, user)
    tried, refused = probed([*sandbox, *dropping(user)])
    assert tried - refused == set()


@pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="there is no Python of the system")
def test_what_is_refused_there_is_not_refused_anyway(sandbox):
    """With all rights of root in the same place: else the test above would show nothing."""
    tried, refused = probed(sandbox)
    assert refused == {"write beside its programs", "write a configuration"}
    assert len(tried) > 10


async def test_the_worker_needs_no_more(sandbox, tmp_path):
    """It judges an event without a capability on a read-only root, as in Home Assistant's app."""
    broker, cameras = Mosquitto(tmp_path), HttpCamera()
    cameras.frames = {"front": jpegs("person_in_the_drive")}
    broker.start()
    listener = Listener(broker.port, ("veroallarme/#",))
    try:
        async with cameras.serve(), listener.listen(), sender(broker.port) as sending:
            config = worker_configuration(broker.port, cameras, "front")
            config |= {"data_dir": f"{FREE}/data", "state_dir": f"{FREE}/state"}
            (tmp_path / "free" / "veroallarme.yaml").write_text(yaml.safe_dump(config))
            command = [*sandbox, *dropping(0), sys.executable, "-m", "veroallarme_core.cli", "run"]
            worker = await asyncio.create_subprocess_exec(
                *command, "--config", f"{FREE}/veroallarme.yaml",
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
            )  # fmt: skip
            try:
                await listener.until(lambda: listener.payloads(STATUS) == [b"online"])
                await sending.motion()
                await listener.until(lambda: listener.on("/event"))
            finally:
                worker.terminate()
                async with asyncio.timeout(60):
                    _, log = await worker.communicate()
    finally:
        broker.kill()
    assert listener.on("/event")[0].json()["stored"] is True
    assert not re.search(rb"Traceback|Read-only|denied", log), log
    assert (tmp_path / "free" / "data" / "events.sqlite").exists()
