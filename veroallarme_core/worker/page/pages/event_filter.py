"""Which events a list shows, as its address says it and as its form asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from veroallarme_core.contract import ObjectKind, State, Zone
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.page.pages.event_cards import bounds_of, day_of
from veroallarme_core.worker.storage import EventFilter

SUPPRESSED, ALARMS = "suppressed", "alarms"
"""What may stand in place of a state: events that raised no alarm, and those that did."""
SHOWN = (ALARMS, SUPPRESSED, *(state.value for state in State))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a list is asked for; what an address names and there is not is left out."""

    camera: str = ""
    shown: str = ""
    """One of `SHOWN`; empty shows all."""
    reason: str = ""
    kind: str = ""
    day: date | None = None
    zone_name: str = ""
    """Camera and name of a zone, a slash between."""
    zone: Zone | None = None

    @classmethod
    def read(cls, query: Mapping[str, str], cameras: Mapping[str, CameraWorker]) -> Wanted:
        """Read the parameters of an address."""
        camera, shown, kind = (query.get(name, "") for name in ("camera", "shown", "kind"))
        camera = camera if camera in cameras else ""
        of_camera, _, name = query.get("zone", "").partition("/")
        zones = cameras[of_camera].context.settings.zones if of_camera in cameras else ()
        zone = next((zone for zone in zones if zone.name == name), None)
        if zone is not None:
            camera = of_camera
        return cls(
            camera=camera,
            shown=shown if shown in SHOWN else "",
            reason=query.get("reason", "")[:64],
            kind=kind if kind in set(ObjectKind) else "",
            day=day_of(query.get("day", "")),
            zone_name="" if zone is None else f"{of_camera}/{name}",
            zone=zone,
        )

    @property
    def is_everything(self) -> bool:
        """Whether nothing is filtered."""
        return not self.query

    @property
    def query(self) -> dict[str, Any]:
        """The parameters of its address."""
        given = {
            "camera": self.camera,
            "shown": self.shown,
            "reason": self.reason,
            "kind": self.kind,
            "day": "" if self.day is None else self.day.isoformat(),
            "zone": self.zone_name,
        }
        return {name: value for name, value in given.items() if value}

    def to_filter(self, cameras: Mapping[str, CameraWorker]) -> EventFilter:
        """Return what the store is asked for; events of cameras that are gone are left out."""
        since, until = (None, None) if self.day is None else bounds_of(self.day)
        return EventFilter(
            cameras=(self.camera,) if self.camera else tuple(cameras) or ("",),
            states=(State(self.shown),) if self.shown in set(State) else (),
            reasons=(self.reason,) if self.reason else (),
            kinds=(ObjectKind(self.kind),) if self.kind else (),
            alarm={ALARMS: True, SUPPRESSED: False}.get(self.shown),
            since=since,
            until=until,
        )
