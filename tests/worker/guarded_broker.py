"""A mosquitto that refuses: by an ACL file, or by its own dynamic-security plug-in.

An ACL file refuses messages, and can be changed while clients stay connected. The plug-in refuses
subscriptions too; clients whose role changes are turned out, those under a default are not.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import aiomqtt
import pytest

from benchmarks.peers import Mosquitto

ADMIN = "admin"
ITERATIONS = 101
CONTROL = "$CONTROL/dynamic-security"


def _plugin() -> Path:
    folders = ("/usr/lib", "/usr/local/lib")
    for folder in folders:
        for found in Path(folder).rglob("mosquitto_dynamic_security.so"):
            return found
    pytest.fail("mosquitto's dynamic-security plug-in is missing: install Debian's mosquitto")


def _acl(kind: str, topic: str, *, allow: bool) -> dict[str, object]:
    return {"acltype": kind, "topic": topic, "allow": allow, "priority": -1 if allow else 1}


class MuzzlingBroker(Mosquitto):
    """Takes everything but messages to some topics.

    Args:
        folder: see `Mosquitto`.
        publish: topics that nobody may publish to.
    """

    def __init__(self, folder: Path, *, publish: Iterable[str]) -> None:
        self._acl = folder / "acl"
        self._write(publish)
        super().__init__(folder, options=[f"acl_file {self._acl}"])

    def allow_all(self) -> None:
        """Take all messages from now on."""
        self._write(())
        self.reload()

    def _write(self, publish: Iterable[str]) -> None:
        lines = ["topic readwrite #", *(f"topic deny {topic}" for topic in publish)]
        self._acl.write_text("\n".join(lines) + "\n")
        self._acl.chmod(0o600)


class GuardedBroker(Mosquitto):
    """Lets clients without a name do everything but subscribe to what is denied.

    Args:
        folder: see `Mosquitto`.
        subscribe: topic filters that nobody may subscribe to; None denies all.
    """

    def __init__(self, folder: Path, *, subscribe: Iterable[str] | None) -> None:
        rules = folder / "rules.json"
        options = [
            f"plugin {_plugin()}",
            f"plugin_opt_config_file {rules}",
        ]
        super().__init__(folder, options=options)
        salt = b"twelve bytes"
        key = hashlib.pbkdf2_hmac("sha512", ADMIN.encode(), salt, ITERATIONS)
        controls = [
            _acl(kind, f"{CONTROL}/#", allow=True)
            for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
        ]
        denials = [_acl("subscribeLiteral", topic, allow=False) for topic in subscribe or ()]
        content = {
            "defaultACLAccess": {
                "publishClientSend": True,
                "publishClientReceive": True,
                "subscribe": subscribe is not None,
                "unsubscribe": True,
            },
            "clients": [
                {
                    "username": ADMIN,
                    "password": base64.b64encode(key).decode(),
                    "salt": base64.b64encode(salt).decode(),
                    "iterations": ITERATIONS,
                    "roles": [{"rolename": "admin"}],
                }
            ],
            "groups": [{"groupname": "anyone", "roles": [{"rolename": "denials"}]}],
            "roles": [
                {"rolename": "admin", "acls": controls},
                {"rolename": "denials", "acls": denials},
            ],
            "anonymousGroup": "anyone",
        }
        rules.write_text(json.dumps(content))
        rules.chmod(0o600)

    async def allow(self, topic: str) -> None:
        """Take a denial back, which turns all clients out."""
        await self._command(
            command="removeRoleACL", rolename="denials", acltype="subscribeLiteral", topic=topic
        )

    async def allow_all(self) -> None:
        """Let everybody subscribe to everything that is not denied."""
        default = [{"acltype": "subscribe", "allow": True}]
        await self._command(command="setDefaultACLAccess", acls=default)

    async def _command(self, **command: object) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port, username=ADMIN, password=ADMIN) as client:
            await client.subscribe(f"{CONTROL}/v1/response")
            await client.publish(f"{CONTROL}/v1", json.dumps({"commands": [command]}))
            async for message in client.messages:
                (answer,) = json.loads(bytes(message.payload))["responses"]  # type: ignore[arg-type]
                assert "error" not in answer, answer
                return
