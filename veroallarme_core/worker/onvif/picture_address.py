"""Finds the address of a camera's still picture over ONVIF, and loads what that needs."""

from __future__ import annotations

import contextlib

from veroallarme_core.worker.onvif.onvif_address import MISSING_EXTRA, OnvifAddress, OnvifError
from veroallarme_core.worker.onvif.onvif_thread import in_onvif_thread


async def find_picture_address(address: OnvifAddress) -> str:
    """Ask a camera for the address of its picture, which is always at the camera's own host.

    Raises:
        OnvifError: It tells none, or cannot be asked.
    """
    return await in_onvif_thread(_find(address))


async def _find(address: OnvifAddress) -> str:
    try:
        from veroallarme_core.worker.onvif.device import connected
    except ImportError:
        raise OnvifError("missing", MISSING_EXTRA) from None
    async with connected(address) as device:
        return await device.picture_url()


async def prepare() -> None:
    """Load what ONVIF needs, before anything has to be quick; without the extra nothing."""
    await in_onvif_thread(_prepare())


async def _prepare() -> None:
    with contextlib.suppress(ImportError):
        from veroallarme_core.worker.onvif.device import load_definitions

        await load_definitions()
