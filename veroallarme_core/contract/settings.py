"""The settings of a camera and what follows from them: does an event raise the alarm?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.verdict import State, is_valid_id


class Mode(StrEnum):
    """How far a camera's verdicts reach its alarm."""

    AUTO = "auto"
    """Filter once the promised recall can be kept, alert on everything until then."""
    FILTER = "filter"
    SHADOW = "shadow"
    """Judge and show, but let every motion through."""


class OnUnknown(StrEnum):
    """What an event that cannot be judged does to the alarm."""

    ALERT = "alert"
    SUPPRESS = "suppress"


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A polygon of the picture in which motion counts, corners in shares of width and height."""

    name: str
    points: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the zone as the contract writes it."""
        return {"name": self.name, "points": [list(point) for point in self.points]}


@dataclass(frozen=True, kw_only=True)
class CameraSettings:
    """What a user may change of a camera while the worker runs."""

    enabled: bool = True
    mode: Mode = Mode.AUTO
    on_unknown: OnUnknown = OnUnknown.ALERT
    threshold: float | None = None
    """None takes the calibrated threshold; a user's number survives every refit."""
    hold_s: float = 30.0
    """The shortest time that an alarm stays on, in seconds."""
    zones: tuple[Zone, ...] = ()
    """Motion that touches none of these does not count; without zones everything counts."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as the contract writes them."""
        return {
            "enabled": self.enabled,
            "mode": self.mode.value,
            "on_unknown": self.on_unknown.value,
            "threshold": self.threshold,
            "hold_s": self.hold_s,
            "zones": [zone.to_dict() for zone in self.zones],
        }

    def changed(self, change: Mapping[str, Any]) -> CameraSettings:
        """Return these settings with a validated change from a file or a message.

        Raises:
            voluptuous.MultipleInvalid: the change holds an unknown key or a wrong value.
        """
        return replace(self, **SETTINGS_SCHEMA(dict(change)))


def number_between(low: float, high: float, unit: str) -> Any:
    """Return a validator for a finite number in ``[low, high]``; truth values are refused."""

    def validate(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise vol.Invalid(f"give a number from {low:g} to {high:g} ({unit})")
        # NaN compares false, so this refuses it as well.
        if not low <= value <= high:
            raise vol.Invalid(f"give a number from {low:g} to {high:g} ({unit})")
        return float(value)

    return validate


def one_of(kind: type[StrEnum]) -> Any:
    """Return a validator that turns a word into a member of ``kind``."""
    words = ", ".join(member.value for member in kind)

    def validate(value: Any) -> StrEnum:
        try:
            return kind(value)
        except ValueError:
            raise vol.Invalid(f"choose one of {words}") from None

    return validate


def truth(value: Any) -> bool:
    """Accept true and false only; a text such as "no" is refused rather than taken for true."""
    if not isinstance(value, bool):
        raise vol.Invalid("give true or false")
    return value


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


SETTINGS_SCHEMA = vol.Schema(
    {
        "enabled": truth,
        "mode": one_of(Mode),
        "on_unknown": one_of(OnUnknown),
        "threshold": vol.Any(
            None, number_between(0, 1, "a score"), msg="give null or a number from 0 to 1"
        ),
        "hold_s": number_between(0, 3600, "seconds"),
        "zones": vol.All(
            [_zone], vol.Length(max=16, msg="give at most 16 zones"), vol.Coerce(tuple)
        ),
    }
)

SETTING_NAMES = tuple(field.name for field in fields(CameraSettings))


def raises_alarm(settings: CameraSettings, state: State, *, learning: bool) -> bool:
    """Apply the truth table: what the automation sees of an event of this state.

    Everything alerts but proven nuisance, and what the user told us to suppress.
    """
    if not settings.enabled or settings.mode is Mode.SHADOW:
        return True
    if settings.mode is Mode.AUTO and learning:
        return True
    match state:
        case State.RELEVANT:
            return True
        case State.IRRELEVANT:
            return False
        case State.UNKNOWN:
            return settings.on_unknown is OnUnknown.ALERT


def require_id(value: Any) -> str:
    """Accept an id, as a validator for configuration and messages."""
    if not isinstance(value, str) or not is_valid_id(value):
        raise vol.Invalid("use 1 to 64 of the characters a-z, 0-9 and _")
    return value
