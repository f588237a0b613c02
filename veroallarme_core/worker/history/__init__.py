"""What is told of past events, without HTTP: lists, pictures, evidence, zones around what moved.

`PastEvents` answers questions about the events of one camera, for MQTT and for the page alike. Its
`lists` are those over all cameras, its `thumbnails` small pictures made once, and its `evidence`
tells why an event was judged as it was. `what_if` and `PastRegions` tell what other settings and
other zones would have done to the last events, `read_numbers` counts days.
"""

from veroallarme_core.worker.history.event_lists import (
    CameraDay,
    DayPart,
    EventPage,
    position_of,
    written_position,
)
from veroallarme_core.worker.history.evidence import (
    FEWEST_EVENTS,
    AlikeEvent,
    EventEvidence,
    JudgedRegion,
    Recurrence,
)
from veroallarme_core.worker.history.numbers import (
    MOST_DAYS,
    PARTS,
    DayNumbers,
    Numbers,
    judging_ms,
    read_numbers,
)
from veroallarme_core.worker.history.past_events import PastEvents
from veroallarme_core.worker.history.region_zones import RegionZone
from veroallarme_core.worker.history.remembered import RecentEvents, RememberedEvent
from veroallarme_core.worker.history.thumbnails import CONTENT_TYPE as THUMBNAIL_TYPE
from veroallarme_core.worker.history.what_if import Answer, Choice, answer, recalls_known
from veroallarme_core.worker.history.zones_what_if import PastRegions, ZonesAnswer

__all__ = [
    "FEWEST_EVENTS",
    "MOST_DAYS",
    "PARTS",
    "THUMBNAIL_TYPE",
    "AlikeEvent",
    "Answer",
    "CameraDay",
    "Choice",
    "DayNumbers",
    "DayPart",
    "EventEvidence",
    "EventPage",
    "JudgedRegion",
    "Numbers",
    "PastEvents",
    "PastRegions",
    "RecentEvents",
    "Recurrence",
    "RegionZone",
    "RememberedEvent",
    "ZonesAnswer",
    "answer",
    "judging_ms",
    "position_of",
    "read_numbers",
    "recalls_known",
    "written_position",
]
