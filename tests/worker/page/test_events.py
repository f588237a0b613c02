"""The gallery, the day and the page of an event, as a browser without scripts sees them."""

import html
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.worker.conftest import Site, drawn_jpegs
from tests.worker.history.test_past_events import stored_verdict
from tests.worker.page.conftest import Visitor, visiting
from veroallarme_core.contract import FrameCounts, State, Verdict, Zone, ZoneKind
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.storage import EventStore

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html"}


def fill(site: Site, *verdicts: Verdict, pictures: bool = True) -> None:
    store = EventStore(site.folder / "data")
    for one in verdicts:
        store.add_verdict(one)
        store.mark_published(one.event_id)
        if pictures:
            store.frames.save(one.camera, one.event_id, drawn_jpegs("person_in_the_drive"))
    store.close()


def of(number: int, state: State = State.RELEVANT, **changes: Any) -> Verdict:
    """A verdict of two days ago; `number` are hours, on from the first."""
    return stored_verdict(number, state, **changes)


@pytest.fixture
async def past() -> list[Verdict]:
    return [
        of(0),
        of(1, State.IRRELEVANT, reason="light"),
        of(2, State.UNKNOWN, reason="no_snapshot"),
        of(3, State.IRRELEVANT, reason="busy_place", camera="yard"),
    ]


@pytest.fixture
async def looking(site: Site, past: list[Verdict]) -> AsyncIterator[Visitor]:
    """Somebody before the page of a worker with two cameras and four past events."""
    site.names = ("front", "yard")
    fill(site, *past)
    async with visiting(site) as visitor:
        yield visitor


def listed(page: str) -> list[str]:
    return re.findall(r'<li class="event" data-event="([^"]+)"', page)


def path_of(one: Verdict) -> str:
    return f"/events/{one.camera}/{one.event_id}"


# --- the gallery -------------------------------------------------------------------------------


async def test_the_gallery_lists_all_cameras_newest_first(
    looking: Visitor, past: list[Verdict]
) -> None:
    response, page = await looking.get("/events")
    assert response.status == 200
    assert listed(page) == [one.event_id for one in reversed(past)]
    assert "4 events" in page


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("camera=yard", [3]),
        ("camera=attic", [3, 2, 1, 0]),
        ("shown=suppressed", [3, 1]),
        ("shown=alarms", [2, 0]),
        ("shown=unknown", [2]),
        ("reason=light", [1]),
        ("kind=person", [0]),
        ("kind=animal", []),
        ("kind=dragon", [3, 2, 1, 0]),
        ("day=2020-01-01", []),
        ("day=soon", [3, 2, 1, 0]),
        ("camera=front&shown=suppressed&reason=light", [1]),
    ],
)
async def test_the_gallery_is_filtered(
    looking: Visitor, past: list[Verdict], query: str, numbers: list[int]
) -> None:
    _, page = await looking.get(f"/events?{query}")
    assert listed(page) == [past[number].event_id for number in numbers]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("camera=attic", "Camera “attic”; the events are shown without that filter."),
        ("shown=dragons", "Which events “dragons”"),
        ("reason=magic", "Cause “magic”"),
        ("kind=dragon", "Recognised “dragon”"),
        ("day=soon", "Day “soon”"),
        ("zone=front/moat", "Zone “front/moat”"),
        ("zone=front/%3Cb%3E", "Zone “front/&lt;b&gt;”"),
        ("camera=attic&day=soon", "Camera “attic”, Day “soon”; the events are shown without these"),
    ],
)
async def test_what_an_address_asks_for_and_there_is_not_is_told(
    looking: Visitor, query: str, told: str
) -> None:
    _, page = await looking.get(f"/events?{query}")
    assert "Unknown in this address: " in page
    assert told in page
    assert len(listed(page)) == 4
    _, page = await looking.get("/events?camera=front&shown=alarms&reason=light")
    assert "Unknown in this address" not in page


async def test_the_gallery_of_a_day_is_that_of_this_machines_clock(
    looking: Visitor, past: list[Verdict]
) -> None:
    day = past[0].motion_at.astimezone().date()
    _, page = await looking.get(f"/events?day={day.isoformat()}")
    assert listed(page) == [
        one.event_id for one in reversed(past) if one.motion_at.astimezone().date() == day
    ]


async def test_the_gallery_of_a_zone(looking: Visitor, past: list[Verdict]) -> None:
    left = Zone(name="left & right", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    far = Zone(name="far", points=((0.9, 0.9), (1, 0.9), (1, 1)))
    await looking.worker.cameras["front"].change_settings({"zones": (left, far)})
    _, page = await looking.get("/events", params={"zone": "front/left & right"})
    assert past[0].event_id in listed(page)
    assert "Events that moved in" in page
    _, page = await looking.get("/events", params={"zone": "front/far"})
    assert listed(page) == []


async def test_the_gallery_goes_on_where_it_ended(site: Site) -> None:
    fill(site, *[of(number / 10) for number in range(100)], pictures=False)  # type: ignore[arg-type]
    async with visiting(site) as visitor:
        _, page = await visitor.get("/events")
        found = listed(page)
        while more := re.search(r'data-more="([^"]+)"', page):
            assert len(listed(page)) in (24, 48)
            response, page = await visitor.get(more[1].replace("&amp;", "&"))
            assert response.status == 200
            found += listed(page)
        assert len(found) == len(set(found)) == 100


async def test_what_came_since_is_told(looking: Visitor, past: list[Verdict]) -> None:
    _, page = await looking.get("/events")
    positions = re.findall(r'data-position="([^"]+)"', page)
    response, part = await looking.get("/events/newer", params={"after": positions[2]})
    assert listed(part) == listed(page)[:2]
    assert response.headers["X-Events"] == "2"
    _, part = await looking.get("/events/newer", params={"after": positions[2], "camera": "front"})
    assert listed(part) == listed(page)[1:2]


@pytest.mark.parametrize("path", ["/events/more", "/events/more?before=x", "/events/newer?after=x"])
async def test_a_place_that_is_none_is_refused(looking: Visitor, path: str) -> None:
    response, text = await looking.get(path)
    assert response.status == 400
    assert "not understood" in text


async def test_words_of_people_are_never_markup(site: Site) -> None:
    fill(site, of(0, reason="<b>bold</b>", explanation="<script>alert(1)</script>"))
    async with visiting(site) as visitor:
        for path in ("/events", "/events?reason=%3Cb%3Ebold%3C%2Fb%3E", "/"):
            _, page = await visitor.get(path)
            assert "<b>bold" not in page
        (event_id,) = listed((await visitor.get("/events"))[1])
        _, page = await visitor.get(f"/events/front/{event_id}")
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


# --- pictures ----------------------------------------------------------------------------------


async def test_pictures_of_an_event(looking: Visitor, past: list[Verdict]) -> None:
    path = path_of(past[0])
    for name, kind, start in (
        ("thumbnail", "image/webp", b"RIFF"),
        ("frames/0?width=360", "image/jpeg", b"\xff\xd8"),
        ("frames/2", "image/jpeg", b"\xff\xd8"),
    ):
        async with looking.http.get(f"{looking.base}{path}/{name}") as response:
            assert response.status == 200, name
            assert response.content_type == kind
            assert (await response.read()).startswith(start)
            assert "private" in response.headers["Cache-Control"]
    response, text = await looking.get(f"{path}/frames/3")
    assert response.status == 409
    assert "3 pictures" in text


async def test_a_camera_that_publishes_no_pictures_shows_them_here(
    site: Site, past: list[Verdict]
) -> None:
    """The switch is about the broker, where more people read."""
    site.more = {"publish_image": False}
    fill(site, past[0])
    async with (
        visiting(site) as visitor,
        visitor.http.get(f"{visitor.base}{path_of(past[0])}/frames/0") as response,
    ):
        assert response.content_type == "image/jpeg"


@pytest.mark.parametrize("rest", ["", "/card", "/thumbnail", "/frames/0"])
async def test_what_is_not_kept_is_not_found(
    looking: Visitor, past: list[Verdict], rest: str
) -> None:
    for path in (
        f"/events/front/20200101_000000_aaaaaa{rest}",
        f"/events/attic/{past[0].event_id}{rest}",
        f"/events/yard/{past[0].event_id}{rest}",
        f"/events/front/..%2F..%2Fevents.sqlite{rest}",
    ):
        response, _ = await looking.get(path)
        assert response.status in (404, 409), path


async def test_what_is_not_there_is_told_in_the_language_of_the_page(looking: Visitor) -> None:
    german = {**PAGE, "Accept-Language": "de"}
    for path, says in (
        ("/events/front/20200101_000000_aaaaaa", "wird nicht mehr aufbewahrt."),
        ("/events/attic/20200101_000000_aaaaaa", "Es gibt keine Kamera „attic“."),
        ("/cameras/attic/zones", "Es gibt keine Kamera „attic“."),
        ("/numbers?camera=attic", "Es gibt keine Kamera „attic“."),
        ("/numbers?camera=%3Cb%3E", "„&lt;b&gt;“"),
    ):
        response, page = await looking.get(path, headers=german)
        assert response.status == 404
        assert says in page


# --- the user's word ---------------------------------------------------------------------------


async def test_a_thumb_is_given_and_taken_back(looking: Visitor, past: list[Verdict]) -> None:
    path = path_of(past[1])
    for word, pressed in (("true", "true"), ("false", "false"), ("", "")):
        response, text = await looking.post(f"{path}/feedback", {"relevant": word}, headers=JSON)
        assert response.status == 200
        assert json.loads(text) == {"relevant": {"true": True, "false": False, "": None}[word]}
        _, card = await looking.get(f"{path}/card")
        assert f'data-feedback="{pressed}"' in card


async def test_cards_of_people_say_that_one_thumb_down_suppresses_nobody(site: Site) -> None:
    person, nobody = of(0), of(1, objects=())
    fill(site, person, nobody)
    async with visiting(site) as visitor:
        for one, is_said in ((person, True), (nobody, False)):
            _, page = await visitor.get(path_of(one))
            assert ("data-thumbs data-person" in page) is is_said
            assert "until you have said so on three occasions" in page, "the script chooses it"


async def test_a_thumb_without_scripts_leads_back(looking: Visitor, past: list[Verdict]) -> None:
    response, page = await looking.post(
        f"{path_of(past[1])}/feedback", {"relevant": "true"}, headers=PAGE
    )
    assert response.status == 200
    assert response.url.path == path_of(past[1])
    assert 'class="up" aria-pressed="true"' in page


@pytest.mark.parametrize("data", [{}, {"relevant": "maybe"}, {"relevant": "True"}])
async def test_an_answer_that_is_none_is_refused(
    looking: Visitor, past: list[Verdict], data: dict[str, str]
) -> None:
    response, text = await looking.post(f"{path_of(past[1])}/feedback", data, headers=JSON)
    assert response.status == 400
    assert "give true, false or nothing" in text


# --- one event ---------------------------------------------------------------------------------


async def test_an_event_says_why(looking: Visitor, past: list[Verdict]) -> None:
    _, page = await looking.get(path_of(past[0]))
    for text in (
        "A person moved", "Something moved.", "Score 0.70, threshold 0.50", "1 region moved",
        "It raised the alarm", 'rel="next"',
    ):  # fmt: skip
        assert text in page
    assert 'rel="prev"' not in page
    _, page = await looking.get(path_of(past[1]))
    assert "Only light changed" in page
    assert "No alarm" in page


async def test_an_event_of_which_nothing_is_known_has_a_page(site: Site) -> None:
    bare = of(0, State.UNKNOWN, reason="never_heard_of", frame_dimensions=None, regions=[])
    fill(site, bare, pictures=False)
    async with visiting(site) as visitor:
        response, page = await visitor.get(path_of(bare))
        assert response.status == 200
        assert "Another reason" in page
        assert "no longer kept" in page


async def test_what_never_had_a_picture_does_not_say_that_it_is_no_longer_kept(site: Site) -> None:
    without = of(0, State.UNKNOWN, reason="no_snapshot", regions=[])
    fill(site, without, of(1), pictures=False)
    async with visiting(site) as visitor:
        _, page = await visitor.get("/events")
        cards = page.split('<li class="event"')[1:]
        assert "no longer kept" in cards[0]
        assert "There never was a picture." in cards[1]
        assert all("thumbnail" not in card for card in cards), "nothing is asked that is not there"
        _, page = await visitor.get(path_of(without))
        assert "There never was a picture." in page.split("data-stage")[1].split("</section>")[0]


async def test_of_what_could_not_be_seen_nothing_is_said(site: Site) -> None:
    nothing = FrameCounts(requested=3, fetched=0, distinct=0)
    unseen = of(
        0, State.UNKNOWN, reason="no_snapshot", regions=[], frame_dimensions=None, frames=nothing
    )
    seen = of(1, State.UNKNOWN, reason="noise", regions=[])
    fill(site, unseen, seen, pictures=False)
    async with visiting(site) as visitor:
        for one, is_told in ((unseen, False), (seen, True)):
            _, page = await visitor.get(path_of(one))
            assert ("Nobody and nothing was recognised" in page) == is_told
            assert ("data-layers" in page) == is_told, "there is nothing to lay it over"


async def test_cues_are_told_in_words(site: Site) -> None:
    region = of(0).regions[0]
    cues = {"novelty": 0.71, "sessions_alike": 3.0, "largest_unexplained_px": 200.0}
    one = of(0, regions=[type(region)(**{**vars(region), "cues": cues})])
    fill(site, one)
    async with visiting(site) as visitor:
        _, page = await visitor.get(path_of(one))
        assert "Unlike what was seen here before" in page
        assert "71%" in page
        assert "largest_unexplained_px" not in page


# --- zones from a region -----------------------------------------------------------------------


async def test_motion_is_ignored_after_a_look(looking: Visitor, past: list[Verdict]) -> None:
    camera = looking.worker.cameras["front"]
    path = f"{path_of(past[0])}/regions/0/ignore"
    response, page = await looking.get(path)
    assert response.status == 200
    assert "It would have suppressed 1 of the last 1 alarms." in page
    assert camera.context.settings.zones == ()
    response, page = await looking.post(path)
    assert response.url.path == path_of(past[0])
    assert "ignored from now on" in page
    (zone,) = camera.context.settings.zones
    assert zone.kind is ZoneKind.IGNORE
    xs, ys = zip(*zone.points, strict=True)
    assert min(xs) < 40 / 176 < 70 / 176 < max(xs)
    assert min(ys) < 30 / 144 < 80 / 144 < max(ys)


async def test_what_is_ignored_already_is_said_to_be_so(
    looking: Visitor, past: list[Verdict]
) -> None:
    camera = looking.worker.cameras["front"]
    for kind, says in (("ignore", "is ignored already"), ("always", "always alerts already")):
        path = f"{path_of(past[0])}/regions/0/{kind}"
        await looking.post(path)
        zones = camera.context.settings.zones
        _, page = await looking.get(path)
        assert says in page
        assert zones[-1].name in page
        assert 'method="post"' not in page.split("<main")[1].split("</main>")[0]
        response, _ = await looking.post(path)
        assert response.status == 200
        assert camera.context.settings.zones == zones, "no second one"
    assert [zone.name for zone in zones] == ["Ignored 1", "Always 1"]


async def test_what_was_called_relevant_is_warned_of(looking: Visitor, past: list[Verdict]) -> None:
    await looking.post(f"{path_of(past[0])}/feedback", {"relevant": "true"}, headers=JSON)
    _, page = await looking.get(f"{path_of(past[0])}/regions/0/ignore")
    assert "You called 1 of them relevant." in page


async def test_motion_always_alerts_after_a_look(looking: Visitor, past: list[Verdict]) -> None:
    path = f"{path_of(past[1])}/regions/0/always"
    _, page = await looking.get(path)
    assert "It would have raised 1 of the last 1 suppressed events." in page
    await looking.post(path)
    (zone,) = looking.worker.cameras["front"].context.settings.zones
    assert zone.kind is ZoneKind.ALWAYS


@pytest.mark.parametrize(
    ("rest", "status"), [("9/ignore", 409), ("0/only", 404), ("x/ignore", 404)]
)
async def test_a_region_that_is_none(
    looking: Visitor, past: list[Verdict], rest: str, status: int
) -> None:
    response, _ = await looking.get(f"{path_of(past[0])}/regions/{rest}")
    assert response.status == status


# --- today -------------------------------------------------------------------------------------


def lately(**changes: Any) -> Verdict:
    at = now() - timedelta(seconds=20)
    whole = of(0, **changes)
    return type(whole)(**{**vars(whole), "motion_at": at, "decided_at": at})


async def test_today_begins_with_what_is_worth_a_look(site: Site) -> None:
    site.names = ("front", "yard")
    close = lately(state=State.IRRELEVANT, score=0.49, reason="light")
    fill(site, close, lately(event_id="20261101_000000_bbbbbb"))
    async with visiting(site) as visitor:
        _, page = await visitor.get("/")
        assert "1 suppressed event is worth a look" in page
        assert listed(page) == [close.event_id]
        assert page.index("worth a look") < page.index('id="camera-front"')
        await visitor.post(f"{path_of(close)}/feedback", {"relevant": "false"}, headers=JSON)
        _, page = await visitor.get("/")
        assert "Nothing needs a look" in page
        assert listed((await visitor.get("/today/review"))[1]) == []


async def test_a_day_of_each_camera(looking: Visitor, past: list[Verdict]) -> None:
    day = past[0].motion_at.astimezone().date()
    _, page = await looking.get(f"/?day={day.isoformat()}")
    sections = dict(re.findall(r'aria-labelledby="camera-(\w+)">(.*?)</section>', page, re.S))
    assert sorted(sections) == ["front", "yard"]
    quiet = [one for one in past if one.motion_at.astimezone().date() == day]
    alarms = sum(one.relevant and one.camera == "front" for one in quiet)
    assert f"{alarms} alarm" in sections["front"]
    assert "Nothing is learned" in sections["yard"]


async def test_what_a_camera_that_is_still_learned_would_have_suppressed(site: Site) -> None:
    learning = {"relevant": True, "mode": "auto", "learning": True}
    past = [
        of(0),
        of(1, State.IRRELEVANT, reason="light", **learning),
        of(2, State.IRRELEVANT, reason="light"),
    ]
    fill(site, *past)
    day = past[1].motion_at.astimezone().date().isoformat()
    async with visiting(site) as visitor:
        _, page = await visitor.get(f"/?day={day}")
        assert "1 would have been suppressed" in page
        link = re.search(r'href="([^"]+shown=would[^"]*)"', page)
        assert link is not None
        _, page = await visitor.get(html.unescape(link[1]))
        assert listed(page) == [past[1].event_id]


async def test_trouble_of_a_camera_is_told(looking: Visitor) -> None:
    looking.worker.cameras["front"].context.complain("snapshots", "it is <away>")
    _, page = await looking.get("/")
    assert "front: it is &lt;away&gt;" in page
    assert "Needs attention" in page
    assert 'href="/set-up"' in page.split("it is &lt;away")[1].split("</section>")[0]


@pytest.mark.parametrize("day", ["soon", "9999-01-01", "2020-01-01"])
async def test_any_day_has_a_page(looking: Visitor, day: str) -> None:
    response, page = await looking.get(f"/?day={day}")
    assert response.status == 200
    assert ("is no day that has been; today is shown" in page) == (day != "2020-01-01")


async def test_a_page_is_small(site: Site) -> None:
    fill(site, *[of(number / 10) for number in range(60)], pictures=False)  # type: ignore[arg-type]
    async with visiting(site) as visitor:
        _, page = await visitor.get("/events")
        assets = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
        assets |= {re.sub("events.js$", "live.js", name) for name in assets}
        total = 0
        for path in ("/events", *assets):
            async with visitor.http.get(visitor.base + path) as response:
                body = await response.read()
                total += int(response.headers.get("Content-Length", len(body)))
        assert total < 120_000, "leaves room for a screen of thumbnails in 200 kB"
