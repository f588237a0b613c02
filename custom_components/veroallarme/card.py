"""The card for dashboards: its files are served, and every page of Home Assistant loads it."""

import hashlib
from pathlib import Path

from homeassistant.components.frontend import add_extra_js_url
from homeassistant.components.http import StaticPathConfig
from homeassistant.core import HomeAssistant

FOLDER = Path(__file__).parent / "frontend"
MAIN = "veroallarme-card.js"


async def async_register_card(hass: HomeAssistant) -> None:
    """Serve the card, and let the frontend load it; without a frontend nobody asks for it."""
    if "frontend" not in hass.config.components:
        return
    # A browser keeps the files for weeks: another release has other addresses.
    version = await hass.async_add_executor_job(_digest)
    root = f"/veroallarme/{version}"
    await hass.http.async_register_static_paths([StaticPathConfig(root, str(FOLDER), True)])
    add_extra_js_url(hass, f"{root}/{MAIN}")


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(FOLDER.glob("*.js")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
