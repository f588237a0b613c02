"""A broker inside the process, on loopback: amqtt, which speaks MQTT 3.1.1."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

from amqtt.broker import Broker

FIRST_PORT = 1883
LAST_PORT = 1983
STOP_LIMIT_S = 5.0


class NoPortError(RuntimeError):
    """Every port that the broker may take is in use."""


def free_port(first: int = FIRST_PORT, last: int = LAST_PORT) -> int:
    """Return the first TCP port of loopback that nobody listens on.

    Raises:
        NoPortError: all ports from ``first`` to ``last`` are in use.
    """
    for port in range(first, last + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise NoPortError(f"all ports from {first} to {last} are in use: use --broker HOST:PORT")


@contextlib.asynccontextmanager
async def embedded_broker(port: int | None = None) -> AsyncIterator[int]:
    """Run a broker on loopback for anybody on this machine; gives its port."""
    # The broker logs every client at INFO, and every broken connection as an error.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    port = free_port() if port is None else port
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    await broker.start()
    try:
        yield port
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await broker.shutdown()
