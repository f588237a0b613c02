"""What the worker can be told, with its defaults: the only place where they stand."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from veroallarme_core.contract import CameraSettings, Topics
from veroallarme_core.worker.motion_sources import Trigger
from veroallarme_core.worker.onvif import OnvifAddress
from veroallarme_core.worker.snapshots import Source
from veroallarme_core.worker.storage import KeepLimits


@dataclass(frozen=True, kw_only=True)
class TlsConfig:
    """How the connection to the broker is encrypted."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    verify: bool = True


@dataclass(frozen=True, kw_only=True)
class BrokerConfig:
    """The MQTT broker."""

    host: str = "localhost"
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsConfig | None = None
    protocol: str = "auto"
    """``5``, ``3.1.1``, or ``auto``: 5 where the broker has it."""
    keepalive_s: int = 30
    birth_topic: str = "homeassistant/status"
    """Where Home Assistant tells that it has started; all state is published again then."""


@dataclass(frozen=True, kw_only=True)
class BurstConfig:
    """How snapshots are taken for one event."""

    size: int = 3
    spacing_s: float = 0.6
    limit_s: float = 15.0
    max_age_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """One camera: what tells that it sees motion, and where its pictures come from."""

    id: str
    name: str
    triggers: tuple[Trigger, ...]
    source: Source
    onvif: OnvifAddress | None = None
    """Where motion is told over ONVIF; None where triggers alone tell it."""
    burst: BurstConfig = field(default_factory=BurstConfig)
    settings: CameraSettings = field(default_factory=CameraSettings)
    keep: KeepLimits = field(default_factory=KeepLimits)
    publish_image: bool = True
    merge_window_s: float = 2.0
    """Starts this soon after the running event's belong to the same event."""
    reference_every_s: float = 300.0
    """How often a picture without motion is taken to compare with; 0 switches it off."""


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """How networks are run: scene encoder, object detector, and a relevance network if named."""

    enabled: bool = True
    """Without any network nothing is learned, and nothing that was learned is used."""
    backend: str = "auto"
    """``auto``, ``openvino``, ``onnxruntime`` or ``torch``."""
    model: Path | None = None
    """A relevance network of the user's own."""
    detector: Path | None = None
    """An object detector of the user's own; None takes the one that ships."""
    threads: int = 2


@dataclass(frozen=True, kw_only=True)
class LearningConfig:
    """How cameras are learned from their own events."""

    enabled: bool = True
    hour: int = 3
    """Hour of the night, local time, in which cameras are adapted."""
    recall: float = 0.99
    """Share of relevant events that is promised to get through."""


@dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """Where the worker answers who asks for its health, see `health`."""

    port: int
    host: str = "127.0.0.1"
    """Address of this machine; ``0.0.0.0`` answers other machines too."""


@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """Where the page is served, and who may see it; see `page`."""

    host: str = "127.0.0.1"
    """Address of this machine; ``0.0.0.0`` answers other machines too, and needs a login."""
    port: int = 8099
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    """What ``veroallarme hash-password`` prints, in place of the password."""
    token: str | None = field(default=None, repr=False)
    """In place of user and password: who knows it may see everything."""
    address: str | None = None
    """Where browsers find the page, such as ``https://alarm.example.org/veroallarme``."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose ``X-Forwarded-For`` is believed."""

    @property
    def has_login(self) -> bool:
        """Whether anybody is asked who they are."""
        return self.token is not None or self.username is not None


@dataclass(frozen=True, kw_only=True)
class IngressConfig:
    """Where Home Assistant's supervisor asks for the page on behalf of its users."""

    port: int = 8099
    host: str = "0.0.0.0"
    supervisor: str = "172.30.32.2"
    """The only address that is answered: it has asked users who they are."""
    link: str | None = None
    """Where Home Assistant's own pages find it, such as ``homeassistant://app/x_veroallarme``."""


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Everything ``veroallarme run`` needs."""

    cameras: tuple[CameraConfig, ...]
    topics: Topics = field(default_factory=Topics)
    worker_id: str = "main"
    broker: BrokerConfig = field(default_factory=BrokerConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    data_dir: Path = Path("data")
    state_dir: Path = Path("state")
    health: HealthConfig | None = None
    """Without it no port is opened."""
    page: PageConfig | None = None
    """Without it there is no page."""
    ingress: IngressConfig | None = None
    """The page within Home Assistant; only the app knows it."""
    discovery: bool = False
    """Whether cameras are announced to Home Assistant, for people without the integration."""

    @property
    def has_page(self) -> bool:
        """Whether people can look at the page, anywhere."""
        return self.page is not None or self.ingress is not None

    @property
    def page_link(self) -> str | None:
        """Where people find the page: what the file says, else what is known of it."""
        page = self.page
        if page is not None and page.address is not None:
            return page.address
        if self.ingress is not None and self.ingress.link is not None:
            return self.ingress.link
        if page is None or page.host in {"0.0.0.0", "::", "localhost"}:
            return None
        address = ipaddress.ip_address(page.host) if _is_address(page.host) else None
        if address is not None and address.is_loopback:
            return None
        host = f"[{page.host}]" if ":" in page.host else page.host
        return f"http://{host}:{page.port}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
