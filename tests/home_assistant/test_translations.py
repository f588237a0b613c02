"""Every language says everything that the integration asks for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.service import async_get_all_descriptions
from homeassistant.util.yaml import load_yaml_dict

from custom_components.veroallarme.const import DOMAIN
from custom_components.veroallarme.reasons import REASONS, EventState
from custom_components.veroallarme.settings import Mode, Objects, OnUnknown, ZoneKind
from custom_components.veroallarme.stats import LearningStage

from .test_card import WORDS as CARD_WORDS

INTEGRATION = Path(__file__).parents[2] / "custom_components" / "veroallarme"
ENGLISH = json.loads((INTEGRATION / "translations" / "en.json").read_text())
ICONS = json.loads((INTEGRATION / "icons.json").read_text())


def texts(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from texts(value, (*path, key))
        else:
            yield (*path, key), value


def source() -> str:
    return "\n".join(path.read_text() for path in INTEGRATION.glob("*.py"))


@pytest.mark.parametrize("language", ["de", "es", "fr", "it"])
def test_a_language_is_complete(language: str) -> None:
    text = (INTEGRATION / "translations" / f"{language}.json").read_text()
    other, english = dict(texts(json.loads(text))), dict(texts(ENGLISH))
    assert list(other) == list(english)
    for path, value in other.items():
        placeholders = re.findall(r"{\w+}", value)
        assert sorted(placeholders) == sorted(re.findall(r"{\w+}", english[path])), path


HOME_ASSISTANT_UNKNOWN = {
    "en": "unknown", "de": "unbekannt", "es": "desconocido", "fr": "inconnu", "it": "sconosciuto"
}  # fmt: skip
"""What Home Assistant says of an entity that has no state yet."""


@pytest.mark.parametrize("language", HOME_ASSISTANT_UNKNOWN)
def test_an_idea_has_one_word(language: str) -> None:
    words = json.loads((INTEGRATION / "translations" / f"{language}.json").read_text())
    card = CARD_WORDS[language]
    entity, selector = words["entity"], words["selector"]
    decision = entity["event"]["decision"]["state_attributes"]["event_type"]["state"]
    alarm = entity["binary_sensor"]["relevant_motion"]["state_attributes"]
    outcome = entity["sensor"]["outcome"]["state"]
    buttons = selector["notification"]["options"]
    assert alarm["state"]["state"] == decision
    assert {decision["relevant"], card["relevant"], buttons["relevant_button"]} == {
        alarm["feedback"]["state"]["relevant"]
    }
    assert decision["irrelevant"] == buttons["nuisance_button"]
    assert decision["irrelevant"] == alarm["feedback"]["state"]["nuisance"]
    assert decision["unknown"] == card["unknown"]
    for state in ("relevant", "irrelevant", "unknown"):
        assert outcome[state] == card[state].lower()
    assert outcome["not_suppressed_yet"] == card["would"].lower()
    assert card["show_suppressed"].lower() == buttons["suppressed_many"].removeprefix("{count} ")
    assert card["would"].lower() == buttons["would_one"].removeprefix("1 ")
    for key in ("nuisance", "relevant"):
        assert selector["feedback"]["options"][key] == card[f"was_{key}"]
    for key in ("auto", "filter", "shadow"):
        assert selector["mode"]["options"][key] == entity["select"]["mode"]["state"][key]


@pytest.mark.parametrize("language", HOME_ASSISTANT_UNKNOWN)
def test_what_cannot_be_judged_is_not_called_as_an_entity_without_a_state(language: str) -> None:
    words = json.loads((INTEGRATION / "translations" / f"{language}.json").read_text())
    for path, text in [*texts(words["entity"]), *texts(CARD_WORDS[language])]:
        assert text.lower() != HOME_ASSISTANT_UNKNOWN[language], path


@pytest.mark.usefixtures("all_entities_enabled")
async def test_every_entity_has_a_name_and_an_icon(hass: HomeAssistant, site) -> None:
    entities = er.async_entries_for_config_entry(er.async_get(hass), site.entry_id)
    by_class = {"worker", "problem"}  # the device class brings the icon, and a name for the latter
    for entity in entities:
        key = entity.translation_key
        assert key is not None
        domain = entity.entity_id.partition(".")[0]
        assert key == "problem" or "name" in ENGLISH["entity"][domain][key]
        assert key in by_class or key in ICONS["entity"][domain]
    assert len(entities) == 3 + 2 * 26


def test_words_are_those_of_the_contract() -> None:
    assert set(ENGLISH["selector"]["zone_kind"]["options"]) == set(ZoneKind)
    selects, events = ENGLISH["entity"]["select"], ENGLISH["entity"]["event"]
    assert set(selects["mode"]["state"]) == set(Mode)
    assert set(selects["on_unknown"]["state"]) == set(OnUnknown)
    assert set(selects["objects"]["state"]) == set(Objects)
    sensors = ENGLISH["entity"]["sensor"]
    assert set(sensors["reason"]["state"]) == set(REASONS)
    assert set(sensors["learning_stage"]["state"]) == set(LearningStage)
    decided = events["decision"]["state_attributes"]["event_type"]["state"]
    assert set(decided) == set(EventState)


def test_what_can_go_wrong_is_said() -> None:
    code = source()
    for kind in ("exceptions", "issues"):
        for key in ENGLISH[kind]:
            assert f'"{key}"' in code, f"{kind}: {key} is never used"
    for key in re.findall(r'translation_key="(\w+)"|_refusal\("(\w+)"', code):
        assert "".join(key) in ENGLISH["exceptions"] or key[0] in ENGLISH["selector"], key


def test_actions_are_described() -> None:
    actions = load_yaml_dict(INTEGRATION / "services.yaml")
    assert set(actions) == set(ENGLISH["services"]) == set(ICONS["services"])
    for name, action in actions.items():
        assert set(action["fields"]) == set(ENGLISH["services"][name]["fields"])


async def test_home_assistant_reads_the_descriptions_of_the_actions(
    hass: HomeAssistant, site, caplog: pytest.LogCaptureFixture
) -> None:
    """One selector that it does not know, and none of the actions has a form."""
    described = (await async_get_all_descriptions(hass))[DOMAIN]
    assert "Unable to parse" not in caplog.text
    for name, texts_of_action in ENGLISH["services"].items():
        assert set(described[name]["fields"]) == set(texts_of_action["fields"])


def test_the_quality_scale_leaves_nothing_open() -> None:
    rules = load_yaml_dict(INTEGRATION / "quality_scale.yaml")["rules"]
    assert len(rules) == 54
    for name, rule in rules.items():
        assert rule == "done" or (rule["status"] in {"done", "exempt"} and rule["comment"]), name
