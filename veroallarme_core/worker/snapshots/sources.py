"""Where a camera's snapshots come from, and the client of each source."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Iterable
from typing import overload

from veroallarme_core.worker.onvif import prepare
from veroallarme_core.worker.snapshots.bridge_snapshots import BridgeSnapshotClient, BridgeSource
from veroallarme_core.worker.snapshots.file_snapshots import FileSnapshotClient, FileSource
from veroallarme_core.worker.snapshots.http_snapshots import HttpSnapshotClient
from veroallarme_core.worker.snapshots.http_source import HttpSource
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource, MqttSnapshotClient
from veroallarme_core.worker.snapshots.onvif_snapshots import OnvifSnapshotClient, OnvifSource
from veroallarme_core.worker.snapshots.rtsp_snapshots import RtspSnapshotClient
from veroallarme_core.worker.snapshots.rtsp_source import RtspSource
from veroallarme_core.worker.snapshots.snapshots import SnapshotClient

Source = HttpSource | OnvifSource | RtspSource | MqttImageSource | FileSource | BridgeSource


@overload
def open_client(source: HttpSource) -> HttpSnapshotClient: ...
@overload
def open_client(source: OnvifSource) -> OnvifSnapshotClient: ...
@overload
def open_client(source: RtspSource) -> RtspSnapshotClient: ...
@overload
def open_client(source: MqttImageSource) -> MqttSnapshotClient: ...
@overload
def open_client(source: FileSource) -> FileSnapshotClient: ...
@overload
def open_client(source: Source) -> SnapshotClient: ...
def open_client(source: Source) -> SnapshotClient:
    """Make the client of a source; one per camera, so that a camera has one request in flight."""
    match source:
        case HttpSource():
            return HttpSnapshotClient(source)
        case OnvifSource():
            return OnvifSnapshotClient(source)
        case RtspSource():
            return RtspSnapshotClient(source)
        case MqttImageSource():
            return MqttSnapshotClient(source)
        case FileSource():
            return FileSnapshotClient(source)
        case BridgeSource():
            return BridgeSnapshotClient()


async def prepare_sources(sources: Iterable[Source]) -> None:
    """Load what sources need, before anything has to be quick; what is missing is told later."""
    kinds = {type(source) for source in sources}
    if RtspSource in kinds:
        with contextlib.suppress(ImportError):
            await asyncio.to_thread(importlib.import_module, "av")
    if OnvifSource in kinds:
        await prepare()
