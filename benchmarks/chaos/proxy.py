"""The network between worker and broker, which can lose packets, stall and be cut."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

CHUNK_BYTES = 4096
RETRANSMISSION_S = (0.2, 1.0)
"""What a lost packet costs: TCP sends it again, after its timer of at least 0.2 s."""


class Proxy:
    """Passes TCP connections on to the broker; an address of its own.

    A packet that is lost is not seen by either side: TCP sends it again, later. So a loss is a
    stall of what comes after it.

    Args:
        target_port: of the broker on loopback.
        chance: draws which packets are lost.
    """

    def __init__(self, target_port: int, chance: random.Random) -> None:
        self.port = 0
        self.lost_share = 0.0
        """Of the packets, in both directions."""
        self.is_refusing = False
        self._target_port = target_port
        self._chance = chance
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Proxy]:
        """Take connections on a free port of loopback."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await self.cut()

    async def cut(self) -> None:
        """End all connections at once, without a goodbye."""
        for connection in (connections := set(self._connections)):
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if self.is_refusing:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port)
            ways = [
                asyncio.ensure_future(self._pass_on(*way))
                for way in ((reader, back), (there, writer))
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                back.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # the broker is away, or the connection is cut
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK_BYTES):
            if self._chance.random() < self.lost_share:
                await asyncio.sleep(self._chance.uniform(*RETRANSMISSION_S))
            target.write(data)
            await target.drain()
