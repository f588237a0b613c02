"""What is told of past events, without HTTP: lists, pictures, evidence, zones around what moved.

`PastEvents` answers questions about the events of one camera, for MQTT and for the page alike. Its
`lists` are those over all cameras, its `thumbnails` small pictures made once, and its `evidence`
tells why an event was judged as it was.
"""

from veroallarme_core.worker.history.event_lists import (
    CameraDay,
    DayPart,
    EventPage,
    position_of,
    written_position,
)
from veroallarme_core.worker.history.evidence import (
    AlikeEvent,
    EventEvidence,
    JudgedRegion,
    Recurrence,
)
from veroallarme_core.worker.history.past_events import PastEvents
from veroallarme_core.worker.history.region_zones import RegionZone
from veroallarme_core.worker.history.thumbnails import CONTENT_TYPE as THUMBNAIL_TYPE

__all__ = [
    "THUMBNAIL_TYPE",
    "AlikeEvent",
    "CameraDay",
    "DayPart",
    "EventEvidence",
    "EventPage",
    "JudgedRegion",
    "PastEvents",
    "Recurrence",
    "RegionZone",
    "position_of",
    "written_position",
]
