"""How an event is told on a card: its picture, what it was, when, and the user's thumb."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from veroallarme_core.contract import ALL_KINDS, ObjectKind, State
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.history import written_position
from veroallarme_core.worker.page.shell import House, Words
from veroallarme_core.worker.storage import ListedEvent

OTHER = "reasons.other"
"""What is said of a reason that the pages have no words for."""
_SAME = {
    "too_large": "unreadable_picture",
    "undecodable": "unreadable_picture",
    "not_an_image": "unreadable_picture",
    "empty": "unreadable_picture",
    "no_usable_frames": "too_much_damage",
    "model_failed": "internal_error",
}
"""Codes that mean the same to a user."""
_WITHOUT_PICTURE = frozenset({"no_snapshot", "disabled"})
"""Reasons of events for which no picture was ever there to keep."""


@dataclass(frozen=True, kw_only=True)
class EventCard:
    """An event as a card shows it."""

    event: ListedEvent
    camera_name: str
    reason: str
    """Key of the words for its reason."""
    pictures: int
    """Frames that are still kept."""

    @property
    def path(self) -> str:
        """Of its page, and of all that belongs to it."""
        return f"/events/{self.event.camera}/{self.event.event_id}"

    @property
    def position(self) -> str:
        """Its place in a list, as an address has it."""
        return written_position(self.event.position)

    @property
    def shows_person(self) -> bool:
        """Whether a person was recognised, whom one thumb down does not suppress."""
        return ObjectKind.PERSON in self.event.kinds

    @property
    def no_picture(self) -> str | None:
        """Key of what is said in the place of a picture; None where there is one."""
        if self.pictures:
            return None
        was_none = self.event.reason in _WITHOUT_PICTURE
        return "events.never_picture" if was_none else "events.no_picture"

    @property
    def note(self) -> str | None:
        """Key of what is said where alarm and judgement part; None where they do not."""
        if self.event.state is State.IRRELEVANT and self.event.relevant:
            return "events.would"
        if self.event.state is State.UNKNOWN and not self.event.relevant:
            return "events.no_alarm"
        return None


@dataclass(frozen=True, kw_only=True)
class CardsOfDay:
    """The cards of one day, newest first."""

    day: date
    cards: Sequence[EventCard]
    has_heading: bool
    """Whether the day begins here; a former page may have begun it."""


async def cards_of(house: House, events: Sequence[ListedEvent], words: Words) -> list[EventCard]:
    """Return the cards of events.

    Raises:
        CommandError: the disk cannot be read.
    """
    pictures = await house.past_events.lists.pictures(events)
    return [card_of(event, house.cameras, words, pictures[event.event_id]) for event in events]


def card_of(
    event: ListedEvent, cameras: Mapping[str, CameraWorker], words: Words, pictures: int
) -> EventCard:
    """Return the card of an event of which so many frames are kept; its camera may have gone."""
    camera = cameras.get(event.camera)
    return EventCard(
        event=event,
        camera_name=event.camera if camera is None else camera.context.config.name,
        reason=reason_key(event.reason, event.state, event.kinds, words),
        pictures=pictures,
    )


def reason_key(code: str, state: State, kinds: Sequence[str], words: Words) -> str:
    """Return the key of the words for a reason; of what is relevant, what moved.

    What moved and is suppressed all the same is so by a threshold of the user's own.

    Args:
        code: of the verdict.
        state: of the event.
        kinds: of what was recognised, the most certain first.
        words: of any language.
    """
    if state is State.RELEVANT and code == "moved":
        code = next((kind for kind in kinds if kind in ALL_KINDS), code)
    elif state is State.IRRELEVANT and code == "moved":
        code = "below_threshold"
    key = f"reasons.{_SAME.get(code, code)}"
    return key if key in words else OTHER


def by_day(cards: Iterable[EventCard], after: datetime | None = None) -> list[CardsOfDay]:
    """Part cards, newest first, by the days of this machine's clock.

    Args:
        cards: of a page.
        after: when the last event of the former page moved; its day has its heading already.
    """
    begun = None if after is None else after.astimezone().date()
    return [
        CardsOfDay(day=day, cards=list(some), has_heading=day != begun)
        for day, some in itertools.groupby(
            cards, key=lambda card: card.event.motion_at.astimezone().date()
        )
    ]


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """Return when a day of this machine's clock begins and ends; it may have 23 or 25 hours."""
    begin, end = (datetime.combine(day + timedelta(days=days), time.min) for days in (0, 1))
    return begin.astimezone(), end.astimezone()


YEARS = range(2000, 2200)
"""Days of other years are none: next to the first and the last of all days there is no other."""


def day_of(text: str) -> date | None:
    """Read a day as an address has it; None where it is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in YEARS else None
