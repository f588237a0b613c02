import asyncio
import json
from typing import Any
from unittest.mock import patch

import pytest
from homeassistant.config_entries import SOURCE_MQTT, SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.veroallarme import hub, probe
from custom_components.veroallarme.const import DOMAIN

from .fixtures import subscribed
from .worker import INFO, ROOT, changed, publish, state

USER = {"prefix": "veroallarme", "site": "home"}


@pytest.fixture(autouse=True)
def short_wait():
    """Do not wait long for a worker that will not answer."""
    with patch.object(hub, "INFO_TIMEOUT_S", 0.05), patch.object(probe, "PROBE_TIMEOUT_S", 0.05):
        yield


@pytest.fixture
def set_up_nothing():
    """Stop where an entry would be set up."""
    with patch("custom_components.veroallarme.async_setup_entry", return_value=True):
        yield


async def answer(
    hass: HomeAssistant,
    flow_id: str,
    user_input: dict[str, Any],
    *,
    info: Any = INFO,
    status="online",
) -> Any:
    """Fill in a form while a worker answers what the flow asks."""
    step = hass.async_create_task(hass.config_entries.flow.async_configure(flow_id, user_input))
    with patch.object(probe, "PROBE_TIMEOUT_S", 1):
        await subscribed(hass, f"{ROOT}/info")
    publish(hass, "worker/main/status", status)
    publish(hass, "info", info)
    return await step


async def start(
    hass: HomeAssistant, source: str = SOURCE_USER, data: Any = None, **context: Any
) -> Any:
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": source, **context}, data=data
    )


def found(topic: str = f"{ROOT}/info", payload: Any = INFO) -> MqttServiceInfo:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return MqttServiceInfo(topic, text, 1, True, "veroallarme/+/info", 0.0)


@pytest.mark.usefixtures("mqtt_mock", "set_up_nothing")
async def test_a_site_is_added_by_hand(hass: HomeAssistant) -> None:
    form = await start(hass)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "user")
    result = await answer(hass, form["flow_id"], {"prefix": " veroallarme/ ", "site": "home"})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert (result["title"], result["data"]) == ("VeroAllarme home", USER)
    assert result["result"].unique_id == ROOT


@pytest.mark.usefixtures("mqtt_mock", "set_up_nothing")
@pytest.mark.parametrize(
    ("info", "status", "error"),
    [
        ("nothing", "online", "no_answer"),
        (INFO, "offline", "worker_offline"),
        ({"contract": 2}, "online", "contract_mismatch"),
    ],
)
async def test_a_site_is_added_only_where_its_worker_answers(
    hass: HomeAssistant, info: Any, status: str, error: str
) -> None:
    form = await start(hass)
    refused = await answer(hass, form["flow_id"], USER, info=info, status=status)
    assert (refused["type"], refused["errors"]) == (FlowResultType.FORM, {"base": error})
    result = await answer(hass, form["flow_id"], USER)
    assert result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("mqtt_mock")
@pytest.mark.parametrize(
    ("user_input", "errors"),
    [
        ({"prefix": "a/#", "site": "home"}, {"prefix": "invalid_prefix"}),
        ({"prefix": "", "site": "home"}, {"prefix": "invalid_prefix"}),
        ({"prefix": "veroallarme", "site": "My Home"}, {"site": "invalid_site"}),
    ],
)
async def test_prefix_and_site_are_checked(
    hass: HomeAssistant, user_input: dict[str, str], errors: dict[str, str]
) -> None:
    form = await start(hass)
    result = await hass.config_entries.flow.async_configure(form["flow_id"], user_input)
    assert result["errors"] == errors


async def test_without_mqtt_no_site_can_be_added(hass: HomeAssistant) -> None:
    with patch("homeassistant.config_entries.async_process_deps_reqs"):
        form = await start(hass)
        result = await hass.config_entries.flow.async_configure(form["flow_id"], USER)
    assert result["errors"] == {"base": "mqtt_unavailable"}


@pytest.mark.usefixtures("site")
async def test_a_site_is_added_once(hass: HomeAssistant) -> None:
    form = await start(hass)
    result = await hass.config_entries.flow.async_configure(form["flow_id"], dict(USER))
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    result = await start(hass, SOURCE_MQTT, found())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")


async def discover(hass: HomeAssistant, status: str = "online") -> Any:
    """Let a site be found whose worker is there, or not."""
    flow = hass.async_create_task(start(hass, SOURCE_MQTT, found()))
    with patch.object(probe, "PROBE_TIMEOUT_S", 0.5):
        await subscribed(hass, f"{ROOT}/info")
    publish(hass, "worker/main/status", status)
    publish(hass, "info", INFO)
    return await flow


@pytest.mark.usefixtures("mqtt_mock", "set_up_nothing")
async def test_a_site_whose_worker_is_gone_is_offered_once_it_is_back(hass: HomeAssistant) -> None:
    for _ in range(2):
        result = await discover(hass, status="offline")
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "worker_offline")
    assert hass.config_entries.flow.async_progress() == []
    with patch.object(probe, "PROBE_TIMEOUT_S", 0.5):
        publish(hass, "worker/main/status", "online")
        await subscribed(hass, f"{ROOT}/info")
        publish(hass, "worker/main/status", "online")
        publish(hass, "info", INFO)
        await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_MQTT


@pytest.mark.usefixtures("mqtt_mock", "set_up_nothing")
async def test_a_site_is_found_by_mqtt(hass: HomeAssistant) -> None:
    form = await discover(hass)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "confirm")
    assert form["description_placeholders"] == {"site": "home"}
    refused = await answer(hass, form["flow_id"], {}, status="offline")
    assert refused["errors"] == {"base": "worker_offline"}
    result = await answer(hass, form["flow_id"], {})
    assert (result["type"], result["data"]) == (FlowResultType.CREATE_ENTRY, USER)


@pytest.mark.usefixtures("mqtt_mock", "set_up_nothing")
async def test_a_site_that_was_found_can_be_added_by_hand_as_well(hass: HomeAssistant) -> None:
    await discover(hass)
    form = await start(hass)
    result = await answer(hass, form["flow_id"], dict(USER))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.usefixtures("mqtt_mock")
@pytest.mark.parametrize(
    ("discovered", "reason"),
    [
        (found(payload=""), "invalid_discovery_info"),
        (found(payload="{}"), "invalid_discovery_info"),
        (found(topic="veroallarme/NOT A SITE/info"), "invalid_discovery_info"),
        (found(payload={"contract": 2}), "contract_mismatch"),
    ],
)
async def test_what_is_no_site_is_not_offered(
    hass: HomeAssistant, discovered: MqttServiceInfo, reason: str
) -> None:
    result = await start(hass, SOURCE_MQTT, discovered)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)


async def test_a_site_that_moved_keeps_its_entities(hass: HomeAssistant, site, start_site) -> None:
    form = await start(hass, SOURCE_RECONFIGURE, entry_id=site.entry_id)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "reconfigure")
    refused = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"prefix": "elsewhere", "site": "farm"}
    )
    assert refused["errors"] == {"base": "no_answer"}

    root = "elsewhere/farm"
    step = hass.async_create_task(
        hass.config_entries.flow.async_configure(
            form["flow_id"], {"prefix": "elsewhere", "site": "farm"}
        )
    )
    with patch.object(hub, "INFO_TIMEOUT_S", 1), patch.object(probe, "PROBE_TIMEOUT_S", 1):
        await subscribed(hass, f"{root}/info")
        publish(hass, "worker/main/status", "online", root=root)
        publish(hass, "info", changed(INFO, site="farm"), root=root)
        result = await step
        assert (result["type"], result["reason"]) == (
            FlowResultType.ABORT,
            "reconfigure_successful",
        )
        assert (site.unique_id, site.title) == (root, "VeroAllarme farm")
        for _ in range(20):
            await asyncio.sleep(0)
            publish(hass, "worker/main/status", "online", root=root)
            publish(hass, "info", changed(INFO, site="farm"), root=root)
        await hass.async_block_till_done()
    publish(hass, "camera/drive/relevant", "ON", root=root)
    await hass.async_block_till_done()
    assert state(hass, "binary_sensor", "relevant_motion") == "on"


async def test_a_site_that_has_not_moved_stays_as_it_is(hass: HomeAssistant, site) -> None:
    form = await start(hass, SOURCE_RECONFIGURE, entry_id=site.entry_id)
    result = await answer(hass, form["flow_id"], dict(USER))
    assert result["reason"] == "reconfigure_successful"
    assert site.data == USER


async def test_a_site_cannot_move_to_where_another_one_is(hass: HomeAssistant, site) -> None:
    other = MockConfigEntry(domain=DOMAIN, unique_id="veroallarme/farm", data={})
    other.add_to_hass(hass)
    form = await start(hass, SOURCE_RECONFIGURE, entry_id=site.entry_id)
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"prefix": "veroallarme", "site": "farm"}
    )
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
