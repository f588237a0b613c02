"""The broker of the demo: on loopback, on the first free port, and gone afterwards."""

import asyncio
import gc
import socket

import aiomqtt
import pytest

from benchmarks.peers import free_port as any_port
from veroallarme_core.demo.broker import NoPortError, embedded_broker, free_port


def test_first_port_that_is_free_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = free_port(port, min(port + 20, 65535))
        assert port < found <= port + 20


def test_no_free_port_is_named_with_its_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NoPortError, match=rf"{port}.*--broker HOST:PORT"):
            free_port(port, port)


async def test_messages_pass_until_it_ends() -> None:
    async with embedded_broker(any_port()) as port, aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("a/b", qos=1)
        await client.publish("a/b", "hello", qos=1)
        async with asyncio.timeout(5):
            async for message in client.messages:
                assert bytes(message.payload) == b"hello"
                break
    gc.collect()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2)


async def test_listens_on_loopback_only() -> None:
    async with embedded_broker(any_port()) as port:
        # Another address of this machine is not served: it may be bound by somebody else.
        with socket.create_server(("127.0.0.2", port)) as other:
            assert other.getsockname() == ("127.0.0.2", port)
    gc.collect()
