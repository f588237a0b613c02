"""What the code sends and takes is what the schemas in docs/contract say, both ways."""

import asyncio
import contextlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import cast

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from veroallarme_core.contract import (
    CameraSettings,
    CommandError,
    EventCounts,
    EventList,
    FrameCounts,
    HeightRecall,
    IgnoredZones,
    LearningProgress,
    Mode,
    ObjectKind,
    OnUnknown,
    PastEventSummary,
    Promise,
    RelevanceRegion,
    State,
    Stats,
    SuggestionEvidence,
    SuggestionList,
    Timing,
    Verdict,
    VerdictObject,
    Zone,
    ZoneKind,
    ZoneSuggestion,
    dump,
    iso,
    new_event_id,
    read_command,
)
from veroallarme_core.drawing import draw_event, event_names
from veroallarme_core.pipeline import EventPipeline, not_judged
from veroallarme_core.worker.camera.learning import (
    Adaptation,
    AdaptationInput,
    CameraLearning,
    LearningStatus,
    Outcome,
)
from veroallarme_core.worker.camera.review import Review
from veroallarme_core.worker.clock import now
from veroallarme_core.worker.config import (
    BrokerConfig,
    BurstConfig,
    CameraConfig,
    InferenceConfig,
    WorkerConfig,
)
from veroallarme_core.worker.motion_sources.motion_messages import Trigger
from veroallarme_core.worker.mqtt.messages import Incoming
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.snapshots.file_snapshots import FileSource
from veroallarme_core.worker.storage.records import SuppressedEvent, Totals

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "contract"
STATE = ("info", "health", "verdict", "stats", "settings", "review", "suggestions")
ANSWERS = ("event_list", "ignored_zones", "feedback_answer", "request_error")
SENT = (*STATE, "analysis_error", *ANSWERS)
RECEIVED = (
    "set",
    "feedback",
    "learn",
    "suggestion",
    "analyze",
    "config",
    "burst",
    "motion_end",
    "reference",
    "list_events",
    "get_picture",
    "ignore_here",
)


def load_schema(name: str) -> dict:
    text = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    # The $ of JSON Schema is ECMAScript's: the very end, never the newline before it.
    return json.loads(text.replace('$"', r'\\Z"'))


VALIDATORS = {name: Draft202012Validator(load_schema(name)) for name in SENT + RECEIVED}


def mistakes(name: str, payload: bytes) -> list[str]:
    content = json.loads(payload, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    return [error.message for error in VALIDATORS[name].iter_errors(content)]


# --- the schemas themselves ---------------------------------------------------------------------


def test_there_is_a_schema_for_each_payload_and_no_other():
    assert {path.name for path in FOLDER.glob("*.schema.json")} == {
        f"{name}.schema.json" for name in VALIDATORS
    }


@pytest.mark.parametrize("name", VALIDATORS)
def test_schemas_are_valid_and_say_where_they_belong(name):
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:veroallarme:contract:1:{name}"
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_is_described_completely(name):
    schema = load_schema(name)
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", RECEIVED)
def test_unknown_fields_of_commands_are_allowed(name):
    schema = load_schema(name)
    assert "additionalProperties" not in schema


def examples() -> dict[str, list[str]]:
    """Return the JSON examples of the README by the payload whose section they stand in."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for section in re.split(r"^### ", text, flags=re.M)[1:]:
        name = section.partition("\n")[0].strip().strip("`")
        found[name] = re.findall(r"^```json\n(.*?)^```", section, flags=re.M | re.S)
    return found


@pytest.mark.parametrize("name", VALIDATORS)
def test_the_readme_shows_a_valid_example(name):
    shown = examples()[name]
    assert shown
    for example in shown:
        assert mistakes(name, example.encode()) == []


@pytest.mark.parametrize("name", RECEIVED)
def test_the_commands_of_the_readme_are_accepted(name):
    for example in examples()[name]:
        content = json.loads(example)
        assert read_command(name, example.encode()).keys() == content.keys()


# --- what is sent -------------------------------------------------------------------------------

codes = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
ids = st.from_regex(r"[a-z0-9_]{1,64}", fullmatch=True)
scores = st.floats(0, 1)
counts = st.integers(0, 10_000)
moments = st.datetimes(
    datetime(2020, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.just(UTC),
)
regions = st.builds(
    RelevanceRegion,
    x=counts,
    y=counts,
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
    area=counts,
    centroid=st.tuples(counts, counts),
    confidence=scores,
    relevance_score=scores,
    is_relevant=st.booleans(),
    reason=codes,
)
milliseconds = st.floats(0, 1e7)
timings = st.builds(
    Timing,
    fetch=milliseconds,
    decode=milliseconds,
    motion=milliseconds,
    relevance=milliseconds,
    total=milliseconds,
)
objects = st.builds(
    VerdictObject,
    kind=st.sampled_from(ObjectKind),
    class_name=codes,
    score=scores,
    x=st.integers(0, 9999),
    y=st.integers(0, 9999),
    width=st.integers(1, 9999),
    height=st.integers(1, 9999),
)
frame_counts = st.builds(
    FrameCounts,
    requested=counts,
    fetched=counts,
    distinct=counts,
    damaged=counts,
    age_ms=st.none() | counts,
)
cues = st.dictionaries(codes, st.floats() | st.integers() | st.booleans() | st.text(), max_size=8)


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    state = draw(st.sampled_from(State))
    relevant = draw(st.booleans())
    motion_at = draw(moments)
    return Verdict(
        event_id=new_event_id(motion_at),
        camera=draw(ids),
        state=state,
        relevant=relevant,
        score=None if state is State.UNKNOWN else draw(scores),
        threshold=draw(scores),
        reason=draw(codes),
        explanation=draw(st.text(st.characters(), min_size=1)),
        cues=draw(cues),
        motion_at=motion_at,
        decided_at=motion_at + timedelta(seconds=draw(st.floats(0, 1e5))),
        hold_until=draw(moments) if relevant else None,
        mode=draw(st.sampled_from(Mode)).value,
        learning=draw(st.booleans()),
        merged=draw(counts),
        frame_dimensions=draw(st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999))),
        regions=draw(st.lists(regions, max_size=20)),
        objects=draw(st.lists(objects, max_size=20)),
        frames=draw(frame_counts),
        timing_ms=draw(timings),
        model=draw(codes),
        stored=draw(st.booleans()),
    )


@given(verdict=verdicts())
def test_every_verdict_is_what_the_schema_says(verdict):
    payload = dump(verdict.to_dict())
    assert mistakes("verdict", payload) == []
    shown = json.loads(payload)["regions"]
    assert len(shown) == min(16, len(verdict.regions))


@pytest.mark.parametrize(
    "change",
    [
        {"score": None},
        {"score": 1.01},
        {"relevant": False},
        {"event_id": "../../etc/passwd"},
        {"camera": "Front Door"},
        {"motion_at": "2026-11-23 10:00:00"},
        {"frame_dimensions": [480]},
        {"merged": -1},
        {"mode": "off"},
        {"more": 1},
        {"regions": [{}]},
        {"regions": 17},
        {"stored": "yes"},
    ],
    ids=str,
)
def test_the_schema_refuses_what_no_verdict_says(change):
    content = json.loads(examples()["verdict"][0])
    assert content["state"] == "relevant"
    assert content["relevant"] is True
    assert content["hold_until"]
    if change == {"regions": 17}:
        change = {"regions": content["regions"][:1] * 17}
    assert mistakes("verdict", json.dumps({**content, **change}).encode())


def verdict_of(result, settings: CameraSettings) -> Verdict:
    motion_at = datetime.now(UTC)
    verdict = result.to_verdict(
        event_id=new_event_id(motion_at),
        camera="drive",
        settings=settings,
        learning=False,
        motion_at=motion_at,
        decided_at=motion_at + timedelta(seconds=1),
        merged=0,
        frames=FrameCounts(requested=3, fetched=3, distinct=3),
        fetch_ms=12.0,
    )
    until = motion_at + timedelta(seconds=30) if verdict.relevant else None
    return replace(verdict, hold_until=until)


def test_verdicts_of_real_bursts_are_what_the_schema_says():
    settings = CameraSettings(mode=Mode.FILTER)
    pipeline = EventPipeline()
    bursts = [[], [b"no picture"] * 3]
    for name in event_names()[::6]:
        frames = draw_event(name).frames
        bursts.append([cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames])
    for burst in bursts:
        verdict = verdict_of(pipeline.judge(burst, settings), settings)
        assert mistakes("verdict", dump(verdict.to_dict())) == []
    failed = verdict_of(not_judged("model_failed", "It failed.", settings), settings)
    assert mistakes("verdict", dump(failed.to_dict())) == []


names = st.text(min_size=1, max_size=64)
kinds = st.sets(st.sampled_from(ObjectKind), min_size=1).map(
    lambda chosen: tuple(kind for kind in ObjectKind if kind in chosen)
)
zones = st.builds(
    Zone,
    name=names,
    kind=st.sampled_from(ZoneKind),
    objects=st.none() | kinds,
    points=st.lists(st.tuples(scores, scores), min_size=3, max_size=8).map(tuple),
)
settings_of_cameras = st.builds(
    CameraSettings,
    enabled=st.booleans(),
    mode=st.sampled_from(Mode),
    on_unknown=st.sampled_from(OnUnknown),
    threshold=st.none() | scores,
    recall=st.none() | st.floats(0.5, 0.999),
    hold_s=st.floats(0, 3600),
    zones=st.lists(zones, max_size=3).map(tuple),
    objects=kinds,
)


@given(settings=settings_of_cameras)
def test_settings_are_what_the_schema_says_and_can_be_sent_back(settings):
    payload = dump(settings.to_dict())
    assert mistakes("settings", payload) == []
    assert CameraSettings(**read_command("set", payload)) == settings


promises = st.builds(
    Promise,
    recall=scores,
    confidence=scores,
    synthetic=counts,
    confirmed=counts,
    synthetic_recall=st.none() | scores,
    smallest_px=counts,
    by_height=st.lists(
        st.builds(
            HeightRecall,
            from_px=counts,
            to_px=st.none() | st.integers(1, 999),
            synthetic=st.integers(1, 9999),
            recall=scores,
        ),
        max_size=8,
    ).map(tuple),
    confirmed_recall=st.none() | scores,
    since=moments.map(iso),
)
progresses = st.builds(
    LearningProgress,
    events_seen=counts,
    sessions_seen=counts,
    share=scores,
    missing=st.text(),
    days_left=st.none() | st.floats(0, 1e4, exclude_min=True),
)
adaptations = st.builds(
    Adaptation,
    at=moments.map(iso),
    seconds=st.floats(0, 1e4),
    events=counts,
    outcome=st.sampled_from(Outcome),
    basis=st.builds(AdaptationInput, events_seen=counts, digest=ids),
)


@given(
    promise=st.none() | promises,
    progress=progresses,
    last=st.none() | adaptations,
    notice=st.none() | st.text(min_size=1),
)
def test_stats_are_what_the_schema_says(promise, progress, last, notice):
    thread = cast(ThreadPoolExecutor, None)
    learning = CameraLearning("drive", Path(), thread, lambda *_: None, lambda _: None)
    learning.last = last
    learning._status = LearningStatus(
        learned=promise is not None,
        progress=progress,
        promise=promise,
    )
    if notice is not None:
        learning._tell([notice])
    payload = dump(Stats(**asdict(Totals()), learning=learning.stats()).to_dict())
    assert mistakes("stats", payload) == []


suppressed_events = st.builds(
    SuppressedEvent,
    event_id=ids,
    motion_at=st.timedeltas(timedelta(0), timedelta(days=8)).map(lambda age: now() - age),
    score=st.none() | scores,
    threshold=scores,
    reason=codes,
)


@given(events=st.lists(suppressed_events, max_size=60))
def test_review_is_what_the_schema_says(events):
    assert mistakes("review", Review(events, [], 7.0, lambda _: None).payload()) == []


shares = st.floats(0, 1)
suggested_zones = st.builds(
    ZoneSuggestion,
    id=ids,
    zone=st.builds(
        Zone,
        name=st.text(min_size=1, max_size=64),
        kind=st.just(ZoneKind.IGNORE),
        points=st.lists(st.tuples(shares, shares), min_size=3, max_size=12).map(tuple),
    ),
    evidence=st.builds(
        SuggestionEvidence,
        events=counts,
        since=moments,
        moving_share=shares,
        alarms=counts,
        suppressed=counts,
        confirmed=st.just(0),
        rejected=counts,
        to_look_at=counts,
        look_at=st.lists(ids, max_size=10),
    ),
)


@given(suggestions=st.lists(suggested_zones, max_size=3))
def test_suggestions_are_what_the_schema_says(suggestions):
    payload = dump(SuggestionList(suggestions=suggestions).to_dict())
    assert mistakes("suggestions", payload) == []
    for sent, suggestion in zip(json.loads(payload)["suggestions"], suggestions, strict=True):
        read = ZoneSuggestion.from_dict(sent)
        assert read.zone == suggestion.zone
        assert read.to_dict() == suggestion.to_dict()


def motion_message(topic: str) -> Incoming:
    return Incoming(
        topic=topic,
        payload=b"ON",
        qos=1,
        retain=False,
        redelivered=False,
        packet_id=1,
        acknowledge=lambda: None,
    )


async def test_the_state_of_a_running_worker_is_what_the_schemas_say(tmp_path):
    picture = tmp_path / "now.jpg"
    frame = draw_event(event_names()[0]).frames[0]
    cv2.imwrite(str(picture), frame)
    camera = CameraConfig(
        id="drive",
        name="Drive",
        triggers=(Trigger(topic="cam/motion", start=("ON",)),),
        source=FileSource(path=picture),
        burst=BurstConfig(size=2, spacing_s=0.1, limit_s=2.0),
        reference_every_s=0.0,
    )
    config = WorkerConfig(
        cameras=(camera,),
        # Nobody listens there: the state is asked for as a connection would ask for it.
        broker=BrokerConfig(host="127.0.0.1", port=1),
        inference=InferenceConfig(enabled=False),
        data_dir=tmp_path / "data",
        state_dir=tmp_path / "state",
    )
    worker = Worker(config)
    running = asyncio.create_task(worker.run())
    try:
        state = await state_with(worker, "stats")
        worker._router.received(motion_message("cam/motion"))
        state = await state_with(worker, "verdict")
    finally:
        worker.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    for name in STATE:
        assert mistakes(name, state[name]) == [], name
    assert json.loads(state["stats"])["events"] == 1
    assert json.loads(state["verdict"])["camera"] == "drive"
    assert json.loads(state["info"])["cameras"] == [
        {"id": "drive", "name": "Drive", "origin": "local"}
    ]


async def state_with(worker: Worker, wanted: str) -> dict[str, bytes]:
    """Return the payloads of a worker by the last level of their topics, once one is there."""
    while True:
        state = {
            message.topic.rpartition("/")[2]: message.payload
            for message in worker._router.connected()
        }
        if wanted in state:
            return state
        await asyncio.sleep(0.02)


# --- what is received ---------------------------------------------------------------------------

past_events = st.builds(
    PastEventSummary,
    verdict=verdicts().map(lambda verdict: json.loads(dump(verdict.to_dict()))),
    feedback=st.none() | st.booleans(),
    pictures=st.integers(0, 10),
)


@given(events=st.lists(past_events, max_size=3), more=st.booleans())
def test_lists_of_past_events_are_what_the_schema_says(events, more):
    begin = datetime(2026, 11, 22, tzinfo=UTC)
    counted = EventCounts(since=begin, until=begin + timedelta(days=1), relevant=2, suppressed=1)
    payload = dump(EventList(events=events, more=more, counts=[counted]).to_dict())
    assert mistakes("event_list", payload) == []


@given(added=st.lists(zones, min_size=1, max_size=3))
def test_ignored_zones_are_what_the_schema_says(added):
    ignored = [replace(zone, kind=ZoneKind.IGNORE, objects=None) for zone in added]
    payload = dump(IgnoredZones(zones=ignored, added=True).to_dict())
    assert mistakes("ignored_zones", payload) == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=10,
)
corners = st.lists(scores | st.integers(-1, 2) | json_values, min_size=1, max_size=3)
kind_documents = st.lists(st.sampled_from([*ObjectKind, "people"]), max_size=4)
zone_documents = st.fixed_dictionaries(
    {"name": st.text(max_size=3) | json_values},
    optional={
        "kind": st.sampled_from([*ZoneKind, "never", "Only"]) | json_values,
        "points": st.lists(corners, min_size=2, max_size=5) | json_values,
        "objects": kind_documents | json_values,
        "colour": json_values,
    },
)
set_documents = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans() | json_values,
        "mode": st.sampled_from([*Mode, "", "off", "Filter"]) | json_values,
        "on_unknown": st.sampled_from([*OnUnknown, "ALERT"]) | json_values,
        "threshold": st.none() | scores | st.sampled_from([-0.1, 1.1, 10**20]) | json_values,
        "recall": st.none() | st.floats(0.4, 1) | json_values,
        "hold_s": st.floats(-1, 3601) | st.integers(-1, 3601) | json_values,
        "zones": st.lists(zone_documents, max_size=18) | json_values,
        "objects": kind_documents | json_values,
        "colour": json_values,
    },
)
feedback_documents = st.fixed_dictionaries(
    {},
    optional={
        "event_id": ids | st.text(max_size=66) | st.sampled_from(["a\n", "A", ""]) | json_values,
        "relevant": st.booleans() | st.none() | json_values,
        "request_id": ids | st.none() | json_values,
        "colour": json_values,
    },
)


def is_accepted(name: str, payload: bytes) -> bool:
    refusal = None
    try:
        read_command(name, payload)
    except CommandError as error:
        refusal = str(error)
    assert refusal is None or (0 < len(refusal) <= 300 and "\n" not in refusal)
    return refusal is None


@given(content=set_documents | json_values)
def test_set_is_accepted_exactly_where_its_schema_says(content):
    payload = json.dumps(content).encode()
    assert is_accepted("set", payload) == VALIDATORS["set"].is_valid(content)


@given(content=feedback_documents | json_values)
def test_feedback_is_accepted_exactly_where_its_schema_says(content):
    payload = json.dumps(content).encode()
    assert is_accepted("feedback", payload) == VALIDATORS["feedback"].is_valid(content)


@given(content=json_values)
def test_learn_is_accepted_exactly_where_its_schema_says(content):
    payload = json.dumps(content).encode()
    assert is_accepted("learn", payload) == VALIDATORS["learn"].is_valid(content)


config_documents = st.fixed_dictionaries(
    {"name": st.text(max_size=66) | json_values},
    optional={
        "burst_size": st.integers(1, 11) | st.sampled_from([3.0, 3.5]) | json_values,
        "spacing_s": st.floats(0.4, 10.1) | json_values,
        "mode": st.sampled_from([*Mode, "off"]) | json_values,
        "colour": json_values,
    },
)
motion_ends = st.fixed_dictionaries(
    {}, optional={"event_id": ids | st.text(max_size=66) | json_values, "colour": json_values}
)
written_moments = st.builds(
    lambda moment, suffix: moment.replace(tzinfo=None).isoformat() + suffix,
    moments,
    st.sampled_from(["Z", "+00:00", "-07:30", "", "z"]),
)
frame_documents = st.lists(
    st.fixed_dictionaries(
        {"captured_at": written_moments | json_values, "jpeg": st.text() | json_values},
        optional={"colour": json_values},
    )
    | json_values,
    max_size=11,
)
analyze_documents = st.fixed_dictionaries(
    {"request_id": ids | json_values}, optional={"frames": frame_documents | json_values}
)
burst_documents = st.fixed_dictionaries(
    {
        "event_id": st.builds(new_event_id, moments) | ids | json_values,
        "motion_at": written_moments | json_values,
        "frames": frame_documents | json_values,
    }
)


list_documents = st.fixed_dictionaries(
    {"request_id": ids | json_values},
    optional={
        "event_id": ids | json_values,
        "since": written_moments | json_values,
        "until": st.none() | written_moments,
        "states": st.lists(st.sampled_from([*State, "no"]), max_size=4) | json_values,
        "limit": st.integers(-1, 51) | st.sampled_from([3.0, 3.5]) | json_values,
        "count_between": st.lists(written_moments, max_size=3) | json_values,
    },
)
reference_documents = st.fixed_dictionaries(
    {"captured_at": written_moments | json_values, "jpeg": st.text() | json_values}
)
picture_documents = st.fixed_dictionaries(
    {"request_id": ids, "event_id": ids | json_values},
    optional={
        "frame": st.integers(-1, 10) | json_values,
        "width": st.integers(60, 1290) | json_values,
    },
)
ignore_documents = st.fixed_dictionaries(
    {"request_id": ids | json_values, "event_id": ids},
    optional={"preview": st.booleans() | json_values},
)


@pytest.mark.parametrize(
    ("name", "documents"),
    [
        ("config", config_documents),
        ("motion_end", motion_ends),
        ("analyze", analyze_documents),
        ("reference", reference_documents),
        ("list_events", list_documents),
        ("get_picture", picture_documents),
        ("ignore_here", ignore_documents),
    ],
)
@given(data=st.data())
def test_commands_for_cameras_are_accepted_exactly_where_their_schemas_say(name, documents, data):
    content = data.draw(documents | json_values)
    payload = json.dumps(content).encode()
    assert is_accepted(name, payload) == VALIDATORS[name].is_valid(content)


@given(content=burst_documents | json_values)
def test_no_burst_is_accepted_that_its_schema_refuses(content):
    if is_accepted("burst", json.dumps(content).encode()):
        assert VALIDATORS["burst"].is_valid(content)


@given(
    moment=moments, offset=st.integers(-23, 23), seconds=st.floats(0, 9), count=st.integers(0, 10)
)
def test_bursts_as_home_assistant_writes_them_are_accepted(moment, offset, seconds, count):
    zone = timezone(timedelta(hours=offset))
    captured_at = (moment + timedelta(seconds=seconds)).astimezone(zone).isoformat()
    content = {
        "event_id": new_event_id(moment),
        "motion_at": moment.astimezone(zone).isoformat(),
        "frames": [{"captured_at": captured_at, "jpeg": "/9j/"}] * count,
    }
    payload = json.dumps(content).encode()
    assert mistakes("burst", payload) == []
    assert read_command("burst", payload)["motion_at"] == moment


@given(settings=settings_of_cameras, extra=json_values)
def test_fields_of_a_newer_peer_are_ignored(settings, extra):
    content = settings.to_dict()
    content["zones"] = [{**zone, "colour": extra} for zone in content["zones"]]
    payload = json.dumps({**content, "colour": extra}).encode()
    assert CameraSettings(**read_command("set", payload)) == settings


@given(number=st.integers(16, 9000))
def test_a_long_integer_is_what_every_reader_of_doubles_takes_it_for(number):
    payload = b'{"hold_s": 1' + b"0" * number + b"}"
    assert not is_accepted("set", payload)
