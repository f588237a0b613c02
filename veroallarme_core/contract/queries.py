"""Questions about past events, and their answers: a page of events, a picture, zones around one.

Who asks names a request; the answer comes on the topic of that name, once, not retained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.encoding import iso
from veroallarme_core.contract.validators import (
    moment,
    one_of,
    or_none,
    require_id,
    truth,
    whole_between,
)
from veroallarme_core.contract.verdict import State
from veroallarme_core.contract.zones import Zone

MAX_LISTED = 50
"""Events in one answer: some 30 kB."""
MAX_MOMENTS = 63
"""Between so many moments events are counted: the days of two months."""
MIN_WIDTH_PX, MAX_WIDTH_PX = 64, 1280
MAX_FRAME = 9

_STATES = vol.All([one_of(State)], vol.Length(max=len(State), msg="give each state once"))
_MOMENTS = vol.All([moment], vol.Length(max=MAX_MOMENTS, msg=f"give at most {MAX_MOMENTS} moments"))
LIST_EVENTS_SCHEMA = vol.Schema(
    {
        vol.Required("request_id"): require_id,
        vol.Optional("event_id"): or_none(require_id),
        vol.Optional("since"): or_none(moment),
        vol.Optional("until"): or_none(moment),
        vol.Optional("states"): _STATES,
        vol.Optional("limit"): whole_between(0, MAX_LISTED, "events"),
        vol.Optional("count_between"): _MOMENTS,
    },
    extra=vol.REMOVE_EXTRA,
)
GET_PICTURE_SCHEMA = vol.Schema(
    {
        vol.Required("request_id"): require_id,
        vol.Required("event_id"): require_id,
        vol.Optional("frame"): or_none(whole_between(0, MAX_FRAME)),
        vol.Optional("width"): or_none(whole_between(MIN_WIDTH_PX, MAX_WIDTH_PX, "pixels")),
    },
    extra=vol.REMOVE_EXTRA,
)
IGNORE_HERE_SCHEMA = vol.Schema(
    {
        vol.Required("request_id"): require_id,
        vol.Required("event_id"): require_id,
        vol.Optional("preview"): truth,
    },
    extra=vol.REMOVE_EXTRA,
)


@dataclass(frozen=True, kw_only=True)
class EventQuery:
    """Which past events are asked for."""

    request_id: str
    event_id: str | None = None
    """One event alone."""
    since: datetime | None = None
    until: datetime | None = None
    """Only events that moved before it."""
    states: Sequence[State] = ()
    """Empty means all."""
    limit: int = 20
    count_between: Sequence[datetime] = ()
    """Events between each of these moments and the next are counted."""


@dataclass(frozen=True, kw_only=True)
class PictureQuery:
    """Which picture of a past event is asked for."""

    request_id: str
    event_id: str
    frame: int | None = None
    """Its number in the burst; None asks for the annotated picture."""
    width: int | None = None
    """Pixels that the picture shall have at most."""


@dataclass(frozen=True, kw_only=True)
class IgnoreQuery:
    """Ignore motion where it was in a past event."""

    request_id: str
    event_id: str
    preview: bool = False
    """Only tells which zones that would be."""


@dataclass(frozen=True, kw_only=True)
class PastEventSummary:
    """What a list says of a past event."""

    verdict: Mapping[str, Any]
    """As it was stored."""
    feedback: bool | None
    """The user's thumb; None where there is none."""
    pictures: int
    """Frames that are still kept."""

    def to_dict(self) -> dict[str, Any]:
        """Return the item as the contract writes it; a verdict may be of an earlier release."""
        known = self.verdict
        kinds = dict.fromkeys(found["kind"] for found in known.get("objects", ()))
        names = (
            "event_id", "motion_at", "decided_at", "state", "relevant", "score", "threshold",
            "reason", "explanation", "mode", "learning", "num_relevant", "num_irrelevant",
        )  # fmt: skip
        return {
            **{name: known[name] for name in names},
            "objects": list(kinds),
            "feedback": self.feedback,
            "pictures": self.pictures,
        }


@dataclass(frozen=True, kw_only=True)
class EventCounts:
    """How many events moved in an interval, by their state."""

    since: datetime
    until: datetime
    relevant: int = 0
    irrelevant: int = 0
    unknown: int = 0
    suppressed: int = 0
    """Those among them that raised no alarm."""

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as the contract writes them."""
        return {
            "since": iso(self.since),
            "until": iso(self.until),
            "relevant": self.relevant,
            "irrelevant": self.irrelevant,
            "unknown": self.unknown,
            "suppressed": self.suppressed,
        }


@dataclass(frozen=True, kw_only=True)
class EventList:
    """A page of past events, newest first."""

    events: Sequence[PastEventSummary]
    more: bool
    """Whether there are older ones that were asked for."""
    counts: Sequence[EventCounts] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the ``event_list`` as the contract writes it."""
        return {
            "events": [event.to_dict() for event in self.events],
            "more": self.more,
            "counts": [counts.to_dict() for counts in self.counts],
        }


@dataclass(frozen=True, kw_only=True)
class IgnoredZones:
    """Zones around what moved in an event, that were added to the settings or would be."""

    zones: Sequence[Zone]
    added: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the ``ignored_zones`` as the contract writes them."""
        return {"zones": [zone.to_dict() for zone in self.zones], "added": self.added}


@dataclass(frozen=True, kw_only=True)
class FeedbackAnswer:
    """A thumb that was stored, or taken back."""

    event_id: str
    relevant: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Return the ``feedback_answer`` as the contract writes it."""
        return {"event_id": self.event_id, "relevant": self.relevant}


@dataclass(frozen=True, kw_only=True)
class FailedRequest:
    """Why a request has no other answer."""

    error: str

    def to_dict(self) -> dict[str, Any]:
        """Return the ``request_error`` as the contract writes it."""
        return {"error": self.error}
