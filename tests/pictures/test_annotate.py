"""The picture of a verdict, on tiny frames."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from veroallarme_core.contract import RelevanceRegion, Zone, ZoneKind
from veroallarme_core.pictures.annotate import (
    IRRELEVANT_BGR,
    MAX_WIDTH,
    RELEVANT_BGR,
    draw_verdict,
    encode_jpeg,
    strongest_frame,
)


def grey(value: int = 128, size: tuple[int, int] = (60, 80)) -> NDArray[np.uint8]:
    return np.full((*size, 3), value, np.uint8)


def region(x: int, y: int, width: int, height: int, *, relevant: bool = True) -> RelevanceRegion:
    return RelevanceRegion(
        x=x,
        y=y,
        width=width,
        height=height,
        area=width * height,
        centroid=(x + width // 2, y + height // 2),
        confidence=0.5,
        relevance_score=0.9 if relevant else 0.1,
        is_relevant=relevant,
        reason="test",
    )


def test_strongest_frame_is_the_one_with_the_mover() -> None:
    frames = [grey(), grey(), grey()]
    frames[2][10:20, 10:20] = 255
    frames[0][40:60, 40:80] = 0  # a stronger change, elsewhere
    assert strongest_frame(frames, region(10, 10, 10, 10).to_bbox()) is frames[2]


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_strongest_frame_is_farthest_from_the_median_of_all(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        frames = list(rng.integers(0, 256, (count, 20, 30, 3), np.uint8))
        crops = np.stack([frame[3:15, 5:25] for frame in frames]).astype(np.float64)
        deviation = np.abs(crops - np.median(crops, axis=0)).sum(axis=(1, 2, 3))
        assert (
            strongest_frame(frames, region(5, 3, 20, 12).to_bbox())
            is frames[int(deviation.argmax())]
        )


def test_frames_that_cannot_be_compared_are_left_out() -> None:
    first, other = grey(), grey(0, (10, 10))
    assert strongest_frame([None, first, other], region(0, 0, 5, 5).to_bbox()) is first
    assert strongest_frame([None, None], None) is None
    assert strongest_frame([], None) is None


def test_without_a_region_the_middle_frame_is_shown() -> None:
    frames = [grey(0), grey(1), grey(2)]
    assert strongest_frame(frames, None) is frames[1]


def test_regions_have_the_colour_of_their_judgement() -> None:
    frame = grey(0, (200, 300))
    picture = draw_verdict(
        frame, [region(20, 100, 60, 60), region(200, 100, 60, 60, relevant=False)]
    )
    assert tuple(picture[159, 50]) == RELEVANT_BGR
    assert tuple(picture[159, 230]) == IRRELEVANT_BGR
    assert not frame.any(), "the frame itself is not drawn upon"


def test_headline_is_written_at_the_bottom() -> None:
    picture = draw_verdict(grey(0, (200, 300)), [], "relevant 0.90: motion")
    assert picture[170:].any()
    assert not picture[:100].any()


boxes = st.tuples(st.integers(0, 70), st.integers(0, 50), st.integers(1, 90), st.integers(1, 90))


@given(st.lists(boxes, max_size=4), st.text(max_size=30))
def test_any_region_and_headline_can_be_drawn(
    places: list[tuple[int, int, int, int]], headline: str
) -> None:
    frame = grey()
    picture = draw_verdict(frame, [region(*place) for place in places], headline)
    assert picture.shape == frame.shape
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (400, 3)])
def test_strange_sizes_can_be_drawn_and_encoded(size: tuple[int, int]) -> None:
    picture = draw_verdict(grey(size=size), [region(0, 0, 1, 1)], "unknown")
    assert encode_jpeg(picture).startswith(b"\xff\xd8")


def test_published_picture_is_made_small_and_keeps_its_shape() -> None:
    data = encode_jpeg(grey(size=(1440, 2560)))
    height, width = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape[:2]
    assert (width, height) == (MAX_WIDTH, 720)


def test_small_picture_is_left_as_it_is() -> None:
    data = encode_jpeg(grey(size=(60, 80)))
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (60, 80, 3)


def test_zones_are_outlined_and_named() -> None:
    frame = grey(size=(120, 160))
    zones = [
        Zone(name="Straße", kind=kind, points=((0.1, 0.2), (0.9, 0.2), (0.9, 0.9)))
        for kind in ZoneKind
    ]
    pictures = [draw_verdict(frame, [], zones=[zone]) for zone in zones]
    for number, picture in enumerate(pictures):
        changed = (picture != frame).any(axis=2)
        assert changed[24, 60], "along the upper edge"
        assert not changed[100, 40], "not outside of the triangle"
        assert all((picture != other).any() for other in pictures[:number]), "each has its look"
    assert (draw_verdict(frame, [], zones=[]) == frame).all()
