import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.frontend import DATA_EXTRA_MODULE_URL
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from custom_components.veroallarme.card import FOLDER, MAIN
from custom_components.veroallarme.const import DOMAIN
from custom_components.veroallarme.reasons import EventState

FAULTS = (FOLDER.parent / "event_list.py").read_text()
WORDS: dict[str, dict[str, str]] = json.loads(
    (FOLDER / "words.js").read_text().removeprefix("export default ").rstrip(";\n")
)


async def test_the_frontend_loads_the_card_and_all_its_files(
    hass: HomeAssistant, mqtt_mock: Any, hass_client_no_auth
) -> None:
    assert await async_setup_component(hass, "frontend", {})
    assert await async_setup_component(hass, DOMAIN, {})
    (address,) = [url for url in hass.data[DATA_EXTRA_MODULE_URL].urls if MAIN in url]
    browser = await hass_client_no_auth()
    folder = address.removesuffix(MAIN)
    for path in FOLDER.glob("*.js"):
        answer = await browser.get(folder + path.name)
        assert answer.status == HTTPStatus.OK
        assert "javascript" in answer.content_type


async def test_without_a_frontend_there_is_no_card(hass: HomeAssistant, mqtt_mock: Any) -> None:
    assert await async_setup_component(hass, DOMAIN, {})
    assert DATA_EXTRA_MODULE_URL not in hass.data


def test_the_card_asks_for_nothing_outside() -> None:
    for path in FOLDER.glob("*.js"):
        text = path.read_text()
        addresses = set(re.findall(r"https?://[^\"'` ]+", text))
        allowed = {
            "http://www.w3.org/2000/svg",
            "https://github.com/veroallarme/veroallarme/blob/main/docs/home-assistant.md#card",
        }
        assert addresses <= allowed, path.name
        for module in re.findall(r'from "([^"]+)"', text):
            assert (FOLDER / Path(module).name).is_file(), f"{path.name}: {module}"


@pytest.mark.parametrize("language", ["de", "es", "fr", "it"])
def test_the_card_speaks_every_language(language: str) -> None:
    english = WORDS["en"]
    assert list(WORDS[language]) == list(english)
    for key, words in WORDS[language].items():
        assert words
        placeholders = re.findall(r"{\w+}", english[key])
        assert sorted(re.findall(r"{\w+}", words)) == sorted(placeholders), key


def test_every_word_is_used_and_no_other_is_needed() -> None:
    code = "\n".join(path.read_text() for path in FOLDER.glob("*.js") if path.name != "words.js")
    for key in WORDS["en"]:
        from_python = key in EventState or f'"{key}"' in FAULTS
        assert from_python or f'"{key}"' in code, key
    for key in re.findall(r'(?:say\([^,()]+, |tell\()"(\w+)"', code):
        assert key in WORDS["en"], key
