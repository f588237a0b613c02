"""Zones: polygons of the picture that say where motion counts."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.object_kinds import ObjectKind, object_kinds
from veroallarme_core.contract.reading import describe_mistakes, parse_json
from veroallarme_core.contract.validators import number_between, one_of

MAX_FILE_BYTES = 64 * 1024
"""Of a file of zones."""
MAX_ZONES = 16
"""Of one camera."""
MAX_NAME = 64
"""Characters of a zone's name."""


class ZonesError(ValueError):
    """A file of zones that cannot be used; the message is one sentence for the user."""


class ZoneKind(StrEnum):
    """What motion inside a zone means."""

    ONLY = "only"
    """Motion counts here; where a camera has such zones, it counts nowhere else."""
    IGNORE = "ignore"
    """Motion here never counts."""
    ALWAYS = "always"
    """Motion here always alerts, also where another zone says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A polygon of the picture, corners in shares of width and height, and what it is for."""

    name: str
    kind: ZoneKind = ZoneKind.ONLY
    points: tuple[tuple[float, float], ...]
    objects: tuple[ObjectKind, ...] | None = None
    """Kinds that count in a zone of kind `only`; None takes the camera's."""

    def to_dict(self) -> dict[str, Any]:
        """Return the zone as the contract writes it."""
        content: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind.value,
            "points": [list(point) for point in self.points],
        }
        if self.objects is not None:
            content["objects"] = [kind.value for kind in self.objects]
        return content


def _zone(value: Any) -> Zone:
    share = number_between(0, 1, "a share of the picture's width or height")
    corner = vol.All(
        [share], vol.Length(min=2, max=2, msg="give a corner as [x, y]"), vol.Coerce(tuple)
    )
    schema = vol.Schema(
        {
            vol.Required("name"): vol.All(str, vol.Length(min=1, max=MAX_NAME)),
            vol.Optional("kind"): one_of(ZoneKind),
            vol.Optional("objects"): object_kinds,
            vol.Required("points"): vol.All(
                [corner], vol.Length(min=3, max=64, msg="give 3 to 64 corners"), vol.Coerce(tuple)
            ),
        }
    )
    return Zone(**schema(value))


ZONES = vol.All(
    [_zone], vol.Length(max=MAX_ZONES, msg=f"give at most {MAX_ZONES} zones"), vol.Coerce(tuple)
)
"""Validates a list of zones and makes a tuple of `Zone` of it."""


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return a name that none of some zones has: the wanted one, else with the next number."""
    names = {name.casefold() for name in taken}
    word, blank, number = wanted.rpartition(" ")
    if not (blank and number.isascii() and number.isdecimal() and len(number) < 4):
        word, number = wanted, "1"
    name, following = wanted, itertools.count(int(number) + 1)
    while name.casefold() in names:
        name = f"{word[: MAX_NAME - 5]} {next(following)}"
    return name


def new_names(word: str, taken: Collection[str]) -> Iterator[str]:
    """Yield names of a word and a number that neither some zones nor one another have."""
    names = set(taken)
    while True:
        name = free_name(f"{word} 1", names)
        names.add(name)
        yield name


def with_names_of_their_own(zones: Iterable[Zone]) -> tuple[Zone, ...]:
    """Return zones of which no two have the same name: pictures, lists and filters go by it."""
    named: dict[str, Zone] = {}
    for zone in zones:
        name = free_name(zone.name.strip() or zone.kind.value, named)
        named[name] = zone if name == zone.name else replace(zone, name=name)
    return tuple(named.values())


def tolerant_zones(value: Any) -> Any:
    """Validate zones, but ignore what a newer peer may say about them."""
    known = {field.name for field in fields(Zone)}
    if isinstance(value, list):
        value = [
            {name: zone[name] for name in zone if name in known} if isinstance(zone, dict) else zone
            for zone in value
        ]
    return ZONES(value)


def zones_from(content: Any) -> tuple[Zone, ...]:
    """Read any number of zones as the contract writes them.

    Raises:
        voluptuous.Invalid: it is no list of zones.
    """
    if not isinstance(content, list):
        raise vol.Invalid("give a list of zones")
    return tuple(zone for item in content for zone in tolerant_zones([item]))


def read_zones(path: Path) -> tuple[Zone, ...]:
    """Read a file of zones: a JSON list as in the settings.

    Raises:
        ZonesError: the file cannot be read or holds something else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ZonesError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ZonesError(f"{path} is longer than {MAX_FILE_BYTES} bytes: give a file of zones")
    try:
        value = parse_json(content.removeprefix(b"\xef\xbb\xbf"))
    # A hostile nesting depth ends in RecursionError, everything else in ValueError.
    except (ValueError, RecursionError):
        raise ZonesError(f"{path} is not JSON: {_LIST}") from None
    if not isinstance(value, list):
        raise ZonesError(f"{path} holds no list of zones: {_LIST}")
    try:
        return tuple(vol.Schema(tolerant_zones)(value))
    except vol.MultipleInvalid as error:
        raise ZonesError(f"{path}: {describe_mistakes(error, value)}") from None


_LIST = 'write [{"name": "drive", "kind": "only", "points": [[0, 0.3], [1, 0.3], [1, 1]]}]'
