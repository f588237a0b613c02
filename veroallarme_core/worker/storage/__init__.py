"""What survives a restart: the journal, verdicts, feedback and the frames of events.

`EventStore` is the blocking store over SQLite, and its `frames` are the folders of pictures;
`Storage` runs its calls outside the event loop and repeats writes that a full disk refused.
"""

from veroallarme_core.worker.storage.event_store import EventStore, StoreError
from veroallarme_core.worker.storage.records import (
    CameraRecord,
    EventFilter,
    JudgedEvent,
    KeepLimits,
    ListedEvent,
    OpenEvent,
    PastEvent,
    Position,
    SuppressedEvent,
    Totals,
)
from veroallarme_core.worker.storage.storage import Storage

__all__ = [
    "CameraRecord",
    "EventFilter",
    "EventStore",
    "JudgedEvent",
    "KeepLimits",
    "ListedEvent",
    "OpenEvent",
    "PastEvent",
    "Position",
    "Storage",
    "StoreError",
    "SuppressedEvent",
    "Totals",
]
