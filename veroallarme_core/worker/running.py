"""Runs a worker until the process is told to stop: from its file, or as an app."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable

from veroallarme_core.worker.config import AppPlaces, WorkerConfig, prepare
from veroallarme_core.worker.process_memory import keep_one_heap
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.state_folder import FolderHeldError

_LOGGER = logging.getLogger(__name__)

STANDBY_POLL_S = 0.5
"""How often a worker that stands by looks whether it is its turn."""


async def serve(config: WorkerConfig, *, stands_by: bool = False) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Args:
        config: of the worker.
        stands_by: wait for as long as another worker uses the same folders, and then take over
            all of it: its client at the broker, its journal and what its cameras have learned.

    Raises:
        StartError: it cannot start.
    """
    keep_one_heap()
    worker = await _turn_of(config) if stands_by else Worker(config)
    if worker is None:
        return
    _when_told_to_stop(worker.stop)
    await worker.run()


async def _turn_of(config: WorkerConfig) -> Worker | None:
    """Return a worker once no other one holds the folders; None where it is told to stop before."""
    stopped = asyncio.Event()
    _when_told_to_stop(stopped.set)
    is_told = False
    while not stopped.is_set():
        try:
            return Worker(config)
        except FolderHeldError:
            # The system frees the lock when the other process ends, however it does.
            if not is_told:
                _LOGGER.info(
                    "another worker uses %s: this one stands by, and takes over when it ends",
                    config.state_dir,
                )
            is_told = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STANDBY_POLL_S):
                await stopped.wait()
    return None


async def run_app(places: AppPlaces) -> None:
    """Run the worker until SIGTERM or SIGINT.

    Raises:
        ConfigError: options or file cannot be used; with all mistakes.
        AppError, StartError: it cannot start.
    """
    preparing = asyncio.ensure_future(prepare(places))
    # Until the worker takes the signals itself a stop need not wait for the supervisor's answer.
    _when_told_to_stop(preparing.cancel)
    await asyncio.wait([preparing])
    if not preparing.cancelled():
        await serve(preparing.result())


def _when_told_to_stop(call: Callable[[], object]) -> None:
    """Let SIGTERM and SIGINT call this from now on, and nothing that they called before."""
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, call)
