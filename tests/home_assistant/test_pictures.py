import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.camera import Camera
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.veroallarme import pictures
from custom_components.veroallarme.issues import PATIENCE_S
from custom_components.veroallarme.pictures import (
    BurstCamera,
    Capture,
    PictureError,
    async_take_picture,
    describe,
    is_picture,
)

from .repairs import shown
from .worker import JPEG, publish

CAMERA, MOTION = "camera.front_door", "binary_sensor.front_door_motion"
PNG = b"\x89PNG\r\n\x1a\npicture"
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 picture"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<ResponseStatus><id>6</id></ResponseStatus>'
HTML = b"<!DOCTYPE html><html><body>401 Unauthorized</body></html>"
XHTML = b'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"></html>'
JSON = b'{"error": {"code": 1}}'
TEXT = b"Error: device busy"

type Answer = bytes | str | BaseException | None


class FrontDoor(Camera):
    """A camera entity of Home Assistant whose integration answers as it is told."""

    _attr_name = "Front door"

    def __init__(self) -> None:
        super().__init__()
        self.entity_id = CAMERA
        self.answers: list[Answer] = []
        self.asked = 0
        self.hangs = False

    async def async_camera_image(
        self, width: int | None = None, height: int | None = None
    ) -> bytes | None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        answer = self.answers.pop(0) if self.answers else JPEG + bytes([self.asked])
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]


@pytest.fixture
async def camera(hass: HomeAssistant) -> FrontDoor:
    """Add the entity to Home Assistant's own camera component."""
    assert await async_setup_component(hass, "camera", {})
    camera = FrontDoor()
    await hass.data[DATA_COMPONENT].async_add_entities([camera])
    return camera


async def capture(hass: HomeAssistant, size: int = 3, max_burst_bytes: int = 1_000_000) -> Capture:
    taken = Capture()
    await BurstCamera(hass, lambda: max_burst_bytes).async_capture(CAMERA, size, 0.0, taken)
    return taken


@pytest.mark.parametrize("content", [JPEG, PNG, WEBP])
def test_a_picture_is_known_by_its_beginning(content: bytes) -> None:
    assert is_picture(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (XML, "an XML document"),
        (b"\xef\xbb\xbf" + XML, "an XML document"),
        (HTML, "an HTML page"),
        (b"\r\n  " + HTML.upper(), "an HTML page"),
        (XHTML, "an HTML page"),
        (b"<soap:Envelope>", "an XML document"),
        (JSON, "a JSON text"),
        (TEXT, "a text"),
        (b"GIF89a", "a GIF picture"),
        (b"BM\x36\x00", "a BMP picture"),
        (b"RIFF\x10\x00\x00\x00AVI LIST", "something that is no picture"),
        (b"\xff\xd8", "something that is no picture"),
        (bytes(500), "something that is no picture"),
    ],
)
def test_what_is_none_is_named(content: bytes, kind: str) -> None:
    assert not is_picture(content)
    assert describe(content, "image/jpeg").startswith(
        f"{kind} ({len(content)} bytes, declared as image/jpeg"
    )


def test_what_came_is_not_repeated() -> None:
    page = b"<html>http://admin:secret@192.168.1.20</html>"
    assert "secret" not in describe(page, "text/html")


@pytest.mark.parametrize("page", [XML, HTML, JSON, TEXT])
async def test_an_error_page_is_no_picture_of_a_burst(
    hass: HomeAssistant, camera: FrontDoor, page: bytes
) -> None:
    camera.answers = [page, JPEG + b"1", page, JPEG + b"2", JPEG + b"3"]
    taken = await capture(hass)
    assert len(taken.frames) == 3
    assert taken.fault is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (XML, "an XML document (82 bytes, declared as image/jpeg) (6x)"),
        (b"", "HomeAssistantError: Unable to get image (6x)"),
        (None, "HomeAssistantError: Unable to get image (6x)"),
        (HomeAssistantError("it is off"), "HomeAssistantError: it is off (6x)"),
        (OSError("http://a:b@10.0.0.7/s is gone"), "OSError: … is gone (6x)"),
        (RuntimeError(), "RuntimeError (6x)"),
        (asyncio.CancelledError(), "HomeAssistantError: Unable to get image (6x)"),
        ("a text", "no bytes but str (6x)"),
        (JPEG, "the same picture again (5x)"),
        (JPEG + bytes(10_000_000), "a picture of 10.0 MB, where 0.2 MB fit (6x)"),
    ],
)
async def test_what_comes_instead_of_pictures_is_told(
    hass: HomeAssistant, camera: FrontDoor, answer: Answer, fault: str
) -> None:
    camera.answers = [answer] * 20
    taken = await capture(hass)
    assert len(taken.frames) == (1 if answer == JPEG else 0)
    assert taken.fault == fault


async def test_a_camera_that_hangs_is_told(
    hass: HomeAssistant, camera: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "BURST_LIMIT_S", 0.05)
    camera.hangs = True
    taken = await capture(hass)
    assert (taken.frames, taken.fault) == ([], "no answer in time (1x)")


async def test_a_camera_that_is_missing_is_told(hass: HomeAssistant, camera: FrontDoor) -> None:
    with pytest.raises(PictureError, match="HomeAssistantError: Camera not found"):
        await async_take_picture(hass, "camera.gone", 1.0)


async def test_of_many_faults_the_most_frequent_are_told(
    hass: HomeAssistant, camera: FrontDoor
) -> None:
    camera.answers = [TEXT, XML, XML, HTML, HTML, HTML]
    taken = await capture(hass)
    assert taken.fault is not None
    assert "HTML page" in taken.fault
    assert "XML document" in taken.fault
    assert "a text" not in taken.fault


# --- as the user sees it ----------------------------------------------------------------------


@pytest.fixture
async def bridged(
    hass: HomeAssistant, site: Any, camera: FrontDoor, mqtt_mock: Any
) -> Callable[[], list[Any]]:
    """Bridge the entity; return what was sent of it."""
    hass.states.async_set(MOTION, "off")
    handler = (site.entry_id, "camera")
    form = await hass.config_entries.subentries.async_init(handler, context={"source": "user"})
    choice = {"camera_entity": CAMERA, "motion_entity": MOTION}
    camera.answers = [XML]
    refused = await hass.config_entries.subentries.async_configure(form["flow_id"], choice)
    assert refused["errors"] == {"camera_entity": "no_picture"}
    assert refused["description_placeholders"]["fault"].startswith("an XML document")
    await hass.config_entries.subentries.async_configure(form["flow_id"], choice)
    (subentry,) = site.subentries.values()
    data = dict(subentry.data) | {"spacing_s": 0.0}
    hass.config_entries.async_update_subentry(site, subentry, data=data)
    await hass.async_block_till_done(wait_background_tasks=True)
    return lambda: [
        call.args[1]
        for call in mqtt_mock.async_publish.call_args_list
        if call.args[0].endswith("/burst")
    ]


async def move(hass: HomeAssistant) -> None:
    for state in ("on", "off"):
        hass.states.async_set(MOTION, state)
        await hass.async_block_till_done(wait_background_tasks=True)


async def test_a_camera_that_keeps_answering_with_a_page_is_a_repair(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    bridged: Callable[[], list[Any]],
    camera: FrontDoor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):
        camera.answers = [XML] * 6
        await move(hass)
    assert len(bridged()) == 2, "motion without pictures reaches the worker, which alerts"
    told = "0 of 3 pictures came from camera.front_door; what else came: an XML document"
    assert caplog.text.count(told) == 1
    freezer.tick(PATIENCE_S + 1)
    async_fire_time_changed(hass)
    publish(hass, "worker/main/status", "online")
    await hass.async_block_till_done()
    placeholders = shown(hass).get("bad_pictures")
    assert placeholders is not None
    assert placeholders["camera"] == "Front door"
    assert "an XML document" in placeholders["fault"]
    await move(hass)
    assert shown(hass).get("bad_pictures") is None


async def test_an_error_inside_costs_the_pictures_and_not_the_motion(
    hass: HomeAssistant,
    bridged: Callable[[], list[Any]],
    camera: FrontDoor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(_: object) -> None:
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(pictures, "is_picture", stumble)
    await move(hass)
    (burst,) = bridged()
    assert '"frames":[]' in burst


async def test_an_analysis_without_a_picture_says_what_came(
    hass: HomeAssistant, bridged: Callable[[], list[Any]], site: Any, camera: FrontDoor
) -> None:
    camera.answers = [HTML] * 6
    with pytest.raises(HomeAssistantError) as refusal:
        await site.runtime_data.commands.async_analyze("front_door")
    assert refusal.value.translation_key == "analyze_failed"
    assert refusal.value.translation_placeholders is not None
    assert refusal.value.translation_placeholders["error"].startswith("an HTML page")
