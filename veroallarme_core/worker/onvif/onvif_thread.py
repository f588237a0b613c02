"""The thread in which cameras are asked over ONVIF: parsing XML must not hold up alarms."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """Begin the thread, with the first camera that needs it; it ends with the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="veroallarme-onvif", daemon=True).start()
    return loop


async def in_onvif_thread(work: Coroutine[Any, Any, T]) -> T:
    """Do work in the thread's own loop; cancelling ends it there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop()))
