"""A camera that speaks ONVIF and no MQTT: SOAP over HTTP on loopback, with real ones' habits.

The answers are written after the ONVIF core, media and event specifications; the notifications have
the shapes that cameras of known makers send.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.worker.counting_camera import jpeg

LOGIN = ("onvif user", "p@ss/wörd&<")
MAX_AGE_S = 30
"""A login that is older by the camera's own clock is refused."""

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope'
    ' xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:wsa5="http://www.w3.org/2005/08/addressing"'
    ' xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"'
    ' xmlns:wstop="http://docs.oasis-open.org/wsn/t-1"'
    ' xmlns:tds="http://www.onvif.org/ver10/device/wsdl"'
    ' xmlns:trt="http://www.onvif.org/ver10/media/wsdl"'
    ' xmlns:tev="http://www.onvif.org/ver10/events/wsdl"'
    ' xmlns:tt="http://www.onvif.org/ver10/schema"'
    ' xmlns:tns1="http://www.onvif.org/ver10/topics"'
    ' xmlns:ter="http://www.onvif.org/ver10/error"'
    ' xmlns:xs="http://www.w3.org/2001/XMLSchema"><s:Body>{body}</s:Body></s:Envelope>'
)
TOPICS = (
    '<tns1:RuleEngine><CellMotionDetector><Motion wstop:topic="true"/></CellMotionDetector>'
    '</tns1:RuleEngine><tns1:Device><Trigger><Relay wstop:topic="true"/></Trigger></tns1:Device>'
)


def fault(code: str = "ter:Action", reason: str = "Action failed") -> str:
    return (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value>"
        f'</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason>'
        "</s:Fault>"
    )


def notification(
    topic: str, data: dict[str, str], source: dict[str, str], operation: str = "Changed"
) -> str:
    """One message as PullMessages gives it."""

    def items(kind: str, told: dict[str, str]) -> str:
        one = "".join(f'<tt:SimpleItem Name="{k}" Value="{v}"/>' for k, v in told.items())
        return f"<tt:{kind}>{one}</tt:{kind}>"

    said = f' PropertyOperation="{operation}"' if operation else ""
    return (
        "<wsnt:NotificationMessage><wsnt:Topic"
        ' Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
        f'{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2026-11-23T12:00:00Z"{said}>'
        f"{items('Source', source)}{items('Data', data)}</tt:Message></wsnt:Message>"
        "</wsnt:NotificationMessage>"
    )


def motion(is_on: bool, token: str = "src0", operation: str = "Changed") -> str:
    source = {"VideoSourceConfigurationToken": token, "VideoAnalyticsConfigurationToken": "an0"}
    state = {"IsMotion": "true" if is_on else "false"}
    return notification(
        "tns1:RuleEngine/CellMotionDetector/Motion", state, {**source, "Rule": "r"}, operation
    )


Answer = Callable[[], web.StreamResponse | str]


@dataclass
class OnvifCamera:
    """What the camera does; and what has come.

    Attributes:
        login: User name and password that all but the clock wants; None wants none.
        skew: How far its clock is ahead of the right time.
        channels: How many cameras it has.
        told_host: Host in all addresses that it tells; None tells its own.
        topics: What GetEventProperties tells.
        life_s: Seconds for which it keeps a subscription.
        hold_s: How long it holds back an empty answer to PullMessages.
        refuses: Operations that it does not know.
        answers: What it answers in place of the usual, by operation.
        http_digest: Whether SOAP wants a login over HTTP.
        guards_clock: Whether it tells the time to those who have logged in alone.
    """

    login: tuple[str, str] | None = LOGIN
    skew: timedelta = timedelta()
    channels: int = 1
    told_host: str | None = None
    topics: str = TOPICS
    life_s: float = 120
    hold_s: float = 0.5
    refuses: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)
    http_digest: bool = False
    guards_clock: bool = False
    frames: list[bytes] = field(default_factory=list)
    """Its pictures, one after the other; drawn ones by default."""
    picture_path: str = "/snap.jpg"
    picture_delay_s: float = 0.0
    silent: bool = False
    drips: bool = False
    """Whether its answers come a byte at a time, and never end."""
    state: str = ""
    """What SetSynchronizationPoint lets it tell."""
    operations: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    pictures: int = 0
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    subscriptions: dict[str, list[str]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    def tell(self, *messages: str) -> None:
        """Tell all subscribers."""
        for queue in self.subscriptions.values():
            queue += messages
        self._changed.set()

    def reboot(self) -> None:
        """Forget all subscriptions, as a camera without power does."""
        self.subscriptions.clear()
        self._changed.set()

    def url(self, path: str) -> str:
        return f"http://{self.told_host or '127.0.0.1'}:{self.port}{path}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[OnvifCamera]:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._soap)
        app.router.add_get("/{path:.*}", self._picture)
        async with TestServer(app, host="127.0.0.1") as server:
            assert server.port is not None
            self.port = server.port
            yield self

    async def _picture(self, request: web.Request) -> web.Response:
        if request.path != "/snap.jpg":
            return web.Response(status=404)
        if self.login is not None and not self._is_known_by_http(request):
            return self._wants_http_digest()
        number = self.pictures
        self.pictures += 1
        for _ in range(round(self.picture_delay_s * 20)):
            if not self.picture_delay_s:
                break
            await asyncio.sleep(0.05)
        body = self.frames[number % len(self.frames)] if self.frames else jpeg(number)
        return web.Response(body=body, content_type="image/jpeg")

    def _wants_http_digest(self) -> web.Response:
        wanted = 'Digest realm="cam", nonce="5f2a", qop="auth"'
        return web.Response(status=401, headers={"WWW-Authenticate": wanted}, text="no")

    def _is_known_by_http(self, request: web.Request) -> bool:
        assert self.login is not None
        given = request.headers.get("Authorization", "")
        told = dict(re.findall(r'(\w+)="?([^",]*)"?', given))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        secret = md5(f"{self.login[0]}:cam:{self.login[1]}")
        asked = md5(f"{request.method}:{told.get('uri')}")
        wanted = md5(f"{secret}:5f2a:{told.get('nc')}:{told.get('cnonce')}:auth:{asked}")
        return told.get("response") == wanted

    async def _soap(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.bodies.append(text)
        body = re.split(r"<[\w-]+:Body[^>]*>", text)[1]
        found = re.search(r"<(?:[\w-]+:)?(\w+)", body)
        assert found is not None
        operation = found[1]
        self.operations.append(operation)
        if self.silent:
            await asyncio.sleep(60)
        if self.drips:
            return await self._drip(request)
        if self.http_digest and not self._is_known_by_http(request):
            return self._wants_http_digest()
        if operation in self.answers:
            answer = self.answers[operation]()
            return self._envelope(answer) if isinstance(answer, str) else answer
        if operation in self.refuses:
            return self._envelope(fault("ter:ActionNotSupported", "Action Not Implemented"))
        is_open = operation == "GetSystemDateAndTime" and not self.guards_clock
        if not is_open and self.login and not self._is_known(text):
            return self._envelope(fault("ter:NotAuthorized", "Sender not Authorized"), status=400)
        if operation == "PullMessages":
            return await self._pull(request)
        return self._envelope(getattr(self, f"_{operation}")(request))

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/soap+xml"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1200):
                await response.write(b" ")
                await asyncio.sleep(0.05)
        return response

    def _envelope(self, body: str, status: int | None = None) -> web.Response:
        is_fault = body.startswith("<s:Fault")
        return web.Response(
            body=ENVELOPE.format(body=body).encode(),
            status=status or (500 if is_fault else 200),
            content_type="application/soap+xml",
        )

    def _is_known(self, text: str) -> bool:
        """Check the login in the message: WS-Security, UsernameToken with a digest."""
        assert self.login is not None
        told = {
            name: (re.findall(rf"<ws(?:se|u):{name}(?: [^>]*)?>([^<]*)<", text) or [""])[0]
            for name in ("Username", "Password", "Nonce", "Created")
        }
        if "PasswordDigest" not in text or not told["Created"]:
            return False
        created = datetime.fromisoformat(told["Created"].replace("Z", "+00:00"))
        if abs((created - self._now()).total_seconds()) > MAX_AGE_S:
            return False
        nonce = base64.b64decode(told["Nonce"])
        user, password = self.login
        digest = hashlib.sha1(nonce + told["Created"].encode() + password.encode()).digest()
        return told["Username"] == user and base64.b64decode(told["Password"]) == digest

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    # --- device and media --------------------------------------------------------------------

    def _GetSystemDateAndTime(self, request: web.Request) -> str:  # noqa: N802
        at = self._now()
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
            "<tt:DateTimeType>Manual</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}"
            f"</tt:Minute><tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}"
            f"</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetServices(self, request: web.Request) -> str:  # noqa: N802
        services = "".join(
            f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{name}/wsdl</tds:Namespace>"
            f"<tds:XAddr>{self.url(path)}</tds:XAddr><tds:Version><tt:Major>2</tt:Major>"
            "<tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for name, path in (
                ("device", "/onvif/device_service"),
                ("media", "/onvif/Media"),
                ("events", "/onvif/Events"),
            )
        )
        return f"<tds:GetServicesResponse>{services}</tds:GetServicesResponse>"

    def _GetCapabilities(self, request: web.Request) -> str:  # noqa: N802
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"<tt:Events><tt:XAddr>{self.url('/onvif/Events')}</tt:XAddr>"
            "<tt:WSSubscriptionPolicySupport>true</tt:WSSubscriptionPolicySupport>"
            "<tt:WSPullPointSupport>true</tt:WSPullPointSupport>"
            "<tt:WSPausableSubscriptionManagerInterfaceSupport>false"
            "</tt:WSPausableSubscriptionManagerInterfaceSupport></tt:Events>"
            f"<tt:Media><tt:XAddr>{self.url('/onvif/Media')}</tt:XAddr>"
            "<tt:StreamingCapabilities/></tt:Media>"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, request: web.Request) -> str:  # noqa: N802
        profiles = "".join(
            f'<trt:Profiles fixed="true" token="{size}{number}"><tt:Name>{size}</tt:Name>'
            f'<tt:VideoSourceConfiguration token="src{number}"><tt:Name>v</tt:Name>'
            f"<tt:UseCount>2</tt:UseCount><tt:SourceToken>lens{number}</tt:SourceToken>"
            '<tt:Bounds x="0" y="0" width="2560" height="1440"/></tt:VideoSourceConfiguration>'
            "</trt:Profiles>"
            for number in range(self.channels)
            for size in ("main", "sub")
        )
        return f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"

    def _GetSnapshotUri(self, request: web.Request) -> str:  # noqa: N802
        return (
            "<trt:GetSnapshotUriResponse><trt:MediaUri>"
            f"<tt:Uri>{self.url(self.picture_path + '?channel=1&amp;x=2')}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
            "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
            "</trt:MediaUri></trt:GetSnapshotUriResponse>"
        )

    # --- events ------------------------------------------------------------------------------

    def _GetEventProperties(self, request: web.Request) -> str:  # noqa: N802
        return (
            "<tev:GetEventPropertiesResponse><tev:TopicNamespaceLocation>"
            "http://www.onvif.org/onvif/ver10/topics/topicns.xml</tev:TopicNamespaceLocation>"
            "<wsnt:FixedTopicSet>true</wsnt:FixedTopicSet>"
            f"<wstop:TopicSet>{self.topics}</wstop:TopicSet>"
            "<wsnt:TopicExpressionDialect>http://docs.oasis-open.org/wsn/t-1/TopicExpression/Concrete"
            "</wsnt:TopicExpressionDialect><tev:MessageContentFilterDialect>http://www.onvif.org/"
            "ver10/tev/messageContentFilter/ItemFilter</tev:MessageContentFilterDialect>"
            "<tev:MessageContentSchemaLocation>http://www.onvif.org/onvif/ver10/schema/onvif.xsd"
            "</tev:MessageContentSchemaLocation></tev:GetEventPropertiesResponse>"
        )

    def _times(self, *order: str) -> str:
        now = self._now()
        told = {"CurrentTime": now, "TerminationTime": now + timedelta(seconds=self.life_s)}
        return "".join(
            f"<wsnt:{name}>{told[name]:%Y-%m-%dT%H:%M:%SZ}</wsnt:{name}>" for name in order or told
        )

    def _CreatePullPointSubscription(self, request: web.Request) -> str:  # noqa: N802
        path = f"/onvif/Subscription?Idx={next(self._numbers)}"
        self.subscriptions[path] = []
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa5:Address>{self.url(path)}</wsa5:Address></tev:SubscriptionReference>"
            f"{self._times()}</tev:CreatePullPointSubscriptionResponse>"
        )

    def _SetSynchronizationPoint(self, request: web.Request) -> str:  # noqa: N802
        if self.state:
            self.subscriptions[request.path_qs].append(self.state)
        return "<tev:SetSynchronizationPointResponse/>"

    def _Renew(self, request: web.Request) -> str:  # noqa: N802
        if request.path_qs not in self.subscriptions:
            return fault("ter:InvalidArgVal", "Subscription does not exist")
        times = self._times("TerminationTime", "CurrentTime")
        return f"<wsnt:RenewResponse>{times}</wsnt:RenewResponse>"

    def _Unsubscribe(self, request: web.Request) -> str:  # noqa: N802
        self.subscriptions.pop(request.path_qs, None)
        return "<wsnt:UnsubscribeResponse/>"

    async def _pull(self, request: web.Request) -> web.Response:
        path = request.path_qs
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.hold_s):
                while path in self.subscriptions and not self.subscriptions[path]:
                    self._changed.clear()
                    await self._changed.wait()
        if path not in self.subscriptions:
            return self._envelope(fault("ter:InvalidArgVal", "Subscription does not exist"))
        messages, self.subscriptions[path] = self.subscriptions[path], []
        times = re.sub("wsnt:", "tev:", self._times())
        return self._envelope(
            f"<tev:PullMessagesResponse>{times}{''.join(messages)}</tev:PullMessagesResponse>"
        )
