"""The health endpoint: tells a watchdog whether the worker lives, and a monitor whether it serves.

A watchdog restarts what does not live, and a restart brings back no broker: the worker waits for
it and connects by itself. So `/health` only fails where a restart helps, and `/ready` fails as
long as no motion can reach the worker. A loop that hangs answers neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web

from veroallarme_core import __version__
from veroallarme_core.worker.config import HealthConfig

STUCK_AFTER_S = 300.0
"""A judgement takes a second; on the slowest machine, with every camera at once, far less."""
_CLOSE_LIMIT_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the worker knows of its own condition, from which its health is told.

    Attributes:
        is_set_up: Whether it is past its start: store opened, networks loaded.
        is_connected: Whether there is a session with the broker.
        is_deaf: Whether a camera cannot be heard, because the broker or the camera refuses.
        judging_s: Seconds since the oldest judgement that still runs began; 0 without any.
    """

    is_set_up: bool
    is_connected: bool
    is_deaf: bool = False
    judging_s: float


@dataclass(frozen=True)
class Health:
    """The answer to a question for the worker's health.

    Attributes:
        status: ``online``, ``starting``, ``waiting`` (for the broker), ``deaf`` or ``stuck``.
        reason: Why it is not online, in one sentence; None where it is.
    """

    status: str
    reason: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether a restart would bring nothing."""
        return self.status != "stuck"

    @property
    def is_ready(self) -> bool:
        """Whether motion reaches the worker, and its verdicts the broker."""
        return self.status == "online"


def assess(condition: Condition) -> Health:
    """Tell the health by the condition of the worker."""
    if condition.judging_s > STUCK_AFTER_S:
        reason = f"a judgement has been running for {condition.judging_s:.0f} s: restart the worker"
        return Health("stuck", reason)
    if not condition.is_set_up:
        return Health("starting", "the worker has not finished to start: wait")
    if not condition.is_connected:
        reason = "there is no connection to the broker: the worker tries again; its log says why"
        return Health("waiting", reason)
    if condition.is_deaf:
        reason = "the worker cannot hear the motion of every camera: its log says which, and why"
        return Health("deaf", reason)
    return Health("online")


@contextlib.asynccontextmanager
async def answering(
    config: HealthConfig, condition: Callable[[], Condition]
) -> AsyncIterator[None]:
    """Answer ``GET /health`` and ``GET /ready`` until the block ends.

    The answer names no camera, no address and no secret: whoever reaches the port may read it.

    Args:
        config: Where to listen.
        condition: Called for each question, on the event loop.

    Raises:
        OSError: The port cannot be opened.
    """

    def answer(health: Health, *, is_well: bool) -> web.Response:
        content = {"status": health.status, "reason": health.reason, "version": __version__}
        return web.json_response(content, status=200 if is_well else 503)

    async def tell_health(request: web.Request) -> web.Response:
        health = assess(condition())
        return answer(health, is_well=health.is_alive)

    async def tell_readiness(request: web.Request) -> web.Response:
        health = assess(condition())
        return answer(health, is_well=health.is_ready)

    app = web.Application()
    app.router.add_get("/health", tell_health)
    app.router.add_get("/ready", tell_readiness)
    # A question every half minute would drown what the log has to say.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_LIMIT_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.host, config.port).start()
        yield
    finally:
        await runner.cleanup()
