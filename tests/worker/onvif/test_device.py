"""One camera asked over ONVIF: what it tells, and all that can go wrong."""

import asyncio
import logging
from datetime import timedelta

import pytest
from aiohttp import web

from tests.worker.onvif.conftest import address_of
from tests.worker.onvif_camera import LOGIN, OnvifCamera, fault, motion
from veroallarme_core.worker.onvif import OnvifAddress, OnvifError, find_picture_address, prepare
from veroallarme_core.worker.onvif.device import connected

SECRETS = (LOGIN[1], "p@ss", "hunter2")


def answer(body: str | bytes, status: int = 200, kind: str = "application/soap+xml"):
    content = body.encode() if isinstance(body, str) else body
    return lambda: web.Response(body=content, status=status, content_type=kind)


async def refused(camera: OnvifCamera, **more) -> OnvifError:
    """Ask for the picture's address and subscribe; return what is wrong."""

    async def ask() -> None:
        async with connected(address_of(camera, **more)) as device:
            await device.find_profiles()
            await device.subscribe()
            await device.pull()

    with pytest.raises(OnvifError) as error:
        await ask()
    assert not [secret for secret in SECRETS if secret in str(error.value)]
    assert "\n" not in str(error.value)
    return error.value


async def test_everything_is_found_by_itself(onvif):
    onvif.state = motion(True, operation="Initialized")
    async with connected(address_of(onvif)) as device:
        assert await device.picture_url() == onvif.url("/snap.jpg?channel=1&x=2")
        assert await device.motion_topics() == (["RuleEngine/CellMotionDetector/Motion"], 2)
        assert await device.subscribe() == 60
        (told,) = await device.pull()
        assert (told.topic, told.operation) == (
            "tns1:RuleEngine/CellMotionDetector/Motion",
            "Initialized",
        )
        assert told.data == {"IsMotion": "true"}
        assert told.source["VideoSourceConfigurationToken"] == "src0"
        assert await device.pull() == []
        assert await device.renew() == 60
        await device.unsubscribe()
    assert onvif.subscriptions == {}


@pytest.mark.parametrize("skew", [timedelta(days=-4000), timedelta(hours=2), timedelta(seconds=90)])
async def test_a_camera_with_a_wrong_clock_accepts_the_login(onvif, skew):
    onvif.skew = skew
    assert await find_picture_address(address_of(onvif))


async def test_a_camera_without_a_login_and_an_old_one(onvif):
    onvif.login = None
    onvif.refuses = {"GetServices"}
    assert await find_picture_address(address_of(onvif, username=None, password=None))
    assert "GetCapabilities" in onvif.operations
    assert not any("UsernameToken" in body for body in onvif.bodies)


async def test_a_camera_that_tells_the_time_to_its_users_alone(onvif):
    onvif.guards_clock = True
    assert await find_picture_address(address_of(onvif))


async def test_a_camera_that_does_not_tell_the_time(onvif):
    onvif.refuses = {"GetSystemDateAndTime"}
    assert await find_picture_address(address_of(onvif))


async def test_definitions_are_loaded_without_a_word_to_anybody(onvif):
    await prepare()
    assert onvif.operations == []


async def test_a_login_over_http(onvif):
    onvif.http_digest = True
    assert await find_picture_address(address_of(onvif))


async def test_the_password_is_never_sent(onvif):
    await find_picture_address(address_of(onvif))
    onvif.http_digest = True
    await find_picture_address(address_of(onvif))
    assert not any("p@ss" in body for body in onvif.bodies)


@pytest.mark.parametrize("told_host", ["192.0.2.7", "169.254.169.254", "[2001:db8::1]"])
async def test_no_address_of_the_camera_leads_to_another_host(onvif, told_host):
    onvif.told_host = told_host
    address = address_of(onvif)
    async with asyncio.timeout(30):  # nothing answers at these addresses, at once or ever
        async with connected(address) as device:
            assert (
                await device.picture_url()
                == f"http://127.0.0.1:{onvif.port}/snap.jpg?channel=1&x=2"
            )
            await device.subscribe()
            await device.pull()


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("http://evil.example/x?a=1", "http://10.0.0.9/x?a=1"),
        ("http://u:p@evil.example:8000/x", "http://10.0.0.9:8000/x"),
        ("https://evil.example/x#f", "https://10.0.0.9/x"),
        (" http://10.0.0.9/ok ", "http://10.0.0.9/ok"),
    ],
)
def test_picture_addresses_are_at_the_configured_host(told, url):
    assert OnvifAddress(host="10.0.0.9").picture_url(told) == url


@pytest.mark.parametrize("told", ["file:///etc/passwd", "", "x", None, 7, "http://[", "ftp://a/b"])
def test_what_is_no_address_is_none(told):
    for read in (OnvifAddress(host="a").picture_url, OnvifAddress(host="a").service_url):
        with pytest.raises(OnvifError) as error:
            read(told)
        assert error.value.code == "bad_answer"


def test_services_are_asked_without_tls_at_the_ports_that_the_camera_tells():
    address = OnvifAddress(host="10.0.0.9", port=8000)
    assert address.service_url("http://cam/onvif/Events") == "http://10.0.0.9:8000/onvif/Events"
    assert address.service_url("http://cam:81/x?i=1") == "http://10.0.0.9:81/x?i=1"
    assert address.service_url("https://cam:443/x") == "http://10.0.0.9:8000/x"


@pytest.mark.parametrize(
    ("channel", "source"),
    [(1, {"src0", "lens0", "main0", "sub0"}), (2, {"src1", "lens1", "main1", "sub1"})],
)
async def test_a_recorder_has_several_cameras(onvif, channel, source):
    onvif.channels = 2
    async with connected(address_of(onvif, channel=channel)) as device:
        await device.find_profiles()
        assert device.sources[0] == source
        assert len(device.sources) == 2


async def test_a_channel_that_is_not_there(onvif):
    error = await refused(onvif, channel=3)
    assert error.code == "no_channel"
    assert "from 1 to 1" in str(error)


# --- faults ---------------------------------------------------------------------------------------


async def test_a_wrong_password(onvif):
    error = await refused(onvif, password="hunter2")
    assert error.code == "login"
    assert "users of their own for ONVIF" in str(error)


async def test_a_wrong_password_over_http(onvif):
    onvif.http_digest = True
    assert (await refused(onvif, password="hunter2")).code == "login"


def bomb() -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">{entities}]><s>&l11;</s>'


HOSTILE = {
    "garbage": answer(b"\x00\xff\xfe<<<not xml"),
    "no xml": answer("hello"),
    "a web page": answer("<!doctype html><html><body>Log in</body></html>", kind="text/html"),
    "cut off": answer('<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/'),
    "another envelope": answer("<a><b/></a>"),
    "an entity bomb": answer(bomb()),
    "an entity bomb in UTF-16": answer(bomb().encode("utf-16")),
    "an entity of a file": answer(
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    ),
    "deep": answer("<a>" * 20_000 + "</a>" * 20_000),
    "endless": answer(b"<a>" + b" " * (2 << 20)),
    "nothing": answer(b""),
    "404": answer("no", status=404, kind="text/plain"),
    "500": answer("no", status=500, kind="text/plain"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("operation", ["GetServices", "GetProfiles", "PullMessages"])
async def test_hostile_answers_are_one_sentence(onvif, kind, operation):
    onvif.answers[operation] = HOSTILE[kind]
    async with asyncio.timeout(30):
        error = await refused(onvif)
    assert error.code in {"bad_answer", "fault", "no_channel"}


async def test_a_redirect_is_not_followed(onvif):
    async with OnvifCamera().running() as other:

        def away() -> web.Response:
            url = f"http://127.0.0.1:{other.port}/onvif/device_service"
            return web.Response(status=307, headers={"Location": url})

        onvif.answers["GetServices"] = away
        assert (await refused(onvif)).code == "redirect"
        assert other.operations == []


async def test_a_camera_that_is_not_there():
    error = await refused(OnvifCamera(port=1))
    assert error.code == "unreachable"


async def test_an_answer_that_drips_takes_no_longer_than_the_limit(onvif, monkeypatch):
    monkeypatch.setattr("veroallarme_core.worker.onvif.device.CALL_LIMIT_S", 0.3)
    onvif.drips = True
    error = await refused(onvif)
    assert error.code == "timeout"


async def test_a_silent_camera_takes_no_longer_than_the_limit(onvif, monkeypatch):
    monkeypatch.setattr("veroallarme_core.worker.onvif.device.CALL_LIMIT_S", 0.3)
    onvif.hold_s = 60
    async with connected(address_of(onvif)) as device:
        await device.subscribe()
        monkeypatch.setattr("veroallarme_core.worker.onvif.device.PULL_S", 0.2)
        with pytest.raises(OnvifError) as error:
            await device.pull()
    assert error.value.code == "timeout"


async def test_a_camera_that_makes_no_subscription(onvif):
    onvif.answers["CreatePullPointSubscription"] = lambda: fault(
        "ter:MaxSubscriptions", "Maximum number of subscriptions reached"
    )
    error = await refused(onvif)
    assert error.code == "no_events"
    assert "Maximum number of subscriptions reached" in str(error)
    assert "close other programs" in str(error)


async def test_a_camera_without_pictures(onvif):
    onvif.refuses = {"GetSnapshotUri"}
    with pytest.raises(OnvifError) as error:
        await find_picture_address(address_of(onvif))
    assert error.value.code == "no_pictures"


async def test_an_unreadable_notification_takes_none_of_the_others_with_it(onvif):
    async with connected(address_of(onvif)) as device:
        await device.subscribe()
        onvif.tell(
            "<wsnt:NotificationMessage><wsnt:Topic>x</wsnt:Topic></wsnt:NotificationMessage>",
            motion(True),
            "<wsnt:NotificationMessage><wsnt:Topic>y</wsnt:Topic><wsnt:Message><foo/>"
            "</wsnt:Message></wsnt:NotificationMessage>",
            motion(False),
        )
        told = [one for one in await device.pull() if one.data]
    assert [one.data for one in told] == [{"IsMotion": "true"}, {"IsMotion": "false"}]


async def test_a_camera_that_takes_a_length_of_time_for_nothing_is_told_a_moment(onvif):
    onvif.life_s = 0
    async with connected(address_of(onvif)) as device:
        await device.subscribe()
        await device.renew()
    assert "PT120S" in next(body for body in onvif.bodies if "CreatePullPoint" in body)
    assert "PT120S" not in next(
        body for body in onvif.bodies if "TerminationTime" in body and "Renew" in body
    )


async def test_nothing_is_logged_that_holds_the_login(onvif, caplog):
    caplog.set_level(logging.DEBUG)
    await find_picture_address(address_of(onvif))
    await refused(onvif, password="hunter2")
    assert not [secret for secret in SECRETS if secret in caplog.text]
    assert "PasswordDigest" not in caplog.text


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"host": "http://cam"}, "host is not"),
        ({"host": "cam/x"}, "host is not"),
        ({"host": "a@b"}, "host is not"),
        ({"host": ""}, "host is not"),
        ({"host": "cam", "port": 0}, "port is 0"),
        ({"host": "cam", "port": 99999}, "port is 99999"),
        ({"host": "cam", "channel": 0}, "channel is 0"),
        ({"host": "cam", "password": "hunter2"}, "add username"),
    ],
)
def test_an_unusable_address_is_named(fields, says):
    with pytest.raises(ValueError, match=says) as error:
        OnvifAddress(**fields)
    assert "hunter2" not in str(error.value)


def test_an_address_shows_no_secret():
    address = OnvifAddress(host="cam", username="a", password="hunter2")
    assert "hunter2" not in repr(address)
    assert address.shown == "onvif://cam:80"
    assert OnvifAddress(host="fe80::1").device_url == "http://[fe80::1]/onvif/device_service"
