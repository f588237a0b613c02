"""The table of faults: how each begins, how long it lasts, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import psutil
from aiohttp import web

from benchmarks.chaos.world import World, find_faketime

Breaking = Callable[[World], AbstractAsyncContextManager[None]]

LOST_SHARE = 1 / 3
HOUR_S = 3600.0
MEMORY_MB = 900
"""Of address space beyond what the worker has: enough for a burst, and for nothing large."""
_HUGE_BYTES = 64 << 20
_DRIP_S = 0.2
_SEES_CLOCK_S = 3.0  # the library reads once a second which time it is, and then there is some left


@dataclass(frozen=True)
class Fault:
    """Something that breaks for some seconds."""

    name: str
    breaking: Breaking
    """Breaks it where the block begins, mends it where it ends."""
    seconds: float = 3.0
    needs_own_disk: bool = False
    needs_faketime: bool = False
    settles_before: bool = False
    """Whether all that was sent has to be judged before: what is broken is the journal itself."""

    def can_happen(self, world: World) -> bool:
        """Whether it can be brought about here."""
        if self.needs_own_disk and not world.disk.is_own:
            return False
        return not self.needs_faketime or find_faketime() is not None


# --- the broker, and the way to it --------------------------------------------------------------


@asynccontextmanager
async def _broker_restarts(world: World) -> AsyncIterator[None]:
    await world.kill_broker()
    yield
    await asyncio.to_thread(world.broker.start)


@asynccontextmanager
async def _broker_hangs(world: World) -> AsyncIterator[None]:
    world.broker.pause()
    yield
    world.broker.go_on()


@asynccontextmanager
async def _broker_refuses(world: World) -> AsyncIterator[None]:
    world.proxy.is_refusing = True
    await world.proxy.cut()
    yield
    world.proxy.is_refusing = False


@asynccontextmanager
async def _packets_are_lost(world: World) -> AsyncIterator[None]:
    world.proxy.lost_share = LOST_SHARE
    yield
    world.proxy.lost_share = 0.0


# --- the worker ---------------------------------------------------------------------------------


@asynccontextmanager
async def _worker_is_killed(world: World) -> AsyncIterator[None]:
    await world.kill_worker()
    yield
    await world.start_worker()


@asynccontextmanager
async def _worker_hangs(world: World) -> AsyncIterator[None]:
    with world.paused():
        yield


@asynccontextmanager
async def _worker_is_stopped(world: World) -> AsyncIterator[None]:
    await world.stop_worker()
    yield
    await world.start_worker()


@asynccontextmanager
async def _memory_is_short(world: World) -> AsyncIterator[None]:
    limit = psutil.Process(world.worker.pid).memory_info().vms + (MEMORY_MB << 20)
    before = resource.prlimit(world.worker.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    yield
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(world.worker.pid, resource.RLIMIT_AS, before)


# --- cameras ------------------------------------------------------------------------------------


def _cameras_answer(
    answer: Callable[[World], web.StreamResponse | Awaitable[web.Response]],
) -> Breaking:
    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        world.pictures.faults = {name: lambda: answer(world) for name in world.cameras}
        yield
        world.pictures.faults = {}

    return breaking


async def _hang(world: World) -> web.Response:
    await asyncio.sleep(60)
    return web.Response(status=500)


class _Dropped(web.StreamResponse):
    """No answer: the connection is gone."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """End the connection."""
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError


async def _drip(world: World) -> web.Response:
    return web.Response(body=_dripping(_picture(world)), content_type="image/jpeg")


async def _dripping(data: bytes) -> AsyncIterator[bytes]:
    for index in range(len(data)):
        yield data[index : index + 1]
        await asyncio.sleep(_DRIP_S)


async def _huge() -> AsyncIterator[bytes]:
    yield b"\xff\xd8\xff"
    for _ in range(_HUGE_BYTES >> 16):
        yield b"\0" * (1 << 16)


def _picture(world: World, index: int = 0) -> bytes:
    return world.pictures.frames[world.cameras[0]][index]


def _jpeg(data: bytes) -> web.Response:
    return web.Response(body=data, content_type="image/jpeg")


def _garbage(world: World) -> web.Response:
    return _jpeg(b"\xff\xd8\xff" + world.chance.randbytes(20_000))


def _half(world: World) -> web.Response:
    data = _picture(world)
    return _jpeg(data[: len(data) // 2])


# --- disk, clock, files -------------------------------------------------------------------------


@asynccontextmanager
async def _disk_is_full(world: World) -> AsyncIterator[None]:
    await asyncio.to_thread(world.disk.fill)
    yield
    world.disk.empty()


@asynccontextmanager
async def _disk_is_read_only(world: World) -> AsyncIterator[None]:
    # A worker that has files open for writing keeps the disk from becoming so: it starts with it.
    await world.kill_worker()
    world.disk.make_writable(False)
    world.worker.start()
    yield
    await world.kill_worker()
    world.disk.make_writable(True)
    await world.start_worker()


def _clock_jumps(seconds: float) -> Breaking:
    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        # Its clock can be set where it was started for that, which slows it down.
        await world.stop_worker()
        await world.start_worker(sets_clock=True)
        await world.until_online()
        world.set_clock(seconds)
        yield
        world.set_clock(0)
        await asyncio.sleep(_SEES_CLOCK_S)
        await world.stop_worker()
        await world.start_worker()

    return breaking


@asynccontextmanager
async def _database_is_locked(world: World) -> AsyncIterator[None]:
    with contextlib.closing(
        sqlite3.connect(world.data_dir / "events.sqlite", isolation_level=None, timeout=10)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def _file_is_damaged(pattern: str) -> Breaking:
    """Overwrite the beginning of files while the worker is down, and start it on them."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        await world.kill_worker()
        for path in world.worker.folder.glob(pattern):
            with path.open("r+b") as file:
                file.write(world.chance.randbytes(64))
        yield
        await world.start_worker()

    return breaking


def _state_files_hold(content: Callable[[World], bytes]) -> Breaking:
    """Overwrite what every camera has learned while the worker is down, and start it on that."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        await world.kill_worker()
        for camera in world.cameras:
            folder = world.worker.folder / "state" / "cameras" / camera
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("memory.npz", "model.npz", "suggestions.json"):
                (folder / name).write_bytes(content(world))
        yield
        await world.start_worker()

    return breaking


FAULTS = (
    Fault("broker killed", _broker_restarts),
    Fault("broker hangs", _broker_hangs, 8.0),
    Fault("broker refuses", _broker_refuses),
    Fault("a third of the packets lost", _packets_are_lost, 5.0),
    Fault("worker killed", _worker_is_killed, 0.5),
    Fault("worker hangs", _worker_hangs, 8.0),
    Fault("worker stopped", _worker_is_stopped, 0.5),
    Fault("cameras hang", _cameras_answer(_hang), 5.0),
    Fault("cameras drop", _cameras_answer(lambda world: _Dropped())),
    Fault("cameras answer 401", _cameras_answer(lambda world: web.Response(status=401))),
    Fault("cameras send garbage", _cameras_answer(_garbage)),
    Fault("cameras send half a picture", _cameras_answer(_half)),
    Fault("cameras send 64 MB", _cameras_answer(lambda world: web.Response(body=_huge()))),
    Fault("cameras drip", _cameras_answer(_drip), 5.0),
    Fault("cameras are frozen", _cameras_answer(lambda world: _jpeg(_picture(world)))),
    Fault("disk full", _disk_is_full, 5.0, needs_own_disk=True),
    Fault("disk read-only at a start", _disk_is_read_only, needs_own_disk=True),
    Fault("clock an hour back", _clock_jumps(-HOUR_S), 5.0, needs_faketime=True),
    Fault("clock a day ahead", _clock_jumps(24 * HOUR_S), 5.0, needs_faketime=True),
    Fault("database locked", _database_is_locked, 5.0),
    Fault("database damaged", _file_is_damaged("data/events.sqlite*"), 0.5, settles_before=True),
    Fault("state damaged", _state_files_hold(lambda world: world.chance.randbytes(5000)), 0.5),
    Fault("state of a newer version", _state_files_hold(lambda world: b'{"version": 99}'), 0.5),
    Fault("memory short", _memory_is_short, 5.0),
)
"""Every fault, in the order in which a short run brings them about."""
