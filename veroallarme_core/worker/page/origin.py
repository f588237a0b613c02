"""From where a request comes: which machine, by which name, and from a page of whose."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import web

from veroallarme_core.worker.config import PageConfig

_INGRESS_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+){1,8}")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def peer_address(request: web.Request) -> str:
    """Return the address of the machine at the other end of the connection."""
    peer = None if request.transport is None else request.transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


def client_address(request: web.Request, config: PageConfig) -> str:
    """Return the address of who asks, by what a trusted proxy says of it.

    Each proxy adds at the right whom it heard; what no trusted one has added anybody can write.
    """
    address = peer_address(request)
    for said in reversed(_forwarded(request, config, "X-Forwarded-For")):
        if not _is_trusted(address, config):
            break
        address = said
    return address


def is_secure(request: web.Request, config: PageConfig) -> bool:
    """Whether the browser speaks https, to us or to the proxy before us."""
    if config.address is not None and config.address.startswith("https:"):
        return True
    said = _forwarded(request, config, "X-Forwarded-Proto")
    return request.secure or said[-1:] == ["https"]


def prefix(request: web.Request, config: PageConfig) -> str:
    """Return what stands before our paths in the browser: the path of the configured address.

    Who comes past the proxy, as from this machine, sees none.
    """
    path = urlsplit(config.address or "").path.rstrip("/")
    # Many proxies name the worker's own address as the host.
    is_by_proxy = bool(_forwarded(request, config, "X-Forwarded-For"))
    is_local = _host_of(request.host) in _LOCAL_NAMES
    return path if is_by_proxy or not is_local else ""


def ingress_prefix(request: web.Request) -> str:
    """Return what stands before our paths in the browser, by Home Assistant's word."""
    said = request.headers.get("X-Ingress-Path", "").rstrip("/")
    return said if _INGRESS_PATH.fullmatch(said) else ""


def is_our_name(request: web.Request, config: PageConfig) -> bool:
    """Whether the browser knows us by a name that is ours.

    Without a login whoever reaches the port may come in, so only loopback reaches it. A page of
    somebody else in a browser of this machine could reach it too, by a name of its own that it lets
    point to 127.0.0.1; that name gives it away.
    """
    if config.has_login:
        return True
    allowed = {*_LOCAL_NAMES, config.host.lower()}
    if config.address is not None:
        allowed.add(urlsplit(config.address).hostname or "")
    return _host_of(request.host) in allowed


def is_embedded_elsewhere(request: web.Request) -> bool:
    """Whether a page of somebody else loads this as a picture, a script or the like.

    A link to one of our pages is another matter: notifications have them.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_visit = request.headers.get("Sec-Fetch-Mode") == "navigate"
    return site not in {"same-origin", "none"} and not is_visit


def comes_from_elsewhere(request: web.Request, config: PageConfig | None) -> bool:
    """Whether a page of somebody else has the browser ask this.

    Args:
        request: One that would change something.
        config: Of the page; None at the ingress, where Home Assistant stands between.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    if origin is None or config is None:
        return False  # no browser, or one that the token alone has to convince
    host = urlsplit(origin).netloc.lower()
    ours = {request.host.lower(), *_forwarded(request, config, "X-Forwarded-Host")}
    if config.address is not None:
        ours.add(urlsplit(config.address).netloc.lower())
    return host not in ours


def _host_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _forwarded(request: web.Request, config: PageConfig, header: str) -> list[str]:
    """Return what proxies say, if the one that asks is trusted; the latest one last."""
    if not _is_trusted(peer_address(request), config):
        return []
    said = ",".join(request.headers.getall(header, []))[:2000]
    return [part.strip().lower() for part in said.split(",") if part.strip()]


def _is_trusted(address: str, config: PageConfig) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in ipaddress.ip_network(known) for known in config.trusted_proxies)
