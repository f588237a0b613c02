"""Snapshots of a camera that tells over ONVIF where its picture is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from veroallarme_core.worker.onvif import OnvifAddress, OnvifError, find_picture_address
from veroallarme_core.worker.snapshots.http_login import Auth
from veroallarme_core.worker.snapshots.http_snapshots import HttpSnapshotClient
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.snapshots import (
    Snapshot,
    SnapshotError,
    check_seconds,
    closed,
)

FIND_LIMIT_S = 12.0
"""How long a camera may take to tell where its picture is; it is asked once."""
_CODES = {"login": "http_401", "no_pictures": "no_picture", "no_channel": "no_picture"}
_KEPT = frozenset({"timeout", "http_401", "http_403", "http_429", "empty", "incomplete", "closed"})
"""Errors that say nothing about the address. After any other the camera is asked for it again: it
may have got new software, or other settings."""


@dataclass(frozen=True, kw_only=True)
class OnvifSource:
    """Snapshots from the address that a camera tells over ONVIF, which is at its own host always.

    Attributes:
        camera: The camera, and its login.
        auth: How to log in for the picture.
        verify_tls: Whether the certificate must be valid, where the picture comes over https.
        ca_file: PEM file with the certificate to trust.
        timeout_s: Seconds that one snapshot may take.

    Raises:
        ValueError: A field is unusable; the text names it and the remedy, never a secret.
    """

    camera: OnvifAddress
    auth: Auth = "digest"
    verify_tls: bool = True
    ca_file: Path | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what could never work."""
        check_seconds("timeout_s", self.timeout_s)
        self.at(self.camera.device_url)

    def at(self, url: str) -> HttpSource:
        """Return the source at an address that the camera has told.

        Raises:
            ValueError: It cannot be one.
        """
        login = self.auth if self.camera.username is not None else "none"
        with_login = login in {"basic", "digest"}
        return HttpSource(
            url=url,
            auth=login,
            username=self.camera.username if with_login else None,
            password=self.camera.password if with_login else None,
            verify_tls=self.verify_tls,
            ca_file=self.ca_file,
            timeout_s=self.timeout_s,
        )


class OnvifSnapshotClient:
    """Asks a camera once where its picture is, and fetches it there."""

    def __init__(self, source: OnvifSource) -> None:
        """Prepare; nothing is asked before the first fetch."""
        self._source = source
        self._lock = asyncio.Lock()
        self._http: HttpSnapshotClient | None = None
        self._closed = False

    async def fetch(self, moment: datetime) -> Snapshot:
        """Fetch the camera's present picture."""
        async with self._lock:
            if self._closed:
                raise closed(self._source.camera.shown)
            if self._http is None:
                self._http = HttpSnapshotClient(await self._find())
            try:
                return await self._http.fetch(moment)
            except SnapshotError as error:
                if error.code not in _KEPT:
                    self._http = None
                raise

    async def close(self) -> None:
        """Refuse later fetches."""
        self._closed = True
        if self._http is not None:
            await self._http.close()

    async def _find(self) -> HttpSource:
        camera = self._source.camera
        try:
            async with asyncio.timeout(FIND_LIMIT_S):
                return self._source.at(await find_picture_address(camera))
        except OnvifError as error:
            code = _CODES.get(error.code, error.code)
            raise SnapshotError(code, f"{camera.shown}: {error}") from None
        except TimeoutError:
            raise SnapshotError(
                "timeout",
                f"{camera.shown} does not tell where its picture is within {FIND_LIMIT_S:g} s: "
                "check the camera and its network",
            ) from None
        except ValueError:
            raise SnapshotError(
                "no_picture",
                f"{camera.shown} tells an address of its picture that is none: write snapshot.url",
            ) from None
