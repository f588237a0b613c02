"""Where the pictures of cameras come from.

A source (HTTP, ONVIF, RTSP, MQTT, a file, Home Assistant) is a frozen dataclass; `open_client`
gives the client that fetches its snapshots, and `take_burst` takes the pictures of an event.
"""

from veroallarme_core.worker.snapshots.bridge_snapshots import BridgeSource, read_frames
from veroallarme_core.worker.snapshots.bursts import LATE_AFTER_S, Burst, covers, take_burst
from veroallarme_core.worker.snapshots.file_snapshots import FileSource
from veroallarme_core.worker.snapshots.http_login import AUTHS, Auth
from veroallarme_core.worker.snapshots.http_source import (
    MALFORMED_URL,
    TIMESTAMP,
    HttpSource,
    show_url,
)
from veroallarme_core.worker.snapshots.mqtt_snapshots import MqttImageSource, MqttSnapshotClient
from veroallarme_core.worker.snapshots.onvif_snapshots import OnvifSource
from veroallarme_core.worker.snapshots.rtsp_source import MISSING_EXTRA, RtspSource, can_decode
from veroallarme_core.worker.snapshots.snapshots import Snapshot, SnapshotClient, SnapshotError
from veroallarme_core.worker.snapshots.sources import Source, open_client, prepare_sources

__all__ = [
    "AUTHS",
    "LATE_AFTER_S",
    "MALFORMED_URL",
    "MISSING_EXTRA",
    "TIMESTAMP",
    "Auth",
    "BridgeSource",
    "Burst",
    "FileSource",
    "HttpSource",
    "MqttImageSource",
    "MqttSnapshotClient",
    "OnvifSource",
    "RtspSource",
    "Snapshot",
    "SnapshotClient",
    "SnapshotError",
    "Source",
    "can_decode",
    "covers",
    "open_client",
    "prepare_sources",
    "read_frames",
    "show_url",
    "take_burst",
]
