"""What runs beside all else ends the worker when it fails, and only then."""

import asyncio

import pytest

from veroallarme_core.worker.background import Background


async def failing(error: Exception) -> None:
    raise error


async def test_the_first_fault_is_kept_and_told() -> None:
    failed: list[bool] = []
    background = Background(lambda: failed.append(True))
    first, second = ValueError("first"), ValueError("second")
    for error in (first, second):
        task = background.start(failing(error))
        with pytest.raises(ValueError, match=str(error)):
            await task
    await asyncio.sleep(0)
    assert background.fault is first
    assert failed


async def test_what_ends_or_is_cancelled_is_no_fault() -> None:
    background = Background(lambda: pytest.fail("nothing has failed"))
    await background.start(asyncio.sleep(0))
    waiting = background.start(asyncio.Event().wait())
    await asyncio.sleep(0)
    await background.cancel()
    assert waiting.cancelled()
    assert background.fault is None
