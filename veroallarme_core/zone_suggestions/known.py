"""What was proposed to the user of a camera, and what he has refused, in the camera's state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import voluptuous as vol

from veroallarme_core.contract import Zone, ZoneSuggestion, zones_from
from veroallarme_core.files import write_atomically
from veroallarme_core.zone_suggestions.canvas import Canvas, Mask

SAME_AREA = 0.5
"""Intersection over union from which two areas are the same one: what was refused is not proposed
again, and what is proposed still keeps its id."""
MOST_REFUSED = 32
_MAX_FILE_BYTES = 256 * 1024
_CANVAS = Canvas((3, 4))  # areas in shares of the picture compare the same on any raster


class SuggestionFileError(ValueError):
    """A file of suggestions that cannot be used; the message is one sentence."""


@dataclass(frozen=True, kw_only=True)
class KnownSuggestions:
    """What is proposed, and what was refused."""

    offered: tuple[ZoneSuggestion, ...] = ()
    refused: tuple[Zone, ...] = ()
    """The latest last."""

    def renewed(self, found: Sequence[ZoneSuggestion]) -> KnownSuggestions:
        """Propose what was found anew, but for what the user has refused."""
        refused = [_CANVAS.drawn(zone) for zone in self.refused]
        offered: list[ZoneSuggestion] = []
        for suggestion in found:
            area = _CANVAS.drawn(suggestion.zone)
            if any(_is_same(area, other) for other in refused):
                continue
            taken = {other.id for other in offered}
            former = (
                known.id
                for known in self.offered
                if known.id not in taken and _is_same(area, _CANVAS.drawn(known.zone))
            )
            offered.append(replace(suggestion, id=next(former, suggestion.id)))
        return replace(self, offered=tuple(offered))

    def find(self, suggestion_id: str) -> ZoneSuggestion | None:
        """Return what is proposed under an id; None where nothing is."""
        return next((known for known in self.offered if known.id == suggestion_id), None)

    def without(self, suggestion: ZoneSuggestion) -> KnownSuggestions:
        """Propose it no more: it was taken."""
        return replace(
            self, offered=tuple(known for known in self.offered if known.id != suggestion.id)
        )

    def refusing(self, suggestion: ZoneSuggestion) -> KnownSuggestions:
        """Propose it no more, nor its like."""
        refused = (*self.refused, suggestion.zone)[-MOST_REFUSED:]
        return replace(self.without(suggestion), refused=refused)

    @classmethod
    def load(cls, path: Path) -> KnownSuggestions:
        """Read a file; nothing is known where there is none.

        Raises:
            SuggestionFileError: it cannot be read or holds something else.
        """
        try:
            with path.open("rb") as file:
                content = json.loads(file.read(_MAX_FILE_BYTES))
            return cls(
                offered=tuple(ZoneSuggestion.from_dict(item) for item in content["offered"]),
                refused=zones_from(content["refused"]),
            )
        except FileNotFoundError:
            return cls()
        # A hostile nesting depth ends in RecursionError.
        except (OSError, ValueError, KeyError, TypeError, RecursionError, vol.Invalid) as error:
            reason = " ".join(str(error).split())[:120]
            raise SuggestionFileError(
                f"{path} cannot be used ({reason}): refused suggestions may come again"
            ) from None

    def save(self, path: Path) -> None:
        """Write the file in one step.

        Raises:
            OSError: it cannot be written.
        """
        content = {
            "offered": [suggestion.to_dict() for suggestion in self.offered],
            "refused": [zone.to_dict() for zone in self.refused],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content, indent=2) + "\n")


def _is_same(area: Mask, other: Mask) -> bool:
    return bool((area & other).sum() >= SAME_AREA * max(1, (area | other).sum()))
