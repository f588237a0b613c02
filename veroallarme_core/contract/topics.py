"""The MQTT topics of a site."""

from __future__ import annotations

from dataclasses import dataclass

COMMAND_NAMES = (
    "set",
    "feedback",
    "learn",
    "suggestion",
    "analyze",
    "config",
    "burst",
    "motion_end",
    "reference",
    "list_events",
    "get_picture",
    "ignore_here",
)
"""What a camera may be told; each has a topic of its name."""
RETAINED_SUFFIXES = (
    "relevant",
    "verdict",
    "image",
    "connectivity",
    "stats",
    "settings",
    "review",
    "suggestions",
    "suggestions_image",
)
"""What a camera keeps on the broker, and what is cleared when the camera goes."""


@dataclass(frozen=True, kw_only=True)
class Topics:
    """The topics of one site."""

    prefix: str = "veroallarme"
    site: str = "home"

    @property
    def root(self) -> str:
        """What all topics of the site begin with."""
        return f"{self.prefix}/{self.site}"

    @property
    def info(self) -> str:
        """Contract version, software version, cameras; retained."""
        return f"{self.root}/info"

    def status(self, worker: str) -> str:
        """``online`` or ``offline``; retained, and the worker's last will."""
        return f"{self.root}/worker/{worker}/status"

    def health(self, worker: str) -> str:
        """How the worker is; retained."""
        return f"{self.root}/worker/{worker}/health"

    def echo(self, worker: str) -> str:
        """What the worker says to itself, to know what the broker had kept for it."""
        return f"{self.root}/worker/{worker}/echo"

    def integration(self, entry: str) -> str:
        """What Home Assistant's integration keeps as long as it is there; retained."""
        return f"{self.root}/integration/{entry}"

    def integration_of(self, topic: str) -> str | None:
        """Return which installation of the integration a topic is about, or None."""
        head, _, entry = topic.partition(f"{self.root}/integration/")
        return entry if not head and entry and "/" not in entry else None

    def camera(self, camera: str, suffix: str) -> str:
        """One of a camera's topics."""
        return f"{self.root}/camera/{camera}/{suffix}"

    @property
    def commands(self) -> tuple[str, ...]:
        """The topic filters on which commands come in."""
        return tuple(self.camera("+", name) for name in COMMAND_NAMES)

    def command(self, topic: str) -> tuple[str, str] | None:
        """Return the camera and the name of the command that a topic stands for, or None."""
        head, _, rest = topic.partition(f"{self.root}/camera/")
        camera, _, name = rest.partition("/")
        return (camera, name) if not head and name in COMMAND_NAMES else None
