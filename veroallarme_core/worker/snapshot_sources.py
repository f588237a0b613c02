"""Where a camera's snapshots come from, and the client of each source."""

from __future__ import annotations

from typing import overload

import aiohttp

from veroallarme_core.worker.bridge_snapshots import BridgeSnapshotClient, BridgeSource
from veroallarme_core.worker.file_snapshots import FileSnapshotClient, FileSource
from veroallarme_core.worker.http_snapshots import HttpSnapshotClient, HttpSource
from veroallarme_core.worker.mqtt_snapshots import MqttImageSource, MqttSnapshotClient
from veroallarme_core.worker.snapshots import SnapshotClient

Source = HttpSource | MqttImageSource | FileSource | BridgeSource


@overload
def open_client(source: HttpSource, session: aiohttp.ClientSession) -> HttpSnapshotClient: ...
@overload
def open_client(source: MqttImageSource, session: aiohttp.ClientSession) -> MqttSnapshotClient: ...
@overload
def open_client(source: FileSource, session: aiohttp.ClientSession) -> FileSnapshotClient: ...
@overload
def open_client(source: Source, session: aiohttp.ClientSession) -> SnapshotClient: ...
def open_client(source: Source, session: aiohttp.ClientSession) -> SnapshotClient:
    """Make the client of a source; one per camera, so that a camera has one request in flight.

    Args:
        source: Where the snapshots come from.
        session: For HTTP; stays the caller's. Give it `aiohttp.DummyCookieJar()`, so that no
            camera gets another one's cookies.
    """
    match source:
        case HttpSource():
            return HttpSnapshotClient(source, session)
        case MqttImageSource():
            return MqttSnapshotClient(source)
        case FileSource():
            return FileSnapshotClient(source)
        case BridgeSource():
            return BridgeSnapshotClient()
