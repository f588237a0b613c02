"""A house for the tests of each module, and what the cameras in it see."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from benchmarks.house import House, running_house

HOLD_S = 3.0
PERSON = "person_in_the_drive"
CORRUPT = "corrupt_green_band"
MORE_CONFIGURATION = """
mqtt:
  binary_sensor:
    - name: Porch motion
      unique_id: porch_motion
      state_topic: cam/porch/motion
"""

# The machine may be busy: what is there after a moment on an idle one may take long.
expect.set_options(timeout=60_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Everything running, with the camera `front`."""
    folder = tmp_path_factory.mktemp("house")
    async with contextlib.AsyncExitStack() as stack:
        try:
            house = await stack.enter_async_context(
                running_house(folder, "front", hold_s=HOLD_S, more=MORE_CONFIGURATION)
            )
        except FileNotFoundError as error:
            pytest.fail(str(error), pytrace=False)
        yield house
