"""The settings of a camera, as the contract writes them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, final

from .payload import (
    PayloadError,
    read_bool,
    read_enum,
    read_number,
    read_objects,
    read_optional,
    read_share,
    read_text,
)

MAX_ZONES = 16
MIN_CORNERS, MAX_CORNERS = 3, 64


class Mode(StrEnum):
    """How far a camera's verdicts reach its alarm."""

    AUTO = "auto"
    FILTER = "filter"
    SHADOW = "shadow"


class OnUnknown(StrEnum):
    """What an event that cannot be judged does to the alarm."""

    ALERT = "alert"
    SUPPRESS = "suppress"


class Objects(StrEnum):
    """Which kinds of objects count, as one of a few words; the value names the kinds."""

    ALL = "person_animal_vehicle"
    PERSON_ANIMAL = "person_animal"
    PERSON_VEHICLE = "person_vehicle"
    ANIMAL_VEHICLE = "animal_vehicle"
    PERSON = "person"
    ANIMAL = "animal"
    VEHICLE = "vehicle"

    @property
    def kinds(self) -> list[str]:
        """The kinds as the contract writes them."""
        return self.value.split("_")


def _objects(content: Mapping[str, Any]) -> Objects | None:
    """Read which kinds of objects count; None where the worker knows no such setting."""
    kinds = content.get("objects")
    if kinds is None:
        return None
    if isinstance(kinds, list):
        for objects in Objects:
            if all(kind in kinds for kind in objects.kinds) and len(kinds) == len(objects.kinds):
                return objects
    raise PayloadError("objects is no list of kinds")


class ZoneKind(StrEnum):
    """What motion inside a zone means."""

    ONLY = "only"
    IGNORE = "ignore"
    ALWAYS = "always"


def read_zone(content: Mapping[str, Any]) -> dict[str, Any]:
    """Read a zone; one without a kind is of the time before there were any."""
    kind = read_optional(lambda *field: read_enum(ZoneKind, *field), content, "kind")
    points = content.get("points")
    if not isinstance(points, list) or not MIN_CORNERS <= len(points) <= MAX_CORNERS:
        raise PayloadError("points is no polygon")
    zone: dict[str, Any] = {
        "name": read_text(content, "name"),
        "kind": (kind or ZoneKind.ONLY).value,
        "points": [_corner(point) for point in points],
    }
    if (objects := _objects(content)) is not None:
        zone["objects"] = objects.kinds
    return zone


def _corner(point: Any) -> list[float]:
    if not isinstance(point, list) or len(point) != 2:
        raise PayloadError("points holds no corners")
    x, y = (read_share({"points": share}, "points") for share in point)
    return [x, y]


@final
@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a camera that Home Assistant shows."""

    enabled: bool
    mode: Mode
    on_unknown: OnUnknown
    threshold: float | None
    """None takes the calibrated threshold."""
    hold_s: float
    zones: list[dict[str, Any]]
    objects: Objects | None
    """None where the worker knows no such setting."""

    @property
    def zones_key(self) -> str:
        """What names these zones: another key means that other zones are drawn into pictures."""
        return hashlib.sha256(json.dumps(self.zones).encode()).hexdigest()[:16]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read ``settings``."""
        return cls(
            enabled=read_bool(content, "enabled"),
            mode=read_enum(Mode, content, "mode"),
            on_unknown=read_enum(OnUnknown, content, "on_unknown"),
            threshold=read_optional(read_share, content, "threshold"),
            hold_s=read_number(content, "hold_s", 3600.0),
            zones=[
                read_zone(zone) for zone in read_objects(content.get("zones"), "zones", MAX_ZONES)
            ],
            objects=_objects(content),
        )
