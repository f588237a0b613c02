"""Which events a list shows, as its address says it and as its form asks it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from veroallarme_core.contract import ObjectKind, State, Zone
from veroallarme_core.worker.camera import CameraWorker
from veroallarme_core.worker.page.pages.event_cards import bounds_of, day_of
from veroallarme_core.worker.storage import EventFilter

SUPPRESSED, ALARMS, WOULD = "suppressed", "alarms", "would"
"""What may stand in place of a state: events that raised no alarm, those that did, and those that
did though they were judged nuisance: a camera that is still being learned alerts for all."""
SHOWN = (ALARMS, SUPPRESSED, WOULD, *(state.value for state in State))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a list is asked for; what an address names and there is not is left out, and told."""

    camera: str = ""
    shown: str = ""
    """One of `SHOWN`; empty shows all."""
    reason: str = ""
    kind: str = ""
    day: date | None = None
    zone_name: str = ""
    """Camera and name of a zone, a slash between."""
    zone: Zone | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """What an address asks for and there is not, by the name of the filter."""

    @classmethod
    def read(cls, query: Mapping[str, str], cameras: Mapping[str, CameraWorker]) -> Wanted:
        """Read the parameters of an address."""
        camera, shown, kind = (query.get(name, "") for name in ("camera", "shown", "kind"))
        of_camera, _, name = query.get("zone", "").partition("/")
        zones = cameras[of_camera].context.settings.zones if of_camera in cameras else ()
        zone = next((zone for zone in zones if zone.name == name), None)
        day = day_of(query.get("day", ""))
        is_known = {
            "camera": camera in cameras,
            "shown": shown in SHOWN,
            "kind": kind in set(ObjectKind),
            "day": day is not None,
            "zone": zone is not None,
        }
        if zone is not None:
            camera = of_camera
        return cls(
            camera=camera if camera in cameras else "",
            shown=shown if is_known["shown"] else "",
            reason=query.get("reason", "")[:64],
            kind=kind if is_known["kind"] else "",
            day=day,
            zone_name="" if zone is None else f"{of_camera}/{name}",
            zone=zone,
            unknown={
                name: query[name]
                for name, known in is_known.items()
                if query.get(name) and not known
            },
        )

    def among(self, reasons: Collection[str]) -> Wanted:
        """Return it without a reason that is none of these."""
        if not self.reason or self.reason in reasons:
            return self
        return replace(self, reason="", unknown={**self.unknown, "reason": self.reason})

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
        state = State.IRRELEVANT if self.shown == WOULD else self.shown
        return EventFilter(
            cameras=(self.camera,) if self.camera else tuple(cameras) or ("",),
            states=(State(state),) if state in set(State) else (),
            reasons=(self.reason,) if self.reason else (),
            kinds=(ObjectKind(self.kind),) if self.kind else (),
            alarm={ALARMS: True, WOULD: True, SUPPRESSED: False}.get(self.shown),
            since=since,
            until=until,
        )
