"""Zones: polygons of the picture that say where motion counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.validators import number_between


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A polygon of the picture in which motion counts, corners in shares of width and height."""

    name: str
    points: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the zone as the contract writes it."""
        return {"name": self.name, "points": [list(point) for point in self.points]}


def _zone(value: Any) -> Zone:
    share = number_between(0, 1, "a share of the picture's width or height")
    corner = vol.All(
        [share], vol.Length(min=2, max=2, msg="give a corner as [x, y]"), vol.Coerce(tuple)
    )
    schema = vol.Schema(
        {
            vol.Required("name"): vol.All(str, vol.Length(min=1, max=64)),
            vol.Required("points"): vol.All(
                [corner], vol.Length(min=3, max=64, msg="give 3 to 64 corners"), vol.Coerce(tuple)
            ),
        }
    )
    return Zone(**schema(value))


ZONES = vol.All([_zone], vol.Length(max=16, msg="give at most 16 zones"), vol.Coerce(tuple))
"""Validates a list of zones and makes a tuple of `Zone` of it."""
