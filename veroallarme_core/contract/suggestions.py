"""Suggested zones: what a camera's own history proposes to ignore, and the user's answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.encoding import iso
from veroallarme_core.contract.validators import moment, number_between, require_id, whole_between
from veroallarme_core.contract.zones import Zone, zones_from

MAX_SUGGESTIONS = 3
"""Of one camera at a time."""
MAX_TO_LOOK_AT = 10
"""Events that are named for a look; the rest is only counted."""


@dataclass(frozen=True, kw_only=True)
class SuggestionEvidence:
    """What speaks for ignoring a zone, in plain numbers."""

    events: int
    """Events of the camera that were looked at."""
    since: datetime
    """When the first of them moved."""
    moving_share: float
    """Share of them in which something moves in the zone."""
    alarms: int
    """Events among them that were judged relevant, where the zones in force let them through."""
    suppressed: int
    """Alarms that the zone would have suppressed: all that was relevant in them lies in it, or in
    other suggested zones, which count as taken as well."""
    confirmed: int
    """Those of the suppressed that the user has called relevant: a suggestion has none."""
    rejected: int
    """Those of the suppressed that the user has called irrelevant."""
    to_look_at: int
    """Those of the suppressed that are worth a look: somebody was recognised, or they rank high."""
    look_at: Sequence[str]
    """Ids of these events, the highest score first."""

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as the contract writes it."""
        return {
            "events": self.events,
            "since": iso(self.since),
            "moving_share": round(self.moving_share, 3),
            "alarms": self.alarms,
            "suppressed": self.suppressed,
            "confirmed": self.confirmed,
            "rejected": self.rejected,
            "to_look_at": self.to_look_at,
            "look_at": list(self.look_at),
        }


@dataclass(frozen=True, kw_only=True)
class ZoneSuggestion:
    """A zone that a camera's history proposes to ignore; nothing is ignored before it is taken."""

    id: str
    zone: Zone
    evidence: SuggestionEvidence

    @property
    def sentence(self) -> str:
        """What the evidence says, for people."""
        known = self.evidence
        share = round(known.moving_share, 3)
        rejected = f" ({known.rejected} that you called irrelevant)" if known.rejected else ""
        return (
            f"Something moves here in {share:.0%} of {known.events} events; ignoring "
            f"it would have suppressed {known.suppressed} of {known.alarms} alarms{rejected}, "
            f"{known.confirmed or 'none'} that you called relevant, and "
            f"{known.to_look_at or 'none'} to look at."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the suggestion as the contract writes it."""
        return {
            "id": self.id,
            "zone": self.zone.to_dict(),
            "evidence": self.evidence.to_dict(),
            "sentence": self.sentence,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ZoneSuggestion:
        """Read what `to_dict` wrote.

        Raises:
            voluptuous.MultipleInvalid: it holds something else.
        """
        known = _SUGGESTION(dict(content))
        return cls(
            id=known["id"],
            zone=known["zone"],
            evidence=SuggestionEvidence(**known["evidence"]),
        )


@dataclass(frozen=True, kw_only=True)
class SuggestionList:
    """The zones that a camera's history proposes to ignore."""

    suggestions: Sequence[ZoneSuggestion]

    def to_dict(self) -> dict[str, Any]:
        """Return the ``suggestions`` as the contract writes them."""
        return {"suggestions": [suggestion.to_dict() for suggestion in self.suggestions]}


def _one_zone(value: Any) -> Zone:
    (zone,) = zones_from([value])
    return zone


_COUNT = whole_between(0, 10**9, "events")
_SUGGESTION = vol.Schema(
    {
        vol.Required("id"): require_id,
        vol.Required("zone"): _one_zone,
        vol.Required("evidence"): vol.Schema(
            {
                **{
                    vol.Required(name): _COUNT
                    for name in (
                        "events", "alarms", "suppressed", "confirmed", "rejected", "to_look_at"
                    )
                },
                vol.Required("since"): moment,
                vol.Required("moving_share"): number_between(0, 1, "a share"),
                vol.Required("look_at"): vol.All([require_id], vol.Length(max=MAX_TO_LOOK_AT)),
            },
            extra=vol.REMOVE_EXTRA,
        ),
    },
    extra=vol.REMOVE_EXTRA,
)  # fmt: skip
