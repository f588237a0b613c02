"""The ACL of docs/security.md, held by a real mosquitto: who may say and see what."""

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from veroallarme_core.contract import RETAINED_SUFFIXES, Topics
from veroallarme_core.contract.topics import COMMAND_NAMES
from veroallarme_core.worker.discovery import camera_topic, site_topic

PAGE = Path(__file__).resolve().parents[1] / "docs" / "security.md"
USERS = ("veroallarme", "homeassistant", "display", "frigate")
TOPICS = Topics()
COMMANDS = COMMAND_NAMES


def documented_acl() -> str:
    [acl] = re.findall(r"^```acl\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return acl


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        pytest.fail(f"{name} is missing: install Debian's package mosquitto", pytrace=False)
    return found


@pytest.fixture
def passwords(tmp_path) -> Path:
    """A password file in which each user's password is its name."""
    path = tmp_path / "passwords"
    path.touch(mode=0o600)
    for user in USERS:
        command = [program("mosquitto_passwd"), "-b", str(path), user, user]
        subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture
async def port(tmp_path, passwords) -> AsyncIterator[int]:
    """A mosquitto with the documented ACL."""
    acl = tmp_path / "veroallarme.acl"
    acl.write_text(documented_acl())
    acl.chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {number} 127.0.0.1\nallow_anonymous false\n"
        f"password_file {passwords}\nacl_file {acl}\n"
        # Root gives its rights away to a user that may not read these files.
        f"user {tmp_path.owner()}\n"
    )
    process = await asyncio.create_subprocess_exec(
        program("mosquitto"), "-c", str(config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await answering(number)
        yield number
    finally:
        process.terminate()
        await process.wait()


async def answering(number: int) -> None:
    while True:
        try:
            async with as_user(number, "display"):
                return
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)


def as_user(number: int, user: str) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", number, username=user, password=user, timeout=10)


async def seen_of(number: int, reader: str, writer: str, topics: list[str]) -> set[str]:
    """Return the topics of which `reader` gets what `writer` publishes there."""
    end = f"{TOPICS.root}/worker/main/status"
    seen = set()
    async with (
        as_user(number, reader) as reading,
        as_user(number, writer) as writing,
        as_user(number, "veroallarme") as worker,
    ):
        await reading.subscribe("#", qos=1)
        for topic in topics:
            await writing.publish(topic, "x", qos=1)
        # The broker handed everything on in order before it answered, so this one comes last.
        await worker.publish(end, "end", qos=1)
        async for message in reading.messages:
            if message.payload == b"end":
                return seen
            seen.add(message.topic.value)
    return seen


ANNOUNCEMENTS = [camera_topic(TOPICS, "drive"), site_topic(TOPICS, "main")]
SIGN = TOPICS.integration("01kb2m4f9s")
STATE = [TOPICS.info, TOPICS.health("main")] + [
    TOPICS.camera("drive", suffix)
    for suffix in (*RETAINED_SUFFIXES, "event", "analyze/01kb2m4f9s", "answer/01kb2m4f9s")
]
PICTURES = {
    TOPICS.camera("drive", suffix) for suffix in ("image", "suggestions_image", "answer/01kb2m4f9s")
}
ORDERS = [TOPICS.camera("drive", name) for name in COMMANDS]


async def test_the_worker_may_say_all_that_the_contract_has(port):
    assert await seen_of(port, "homeassistant", "veroallarme", STATE) == set(STATE)


async def test_the_worker_may_announce_its_own_cameras_and_nothing_else(port):
    others = [
        "homeassistant/device/other/drive/config",
        "homeassistant/device/veroallarme_home/config",
        "homeassistant/switch/veroallarme_home/drive/config",
        "homeassistant/status",
    ]
    seen = await seen_of(port, "homeassistant", "veroallarme", [*ANNOUNCEMENTS, *others])
    assert seen == set(ANNOUNCEMENTS)


async def test_home_assistant_alone_gives_the_sign_of_its_integration(port):
    assert await seen_of(port, "homeassistant", "homeassistant", [SIGN]) == {SIGN}
    for user in ("veroallarme", "display", "frigate"):
        assert await seen_of(port, "homeassistant", user, [SIGN]) == set()


async def test_a_display_sees_everything_but_pictures(port):
    assert await seen_of(port, "display", "veroallarme", STATE) == {*STATE} - PICTURES


async def test_a_display_sees_no_pictures_that_home_assistant_sends(port):
    assert await seen_of(port, "display", "homeassistant", ORDERS) == {
        TOPICS.camera("drive", name)
        for name in COMMANDS
        if name not in ("burst", "analyze", "reference")
    }


async def test_home_assistant_gives_orders_and_nothing_else(port):
    topics = [*STATE, *ORDERS]
    assert await seen_of(port, "homeassistant", "homeassistant", topics) == set(ORDERS)


@pytest.mark.parametrize("user", ["display", "frigate"])
async def test_others_neither_give_orders_nor_forge_alarms(port, user):
    topics = [*STATE, *ORDERS, TOPICS.echo("main")]
    assert await seen_of(port, "homeassistant", user, topics) == set()


async def test_the_worker_hears_motion_orders_and_the_birth_of_home_assistant(port):
    motion = "frigate/drive/motion"
    async with as_user(port, "veroallarme") as worker:
        await worker.subscribe([(topic, 1) for topic in (*TOPICS.commands, "#")])
        await worker.publish(TOPICS.echo("main"), "x", qos=1)
        async with as_user(port, "frigate") as frigate, as_user(port, "homeassistant") as home:
            await frigate.publish(motion, "ON", qos=1)
            for topic in (*ORDERS, "homeassistant/status", SIGN):
                await home.publish(topic, "x", qos=1)
        heard = set()
        expected = {motion, *ORDERS, "homeassistant/status", SIGN, TOPICS.echo("main")}
        async with asyncio.timeout(10):
            async for message in worker.messages:
                heard.add(message.topic.value)
                if heard == expected:
                    break


async def test_a_stranger_is_turned_away(port):
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", port):
            pass
