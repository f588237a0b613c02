"""Runs a worker until the process is told to stop: from its file, or as an app."""

from __future__ import annotations

import asyncio
import signal

from veroallarme_core.worker.config import AppPlaces, WorkerConfig, prepare
from veroallarme_core.worker.process_memory import keep_one_heap
from veroallarme_core.worker.service import Worker


async def serve(config: WorkerConfig) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises:
        StartError: it cannot start.
    """
    keep_one_heap()
    worker = Worker(config)
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, worker.stop)
    await worker.run()


async def run_app(places: AppPlaces) -> None:
    """Run the worker until SIGTERM or SIGINT.

    Raises:
        ConfigError: options or file cannot be used; with all mistakes.
        AppError, StartError: it cannot start.
    """
    preparing = asyncio.ensure_future(prepare(places))
    loop = asyncio.get_running_loop()
    # Until the worker takes the signals itself a stop need not wait for the supervisor's answer.
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, preparing.cancel)
    await asyncio.wait([preparing])
    if not preparing.cancelled():
        await serve(preparing.result())
