"""From encoded frames to a judgement: what cannot be judged says so, and nothing raises."""

import dataclasses
import io
import json
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.pipeline.bursts import MOVING, SIZE, STILL, jpeg, scene
from veroallarme_core.contract import (
    CameraSettings,
    FrameCounts,
    Mode,
    ObjectKind,
    State,
    Zone,
    ZoneKind,
)
from veroallarme_core.description import DetectedObject
from veroallarme_core.description.scene_encoder import SceneEncoder
from veroallarme_core.judgement.unwanted import SUSPECTED_SCORE
from veroallarme_core.pipeline import EventPipeline, PipelineResult

FILTER = CameraSettings(mode=Mode.FILTER)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def check(result: PipelineResult) -> None:
    """What holds for every result."""
    assert result.explanation
    assert result.reason
    assert (result.score is None) == (result.state is State.UNKNOWN)
    if result.score is not None:
        assert 0 <= result.score <= 1
        assert (result.score < result.threshold) == (result.state is State.IRRELEVANT)
    scores = [region.relevance_score for region in result.regions]
    assert scores == sorted(scores, reverse=True)
    verdict = result.to_verdict(
        event_id="20261123_120000_abcdef",
        camera="front",
        settings=FILTER,
        learning=False,
        motion_at=NOW,
        decided_at=NOW,
        merged=0,
        frames=FrameCounts(),
        fetch_ms=0.0,
    )
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_a_mover_becomes_regions_and_a_picture() -> None:
    result = EventPipeline().judge(MOVING, FILTER)
    check(result)
    assert result.regions
    assert result.frame_dimensions == SIZE
    assert result.picture is not None
    assert result.picture.startswith(b"\xff\xd8")
    assert result.timing_ms.decode > 0
    assert result.timing_ms.motion > 0


def test_no_frame_at_all_is_unknown() -> None:
    result = EventPipeline().judge([], FILTER)
    check(result)
    assert (result.state, result.reason, result.picture) == (State.UNKNOWN, "no_snapshot", None)


def test_single_frame_that_differs_from_the_reference_is_relevant() -> None:
    result = EventPipeline().judge(MOVING[1:2], FILTER, reference=STILL[0])
    check(result)
    assert (result.state, result.reason) == (State.RELEVANT, "differs_from_reference")
    assert result.regions


def test_single_frame_like_the_reference_proves_nothing() -> None:
    result = EventPipeline().judge(STILL[1:2], FILTER, reference=STILL[0])
    check(result)
    assert (result.state, result.reason) == (State.UNKNOWN, "single_frame")


def test_single_frame_shows_no_motion_but_is_shown() -> None:
    result = EventPipeline().judge(MOVING[:1], FILTER)
    check(result)
    assert (result.state, result.reason) == (State.UNKNOWN, "single_frame")
    assert result.picture is not None


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"<html>Login</html>", "not_an_image"), (MOVING[0][:40], "undecodable")],
)
def test_undecodable_burst_is_unknown_and_says_why(data: bytes, reason: str) -> None:
    result = EventPipeline().judge([data, data], FILTER)
    check(result)
    assert (result.state, result.reason, result.damaged) == (State.UNKNOWN, reason, 2)
    assert result.picture is None


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_picture_of_40_megapixels_is_refused_undecoded(suffix: str) -> None:
    huge = bytes(cv2.imencode(suffix, np.zeros((5000, 8000, 3), np.uint8))[1].tobytes())
    assert len(huge) < 1_000_000
    result = EventPipeline().judge([huge, huge], FILTER)
    check(result)
    assert (result.state, result.reason) == (State.UNKNOWN, "too_large")
    assert result.timing_ms.total < 1000


def test_one_bad_frame_does_not_hide_the_others() -> None:
    result = EventPipeline().judge([MOVING[0], b"", MOVING[2]], FILTER)
    check(result)
    assert result.regions
    assert result.damaged >= 1


def test_frames_of_different_sizes_raise_nothing() -> None:
    other = jpeg(np.zeros((80, 60, 3), np.uint8))
    check(EventPipeline().judge([MOVING[0], other, MOVING[1]], FILTER))
    check(EventPipeline().judge([other, MOVING[0]], FILTER))


@pytest.mark.parametrize("reference", [None, b"", b"<html>", STILL[0][:500], STILL[0]])
def test_reference_of_any_quality_raises_nothing(reference: bytes | None) -> None:
    check(EventPipeline().judge(STILL, FILTER, reference))


def test_still_burst_without_a_reference_is_not_suppressed() -> None:
    result = EventPipeline().judge(STILL, FILTER)
    assert result.state is State.UNKNOWN


@settings(max_examples=60)
@given(st.data())
def test_truncated_and_changed_jpegs_give_a_result(data: st.DataObject) -> None:
    frames = []
    for whole in MOVING:
        cut = data.draw(st.integers(0, len(whole)))
        changed = bytearray(whole[:cut])
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
            if place < cut:
                changed[place] = data.draw(st.integers(0, 255))
        frames.append(bytes(changed))
    check(EventPipeline().judge(frames, FILTER, frames[0]))


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_any_bytes_give_a_result(frames: list[bytes]) -> None:
    result = EventPipeline().judge(frames, FILTER)
    check(result)
    assert result.state is State.UNKNOWN


# --- what counts ------------------------------------------------------------------------------


class ByHeart:
    """A detector that sees a car wherever the bright box is, and maybe somebody in it."""

    name = "by-heart"

    def __init__(self, *, person: float = 0.0) -> None:
        self.person = person

    def detect(self, frames, *, size, min_score):
        return tuple(self._see(frame) for frame in frames)

    def _see(self, frame):
        rows, columns = np.nonzero(frame.min(axis=2) > 200)
        if not len(rows):
            return ()
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        whole = tuple(int(edge) for edge in box)
        seen = [DetectedObject("car", 0.9, *whole), DetectedObject("person", self.person, *whole)]
        return tuple(found for found in seen if found.score)


PEOPLE = dataclasses.replace(FILTER, objects=(ObjectKind.PERSON,))
COMING = [jpeg(scene(noise=1)), jpeg(scene((20, 60), noise=2)), jpeg(scene((110, 60), noise=3))]


def test_a_car_alone_is_left_out_where_people_count() -> None:
    result = EventPipeline(detector=ByHeart()).judge(COMING, PEOPLE)
    check(result)
    assert (result.state, result.reason) == (State.IRRELEVANT, "unwanted_object")
    assert "Only a car was recognised, and you asked for people alone." in result.explanation
    assert [found.class_name for found in result.objects] == ["car"], "it is told of all the same"
    assert {region.reason for region in result.regions} == {"unwanted_object"}


@pytest.mark.parametrize(
    ("settings_", "detector"),
    [(FILTER, ByHeart()), (PEOPLE, ByHeart(person=SUSPECTED_SCORE)), (PEOPLE, None)],
    ids=["all kinds count", "somebody is suspected", "nobody looked"],
)
def test_what_may_count_is_judged_as_ever(
    settings_: CameraSettings, detector: ByHeart | None
) -> None:
    result = EventPipeline(detector=detector).judge(COMING, settings_)
    plain = EventPipeline().judge(COMING, FILTER)
    assert (result.state, result.reason) == (State.RELEVANT, plain.reason)
    assert result.regions == plain.regions


def test_only_kinds_that_count_speak_for_a_region() -> None:
    pipeline = EventPipeline(encoder=SceneEncoder(), detector=ByHeart(person=0.3))
    for chosen, score in ((FILTER, 0.9), (PEOPLE, 0.3)):
        evidence = pipeline.judge(COMING, chosen).evidence
        assert evidence is not None
        assert max(region.object_score for region in evidence.regions) == score
        assert max(region.person_score for region in evidence.regions) == 0.3


def test_where_people_do_not_count_nobody_is_a_person_for_certain() -> None:
    pipeline = EventPipeline(encoder=SceneEncoder(), detector=ByHeart(person=0.9))
    vehicles = dataclasses.replace(FILTER, objects=(ObjectKind.VEHICLE,))
    for settings_, score in ((FILTER, 0.9), (vehicles, 0.0)):
        evidence = pipeline.judge(COMING, settings_).evidence
        assert evidence is not None
        assert max(region.person_score for region in evidence.regions) == score


# --- orientation --------------------------------------------------------------------------------

STORED = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_COUNTERCLOCKWISE, 8: cv2.ROTATE_90_CLOCKWISE}
"""How the sensor's picture lies in the file, by the orientation that turns it upright."""


def turned(picture: NDArray[np.uint8], orientation: int) -> bytes:
    """Encode an upright picture as a camera that hangs on its side does."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = cv2.rotate(picture, STORED[orientation])[..., ::-1]
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(stream, "PNG", exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", STORED)
def test_a_burst_is_judged_and_shown_as_everybody_sees_it(orientation: int) -> None:
    upright = [scene((x, 60), noise=x) for x in (20, 60, 110)]
    # On the left of the picture that everybody sees; in the file it is another side.
    zone = Zone(name="drive", points=((0.0, 0.3), (0.2, 0.3), (0.2, 0.8), (0.0, 0.8)))
    zoned = dataclasses.replace(FILTER, zones=(zone,))
    expected = EventPipeline().judge(
        [bytes(cv2.imencode(".png", picture)[1].tobytes()) for picture in upright], zoned
    )
    result = EventPipeline().judge([turned(picture, orientation) for picture in upright], zoned)
    assert result.state is State.RELEVANT
    assert result.frame_dimensions == SIZE
    assert result.regions == expected.regions
    assert result.picture == expected.picture
    assert result.picture is not None
    shown = cv2.imdecode(np.frombuffer(result.picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown is not None
    assert shown.shape[:2] == SIZE


def test_a_reference_stands_as_the_burst_does() -> None:
    still = [turned(scene(noise=number), 6) for number in range(3)]
    result = EventPipeline().judge(still, FILTER, reference=turned(scene(noise=9), 6))
    assert result.reason == "no_motion"


# --- zones --------------------------------------------------------------------------------------


LEFT = Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
RIGHT = Zone(name="right", points=((0.5, 0), (1, 0), (1, 1), (0.5, 1)))
TOP = Zone(name="top", points=((0, 0), (1, 0), (1, 0.1), (0, 0.1)))


def zoned(*zones: Zone) -> CameraSettings:
    return dataclasses.replace(FILTER, zones=zones)


def test_motion_outside_all_zones_does_not_count() -> None:
    result = EventPipeline().judge(MOVING, zoned(TOP))
    check(result)
    assert (result.state, result.score) == (State.IRRELEVANT, 0.0)
    assert result.reason == "outside_zones"
    assert result.explanation == "All motion was outside the zones you have drawn."
    assert result.cues["regions_relevant"] == 0
    assert not any(region.is_relevant for region in result.regions)


def test_what_moves_inside_a_zone_decides() -> None:
    frames = [jpeg(scene((x, 60), (130, 100), noise=x)) for x in (10, 30, 50)]
    frames[1] = jpeg(scene((30, 60), noise=5))
    result = EventPipeline().judge(frames, zoned(LEFT))
    check(result)
    assert (result.state, result.reason) == (State.RELEVANT, "moved")
    assert {region.reason for region in result.regions} == {"moved", "outside_zones"}
    assert result.cues["regions_relevant"] == sum(one.is_relevant for one in result.regions)


def test_what_moves_where_it_is_ignored_does_not_count() -> None:
    """Of all that moves nothing is left; beside it everything counts."""
    ignored = dataclasses.replace(LEFT, kind=ZoneKind.IGNORE)
    result = EventPipeline().judge(MOVING, zoned(ignored))
    expected = EventPipeline().judge(MOVING, zoned(RIGHT))
    assert (result.state, result.reason) == (expected.state, expected.reason)
    everything = dataclasses.replace(ignored, points=((0, 0), (1, 0), (1, 1), (0, 1)))
    assert EventPipeline().judge(MOVING, zoned(everything)).reason == "outside_zones"


def test_where_motion_always_alerts_no_zone_and_no_line_suppresses_it() -> None:
    always = Zone(name="gate", kind=ZoneKind.ALWAYS, points=((0, 0), (1, 0), (1, 1), (0, 1)))
    settings = dataclasses.replace(zoned(TOP, always), threshold=1.0)
    result = EventPipeline().judge(MOVING, settings)
    check(result)
    assert (result.state, result.score, result.reason) == (State.RELEVANT, 1.0, "always_zone")
    assert result.explanation.endswith(", in a zone where motion always alerts.")


def test_zones_do_not_suppress_what_could_not_be_judged() -> None:
    frozen = [STILL[0], STILL[0]]
    assert EventPipeline().judge(frozen, zoned(TOP)).state is State.UNKNOWN


@pytest.mark.parametrize(
    "other",
    [
        STILL[0] + b"\0\0 trailing bytes",
        STILL[0][:2] + b"\xff\xfe\x00\x06note" + STILL[0][2:],
    ],
)
def test_the_same_picture_in_other_bytes_proves_nothing(other: bytes) -> None:
    result = EventPipeline().judge([STILL[0], other, STILL[0]], FILTER, reference=STILL[1])
    check(result)
    assert (result.state, result.reason) == (State.UNKNOWN, "frozen_picture")


def test_one_old_picture_and_unreadable_ones_prove_nothing() -> None:
    for burst in ([STILL[0], b"", STILL[2][:60]], [b"", STILL[0]]):
        result = EventPipeline().judge(burst, FILTER, reference=STILL[1])
        check(result)
        assert result.state is State.UNKNOWN


def test_every_region_that_counts_is_looked_at() -> None:
    """Eight bushes outside the zone take nobody's place inside it."""
    encoder = SceneEncoder(threads=1)
    size = (576, 704)
    rng = np.random.default_rng(3)
    ground = cv2.GaussianBlur(rng.integers(60, 140, (*size, 3), dtype=np.uint8), (9, 9), 0)
    frames = []
    for number in range(3):
        frame = ground.copy()
        for bush in range(10):
            patch = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            frame[20 + 50 * bush : 60 + 50 * bush, 500:540] = patch
        frame[300:328, 100 + 3 * number : 110 + 3 * number] = (20, 20, 20)
        frames.append(jpeg(np.asarray(frame, np.uint8)))
    settings = zoned(Zone(name="drive", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1))))
    result = EventPipeline(encoder=encoder).judge(frames, settings)
    check(result)
    assert result.state is State.RELEVANT
    assert result.evidence is not None
    assert result.evidence.regions[0].bbox[0] < 352, "the person is described first"
