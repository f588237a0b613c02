"""When a site needs its user: the causes of its repair issues, apart from those of a bridge."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import callback

from .cameras import Camera
from .contract import CONTRACT_VERSION, CameraInfo, Fault, Info, Origin
from .issues import Issues
from .stats import Outcome

STUCK_EVENTS = 1000
"""Far more than a promise needs: a camera without one by then will not get it by waiting."""


_TOLD_APART = ("notice", "learning", "suggestions", "snapshots")
"""Not trouble with the camera itself, or told by a repair of its own."""


class SiteIssues:
    """Looks for trouble of one site that only the user can end."""

    def __init__(self, issues: Issues, entry: ConfigEntry) -> None:
        """Set up for a site, which is told by the name that its user gave it."""
        self._issues = issues
        self._entry = entry
        self._snapshot_faults: dict[str, str] = {}
        """Why pictures of a camera do not come, as the worker says it."""

    @callback
    def async_check_contract(self, info: Info) -> None:
        """Look whether the worker speaks another contract."""
        self._issues.async_set(
            "contract_mismatch",
            not info.supported,
            {
                "site": self._entry.title,
                "worker": str(info.contract),
                "here": str(CONTRACT_VERSION),
            },
            patience_s=0,
        )

    @callback
    def async_check_worker(self, online: bool, info: Info | None) -> None:
        """Look whether there is no worker; one of another contract is an issue of its own."""
        supported = info is None or info.supported
        self._issues.async_set(
            "worker_offline", supported and not online, {"site": self._entry.title}
        )

    @callback
    def async_check_clock(self, lead: timedelta) -> None:
        """Look whether the worker's clock differs from ours."""
        minutes = max(1, round(abs(lead).total_seconds() / 60))
        placeholders = {"site": self._entry.title, "minutes": str(minutes)}
        self._issues.async_set("clock_difference", bool(lead), placeholders)

    @callback
    def async_check_faults(self, faults: Sequence[Fault], names: Mapping[str, str]) -> None:
        """Look whether a worker reports trouble with its cameras.

        Args:
            faults: all that is wrong.
            names: of all cameras, by their ids.
        """
        for camera_id, name in names.items():
            told = {
                fault.key.partition("/")[2]: fault.message.removeprefix(f"{camera_id}: ")
                for fault in faults
                if fault.camera_id == camera_id
            }
            self._snapshot_faults[camera_id] = told.get("snapshots", "")
            other = [message for about, message in told.items() if about not in _TOLD_APART]
            self._issues.async_set(
                "camera_fault",
                bool(other),
                {"camera": name, "fault": "\n\n".join(other)},
                camera_id=camera_id,
            )

    @callback
    def async_check_bridged(
        self, names: Mapping[str, str], offered: Mapping[str, CameraInfo]
    ) -> None:
        """Look whether the worker serves the cameras that Home Assistant bridges.

        Args:
            names: of the bridged cameras, by their ids.
            offered: the cameras that the worker has.
        """
        for camera_id, name in names.items():
            info = offered.get(camera_id)
            self._issues.async_set(
                "not_served",
                info is None or info.origin != Origin.HOME_ASSISTANT,
                {"camera": name},
                camera_id=camera_id,
            )

    @callback
    def async_check_camera(self, camera: Camera, name: str, kind: str) -> None:
        """Look whether news of one kind of topic is trouble."""
        if kind == "connectivity":
            self._issues.async_set(
                "no_snapshots",
                camera.connected is False,
                {"camera": name, "fault": self._snapshot_faults.get(camera.id, "")},
                camera_id=camera.id,
            )
        elif kind == "stats" and camera.stats is not None:
            learning = camera.stats.learning
            stuck = camera.stats.outcome is Outcome.FAILED or (
                not learning.learned and learning.events_seen >= STUCK_EVENTS
            )
            placeholders = {"camera": name, "missing": learning.missing or "–"}
            self._issues.async_set("learning_stuck", stuck, placeholders, camera_id=camera.id)
