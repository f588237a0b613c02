"""Zones, what if and numbers: what they say, what they set, and what they refuse."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.peers import Listener
from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.history.test_past_events import stored_verdict
from tests.worker.page.conftest import Visitor, visiting
from tests.worker.talk import C, events, sender
from veroallarme_core.contract import Mode, ObjectKind, State
from veroallarme_core.worker.config import LearningConfig
from veroallarme_core.worker.history import RememberedEvent
from veroallarme_core.worker.page.pages.zones import draw_heat
from veroallarme_core.worker.page.shell import LANGUAGES
from veroallarme_core.worker.storage import EventStore

BOX = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
EVERYTHING = {"name": "all of it", "kind": "ignore", "points": BOX}
CORNER = {"name": "corner", "kind": "ignore", "points": [[0.9, 0.9], [1, 0.9], [1, 1]]}
PAGES = ("/cameras/front/zones", "/cameras/front/what-if", "/numbers")


@pytest.fixture
async def teacher(site: Site) -> AsyncIterator[Visitor]:
    """Somebody before the page of a camera with a past: 8 alarms, 4 suppressed, thumbs on two."""
    store = EventStore(site.folder / "data")
    verdicts = [
        stored_verdict(number, State.IRRELEVANT if number % 3 == 2 else State.RELEVANT)
        for number in range(12)
    ]
    for verdict in verdicts:
        store.add_verdict(verdict)
        store.mark_published(verdict.event_id)
    store.set_feedback("front", verdicts[0].event_id, True, verdicts[0].decided_at)
    store.set_feedback("front", verdicts[1].event_id, False, verdicts[1].decided_at)
    store.frames.save("front", verdicts[-1].event_id, drawn_jpegs("person_in_the_drive"))
    store.close()
    async with visiting(site) as visitor:
        yield visitor


async def send(visitor: Visitor, path: str, content: Any) -> tuple[int, dict[str, Any]]:
    """Send JSON as the scripts of the page do."""
    response, text = await visitor.post(
        path, json.dumps(content), headers={"Content-Type": "application/json"}
    )
    return response.status, json.loads(text)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_pages_speak_every_language_without_a_script_or_style_of_their_own(
    teacher: Visitor, language: str
) -> None:
    for path in PAGES:
        response, page = await teacher.get(path, headers={"Accept-Language": language})
        assert response.status == 200, page
        assert f'<html lang="{language}">' in page
        assert " style=" not in page
        assert "<style" not in page
        assert "onclick" not in page
        assert "{" not in page.split("<main")[1].split("data-zones")[0].split("<canvas")[0][:50]


async def test_one_camera_is_chosen_without_asking(teacher: Visitor) -> None:
    for path, chosen in (("/zones", "zones"), ("/what-if", "what-if")):
        response, _ = await teacher.get(path, allow_redirects=False)
        assert response.status == 303
        assert response.headers["Location"] == f"/cameras/front/{chosen}"


async def test_an_estimate_counts_what_the_zones_hide(teacher: Visitor) -> None:
    path = "/cameras/front/zones/estimate"
    status, answer = await send(teacher, path, {"zones": [EVERYTHING]})
    assert status == 200
    assert answer["missed"] == 1
    assert "8 of the last 8 alarms" in answer["sentence"]
    assert "1 of the 1 that you called relevant" in answer["sentence"]
    assert "Of the 1 that you called false, 1 would be gone" in answer["sentence"]
    _, answer = await send(teacher, path, {"zones": [CORNER]})
    assert "0 of the last 8 alarms" in answer["sentence"]
    assert answer["missed"] == 0
    # What always alerts also alerts where something was suppressed.
    _, answer = await send(teacher, path, {"zones": [{**EVERYTHING, "kind": "always"}]})
    assert "4 events without an alarm may raise one" in answer["sentence"]


async def test_saved_zones_are_the_settings_at_once(teacher: Visitor) -> None:
    status, answer = await send(teacher, "/cameras/front/zones", {"zones": [CORNER]})
    assert status == 200, answer
    (zone,) = teacher.worker.cameras["front"].context.settings.zones
    assert zone.to_dict() == CORNER
    _, page = await teacher.get("/cameras/front/zones")
    assert "corner" in page


async def test_zones_that_have_changed_meanwhile_are_not_overwritten(teacher: Visitor) -> None:
    path = "/cameras/front/zones"
    _, answer = await send(teacher, path, {"zones": [CORNER]})
    known = answer["version"]
    other = {**CORNER, "name": "from another page"}
    status, _ = await send(teacher, f"{path}?version={known}", {"zones": [other]})
    assert status == 200
    status, answer = await send(teacher, f"{path}?version={known}", {"zones": []})
    assert status == 409
    assert "reload" in answer["sentence"]
    (zone,) = teacher.worker.cameras["front"].context.settings.zones
    assert zone.name == "from another page"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "zones"),
        ({"zones": "all"}, "zones"),
        ({"zones": [{**CORNER, "points": [[0, 0], [1, 1]]}]}, "3 to 64 corners"),
        ({"zones": [{**CORNER, "points": [[0, 0], [1, 2], [0, 1]]}]}, "2"),
        ({"zones": [{**CORNER, "kind": "maybe"}]}, "maybe"),
        ({"zones": [CORNER] * 17}, "16"),
        ([1], ""),
    ],
)
async def test_wrong_zones_are_refused_with_a_sentence(
    teacher: Visitor, content: Any, says: str
) -> None:
    for path in ("/cameras/front/zones", "/cameras/front/zones/estimate"):
        status, answer = await send(teacher, path, content)
        assert status == 400
        assert says in answer["sentence"]
    assert teacher.worker.cameras["front"].context.settings.zones == ()


async def test_a_picture_to_draw_on_is_a_recent_one(teacher: Visitor) -> None:
    async with teacher.http.get(teacher.base + "/cameras/front/zones/picture") as response:
        assert response.content_type == "image/jpeg"
        picture = cv2.imdecode(np.frombuffer(await response.read(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    response, _ = await teacher.get("/cameras/front/zones/heat")
    assert response.status == 404, "nothing is known yet of what keeps moving"


async def test_zones_of_one_name_get_names_of_their_own(teacher: Visitor) -> None:
    same = [{**CORNER, "name": name} for name in ("Tree", "Tree", "tree ", "Tree 2", "x" * 64)]
    same.append(same[-1])
    status, answer = await send(teacher, "/cameras/front/zones", {"zones": same})
    assert status == 200
    names = [zone["name"] for zone in answer["zones"]]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(len(name) <= 64 for name in names)
    in_force = teacher.worker.cameras["front"].context.settings.zones
    assert [zone.to_dict() for zone in in_force] == answer["zones"]


async def test_without_a_picture_the_page_says_what_to_do(site: Site) -> None:
    site.more = {"reference_every_s": 0.0}
    async with visiting(site) as visitor:
        _, page = await visitor.get("/cameras/front/zones")
        assert "There is no picture of this camera to draw on yet" in page
        assert 'id="picture"' not in page
        camera = visitor.worker.cameras["front"]
        # What it sees while nothing moves will do until something has moved.
        camera.reference.save(drawn_jpegs("person_in_the_drive")[0])
        _, page = await visitor.get("/cameras/front/zones")
        assert 'id="picture"' in page
        async with visitor.http.get(f"{visitor.base}/cameras/front/zones/picture") as response:
            assert response.content_type == "image/jpeg"


async def test_an_unknown_camera_and_suggestion_are_said_to_be_so(teacher: Visitor) -> None:
    for path in ("/cameras/back/zones", "/cameras/back/what-if", "/numbers?camera=back"):
        response, _ = await teacher.get(path)
        assert response.status == 404
    status, answer = await send(
        teacher, "/cameras/front/zones/suggestion", {"id": "none", "take": True}
    )
    assert status == 409
    assert "no zone is suggested as none" in answer["sentence"]


async def test_the_answer_follows_the_form(teacher: Visitor) -> None:
    path = "/cameras/front/what-if/answer"
    kinds = "&".join(f"objects={kind}" for kind in ObjectKind)
    _, page = await teacher.get(f"{path}?mode=shadow&{kinds}")
    assert "12 of the last 12 events" in page
    _, page = await teacher.get(f"{path}?mode=filter&{kinds}")
    assert "8 of the last 12 events" in page
    # Without what other settings would do, a higher threshold is not known: it counts as alarming.
    _, page = await teacher.get(f"{path}?mode=filter&own_threshold=yes&threshold=0.9&{kinds}")
    assert "8 of the last 12 events" in page
    assert "8 events are not known without judging anew" in page
    _, page = await teacher.get(f"{path}?mode=loud&threshold=x&own_threshold=yes")
    assert "of the last 12 events" in page, "a form that is half filled in is no fault"


async def test_where_every_motion_alerts_what_if_says_so_and_promises_nothing(
    teacher: Visitor,
) -> None:
    path, says = "/cameras/front/what-if", "every motion alerts at present. Choose “Filter”"
    form = "objects=person&own_threshold=yes&threshold=0.9"
    for mode, is_said in (("auto", True), ("shadow", True), ("filter", False)):
        _, text = await teacher.get(f"{path}/answer?mode={mode}&{form}")
        assert (says in text) == is_said, mode


async def test_no_threshold_keeps_a_promise_before_the_camera_has_been_learned(site: Site) -> None:
    site.learning = LearningConfig()
    async with visiting(site) as visitor:
        _, page = await visitor.get("/cameras/front/what-if")
    assert "the general threshold, 0.50, is in force" in page
    assert "keeps the promise" not in page


async def test_applied_settings_act_at_once(teacher: Visitor) -> None:
    form = {"mode": "filter", "own_threshold": "yes", "threshold": "0.7", "objects": "person"}
    response, page = await teacher.post("/cameras/front/what-if", form)
    assert response.status == 200
    assert "Applied" in page
    settings = teacher.worker.cameras["front"].context.settings
    assert settings.mode is Mode.FILTER
    assert settings.threshold == 0.7
    assert settings.objects == (ObjectKind.PERSON,)
    response, _ = await teacher.post("/cameras/front/what-if", {"mode": "filter"})
    assert response.status == 400, "something has to count"
    assert teacher.worker.cameras["front"].context.settings == settings


async def test_another_promise_is_a_setting_of_the_camera(teacher: Visitor) -> None:
    form = {"mode": "auto", "objects": "person", "recall": "0.98"}
    response, page = await teacher.post("/cameras/front/what-if", form)
    assert response.status == 200
    assert "Now 98 % is asked for" in page
    assert "learned anew" not in page.split("recall-help")[0], "nothing is learned here"
    assert teacher.worker.cameras["front"].context.settings.recall == 0.98
    # Without a choice it stays as it is.
    await teacher.post("/cameras/front/what-if", {"mode": "auto", "objects": "person"})
    assert teacher.worker.cameras["front"].context.settings.recall == 0.98
    response, _ = await teacher.post("/cameras/front/what-if", {**form, "recall": "2"})
    assert response.status == 400


async def test_what_other_settings_would_do_is_found_out_after_the_alarm(
    teacher: Visitor, site: Site
) -> None:
    listener = Listener(site.port, [f"{C}/event"])
    async with listener.listen(), sender(site.port) as broker:
        await broker.motion("ON")
        await listener.until(lambda: bool(events(listener)))
        await broker.motion("OFF")
    storage = teacher.worker._storage
    for _ in range(100):
        (newest,) = await storage.database(
            lambda store: store.outcomes.judged_before("front", None, 1)
        )
        if newest.outcomes is not None:
            break
        await asyncio.sleep(0.05)
    event = RememberedEvent.read(newest)
    assert event is not None
    assert event.outcomes is not None
    assert event.state is State.RELEVANT
    assert len(event.outcomes.outcomes) == 7, "every choice of kinds"
    strict = event.outcomes.state(threshold=1.0, kinds=ObjectKind)
    assert strict is State.IRRELEVANT
    assert event.score is not None
    # The score of the verdict is rounded, that of the outcomes is not.
    below = event.outcomes.state(threshold=event.score - 1e-4, kinds=ObjectKind)
    assert below is State.RELEVANT


async def test_numbers_as_csv_add_up(teacher: Visitor) -> None:
    _, text = await teacher.get("/numbers/days.csv?days=7")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["camera"] for row in rows} == {"front"}
    assert sum(int(row["events"]) for row in rows) == 12
    assert sum(int(row["alarms"]) for row in rows) == 8
    assert sum(int(row["suppressed"]) for row in rows) == 4
    _, text = await teacher.get("/numbers/causes.csv?days=7")
    causes = list(csv.DictReader(io.StringIO(text)))
    assert sum(int(row["suppressed"]) for row in causes) == 4
    for days in ("0", "x", "99999", "-1", "٣"):
        response, _ = await teacher.get(f"/numbers?days={days}")
        assert response.status == 200


async def test_nobody_saves_without_the_token_of_the_page(teacher: Visitor) -> None:
    for path in ("/cameras/front/zones", "/cameras/front/what-if"):
        async with teacher.http.post(teacher.base + path, json={"zones": []}) as response:
            assert response.status == 403


def test_the_map_of_what_keeps_moving_can_be_seen_through() -> None:
    recurrence = np.zeros((9, 16), np.float32)
    recurrence[2:5, 3:6] = 0.6
    picture = cv2.imdecode(np.frombuffer(draw_heat(recurrence), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (72, 128, 4)
    assert picture[70, 120, 3] == 0, "where nothing moves there is nothing to see"
    assert picture[28, 36, 3] > 150
    assert draw_heat(np.zeros((9, 16), np.float32))
