"""The settings of a camera and what follows from them: does an event raise the alarm?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import voluptuous as vol

from veroallarme_core.contract.object_kinds import ALL_KINDS, ObjectKind, object_kinds
from veroallarme_core.contract.validators import number_between, one_of, truth
from veroallarme_core.contract.verdict import State
from veroallarme_core.contract.zones import ZONES, Zone


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
class CameraSettings:
    """What a user may change of a camera while the worker runs."""

    enabled: bool = True
    mode: Mode = Mode.AUTO
    on_unknown: OnUnknown = OnUnknown.ALERT
    threshold: float | None = None
    """None takes the calibrated threshold; a user's number survives every refit."""
    recall: float | None = None
    """Share of relevant events that the calibration promises, from the next one on; None takes that
    of the worker."""
    hold_s: float = 30.0
    """The shortest time that an alarm stays on, in seconds."""
    zones: tuple[Zone, ...] = ()
    """Motion that touches none of these does not count; without zones everything counts."""
    objects: tuple[ObjectKind, ...] = ALL_KINDS
    """Kinds that count: where only others are recognised for certain nothing counts."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as the contract writes them."""
        return {
            "enabled": self.enabled,
            "mode": self.mode.value,
            "on_unknown": self.on_unknown.value,
            "threshold": self.threshold,
            "recall": self.recall,
            "hold_s": self.hold_s,
            "zones": [zone.to_dict() for zone in self.zones],
            "objects": [kind.value for kind in self.objects],
        }

    def changed(self, change: Mapping[str, Any]) -> CameraSettings:
        """Return these settings with a validated change from a file or a message.

        Raises:
            voluptuous.MultipleInvalid: the change holds an unknown key or a wrong value.
        """
        return replace(self, **SETTINGS_SCHEMA(dict(change)))


SETTINGS_SCHEMA = vol.Schema(
    {
        "enabled": truth,
        "mode": one_of(Mode),
        "on_unknown": one_of(OnUnknown),
        "threshold": vol.Any(
            None, number_between(0, 1, "a score"), msg="give null or a number from 0 to 1"
        ),
        "recall": vol.Any(
            None,
            number_between(0.5, 0.999, "a share"),
            msg="give null or a share from 0.5 to 0.999",
        ),
        "hold_s": number_between(0, 3600, "seconds"),
        "zones": ZONES,
        "objects": object_kinds,
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
