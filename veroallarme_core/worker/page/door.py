"""The doors to the page: a port of the worker's own, and that of Home Assistant's ingress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from veroallarme_core.worker.config import IngressConfig, PageConfig, WorkerConfig


@dataclass(frozen=True)
class Door:
    """A port at which the page is served.

    Attributes:
        key: What it is called in the configuration.
        page: Who may come in at a port of the worker's own; None at the ingress.
        ingress: Who may come in at the ingress; None at a port of the worker's own.
    """

    key: str
    page: PageConfig | None = None
    ingress: IngressConfig | None = None

    @property
    def host(self) -> str:
        """Address of this machine."""
        return self._config.host

    @property
    def port(self) -> int:
        """TCP port."""
        return self._config.port

    @property
    def url(self) -> str:
        """Where it answers on this machine, without what a reverse proxy puts before it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"

    @property
    def _config(self) -> PageConfig | IngressConfig:
        config = self.page or self.ingress
        assert config is not None
        return config


def doors(config: WorkerConfig) -> Iterator[Door]:
    """Yield the doors that a worker opens; none, unless its configuration says so."""
    if config.page is not None:
        yield Door("page", page=config.page)
    if config.ingress is not None:
        yield Door("ingress", ingress=config.ingress)
