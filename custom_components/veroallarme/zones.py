"""Zones of a camera as a user gives them, checked before the worker gets them."""

from collections.abc import Sequence
from typing import Any

from .reasons import OBJECT_KINDS
from .settings import MAX_CORNERS, MAX_ZONES, MIN_CORNERS, ZoneKind

MAX_NAME_CHARACTERS = 64
_KEYS = ("name", "kind", "points", "objects")


class ZoneError(ValueError):
    """A mistake in zones: the key of its sentence, and what stands in it."""

    def __init__(self, key: str, **placeholders: str) -> None:
        """Keep what the sentence needs."""
        super().__init__(key)
        self.key = key
        self.placeholders = placeholders


def check_zones(zones: Sequence[Any]) -> list[dict[str, Any]]:
    """Return zones as the contract writes them.

    Raises:
        ZoneError: there are too many of them, or one is wrong.
    """
    if len(zones) > MAX_ZONES:
        raise ZoneError("zones_too_many", count=str(len(zones)), most=str(MAX_ZONES))
    return [_check(str(number), zone) for number, zone in enumerate(zones, 1)]


def _check(number: str, zone: Any) -> dict[str, Any]:
    content = zone if isinstance(zone, dict) else {}
    name = content.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise ZoneError("zone_name", number=number)
    # A word that is misspelt must not make a zone that is ignored one that alone counts.
    for key in content:
        if key not in _KEYS:
            raise ZoneError("zone_key", number=number, name=name, field=str(key))
    kind = content.get("kind", ZoneKind.ONLY)
    if kind not in list(ZoneKind):
        raise ZoneError("zone_kind", number=number, name=name, kind=str(kind))
    points = content.get("points")
    is_polygon = (
        isinstance(points, list)
        and MIN_CORNERS <= len(points) <= MAX_CORNERS
        and all(_is_corner(point) for point in points)
    )
    if not is_polygon:
        raise ZoneError("zone_points", number=number, name=name)
    checked = {"name": name, "kind": str(kind), "points": points}
    if "objects" in content:
        objects = content["objects"]
        is_list = isinstance(objects, list) and bool(objects)
        if not is_list or any(word not in OBJECT_KINDS for word in objects):
            raise ZoneError("zone_objects", number=number, name=name)
        checked["objects"] = objects
    return checked


def _is_corner(point: Any) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(
            isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
            for share in point
        )
    )
