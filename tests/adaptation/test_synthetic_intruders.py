"""Synthetic intruders: exact masks, sizes, places, light; nuisances that show nobody."""

import cv2
import numpy as np
import pytest

from tests.drawn import burst_of, draw_yard
from veroallarme_core.adaptation.sprites import Sprite
from veroallarme_core.adaptation.synthetic_intruders import (
    IntruderOptions,
    SyntheticEvent,
    paste_intruder,
    paste_nuisance,
)

SIZE = (288, 352)
COLOUR = burst_of(*[draw_yard(*SIZE)] * 3)
INFRARED = [np.repeat(frame[..., 1:2] // 3, 3, axis=2) for frame in COLOUR]
PLACES = np.zeros((6, 8))
PLACES[3:5, 2:4] = 1.0
OPTIONS = IntruderOptions()


def intruders(
    count: int,
    frames: list[np.ndarray] = COLOUR,
    options: IntruderOptions = OPTIONS,
    **more: object,
) -> list[SyntheticEvent]:
    rng = np.random.default_rng(3)
    events = [paste_intruder(frames, rng, options=options, **more) for _ in range(count)]
    assert None not in events
    return events


@pytest.fixture(scope="module")
def by_day() -> list[SyntheticEvent]:
    return intruders(120, places=PLACES)


@pytest.fixture(scope="module")
def nuisances() -> list[SyntheticEvent]:
    rng = np.random.default_rng(3)
    return [paste_nuisance(COLOUR, rng, PLACES) for _ in range(80)]


def near(mask: np.ndarray) -> np.ndarray:
    """The mask and what a feathered edge and the blocks of a JPEG can reach."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((45, 45))).astype(bool)


def recompressed(frame: np.ndarray) -> np.ndarray:
    """The whole frame compressed and decoded: of it an event holds the part around the mover."""
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, OPTIONS.jpeg_quality])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_an_event_is_a_burst_with_masks(by_day):
    for event in by_day:
        assert len(event.frames) == len(event.masks) == 3
        assert all(frame.shape == (*SIZE, 3) and frame.dtype == np.uint8 for frame in event.frames)
        assert all(mask.shape == SIZE and mask.dtype == np.bool_ for mask in event.masks)
        assert event.is_intruder
        assert event.visible_frames
        for mask, box in zip(event.masks, event.boxes, strict=True):
            assert (box is None) == (not mask.any())
    assert {event.kind for event in by_day} == {"person", "pet", "car"}


@pytest.mark.parametrize("paste", [paste_intruder, paste_nuisance])
def test_the_same_generator_pastes_the_same(paste):
    first, again, other = (paste(COLOUR, np.random.default_rng(seed), PLACES) for seed in (5, 5, 6))
    assert all(map(np.array_equal, first.frames, again.frames))
    assert all(map(np.array_equal, first.masks, again.masks))
    assert not all(map(np.array_equal, first.masks, other.masks))


def test_masks_cover_what_is_new():
    for event in intruders(40, INFRARED):
        for mask, after, frame in zip(event.masks, event.frames, INFRARED, strict=True):
            before = recompressed(frame)
            kept = (after == frame).all(axis=2)
            before[kept] = frame[kept]
            change = cv2.absdiff(after, before).max(axis=2)
            # The camera blurs a tail or a shin below half its cover: little more may be outside.
            assert (change[~near(mask)] > 3).sum() <= 0.02 * mask.sum()
            if mask.any():
                assert change[mask].mean() > 3


def test_the_place_alone_is_recompressed_in_all_frames(by_day):
    for event in by_day:
        again = np.array([recompressed(frame) for frame in COLOUR])
        after = np.array(event.frames)
        is_again, is_kept = ((after == frames).all(axis=(0, 3)) for frames in (again, COLOUR))
        shown = np.logical_or.reduce(event.masks)
        # Beside the mover and its shadow are the camera's pixels, or the same compressed again.
        rest = ~near(shown)
        assert (is_again | is_kept)[rest].mean() > 0.95
        assert is_kept[rest].mean() > 0.5
        for index in set(range(3)) - set(event.visible_frames):
            assert np.array_equal(after[index][shown], again[index][shown])


def test_frames_without_the_intruder_are_only_recompressed(by_day):
    hidden = 0
    for event in by_day:
        for index in set(range(3)) - set(event.visible_frames):
            kept, again = COLOUR[index], recompressed(COLOUR[index])
            is_either = (event.frames[index] == kept) | (event.frames[index] == again)
            assert is_either.all(axis=2).mean() > 0.99
            hidden += 1
    assert hidden > 30
    assert {(0,), (2,), (0, 1, 2)} <= {event.visible_frames for event in by_day}


def test_the_source_is_left_alone(by_day):
    assert all(map(np.array_equal, COLOUR, burst_of(*[draw_yard(*SIZE)] * 3)))


def test_at_least_half_go_over_the_places_that_recur(by_day):
    busy = cv2.resize(PLACES, SIZE[::-1], interpolation=cv2.INTER_NEAREST) > 0
    over = [any((mask & busy).any() for mask in event.masks) for event in by_day]
    assert np.mean(over) >= 0.55
    assert np.mean([event.is_recurring for event in by_day]) >= 0.5


def test_sizes_range_from_distant_to_near(by_day):
    tall = np.array([event.height_px for event in by_day])
    assert 0.08 < np.mean(tall <= 16) < 0.4
    assert tall.max() > 80
    assert tall.max() <= 0.8 * SIZE[0]


def test_distant_people_are_10_to_15_pixels_tall():
    events = intruders(40, options=IntruderOptions(small_share=1.0))
    assert {event.kind for event in events} == {"person"}
    tall = [event.height_px for event in events]
    assert 10 <= np.median(tall) <= 15
    assert np.mean([8 <= height <= 17 for height in tall]) > 0.8


@pytest.mark.parametrize("frames", [COLOUR, INFRARED], ids=["colour", "infrared"])
def test_nobody_is_invisible(frames):
    for event in intruders(40, frames, IntruderOptions(min_contrast=15.0)):
        assert event.contrast >= 15
        index = max(event.visible_frames, key=lambda index: event.masks[index].sum())
        mask = event.masks[index]
        before = recompressed(frames[index])
        assert cv2.absdiff(event.frames[index], before)[mask].mean() > 5


def test_where_nothing_can_be_seen_there_is_no_event():
    black = [np.zeros((*SIZE, 3), np.uint8)] * 3
    assert paste_intruder(black, np.random.default_rng(1)) is None


def test_infrared_stays_grey():
    for event in intruders(20, INFRARED):
        for frame in event.frames:
            assert np.ptp(frame.astype(int), axis=2).max() <= 2


def test_sprites_of_the_camera_are_used_in_their_own_light():
    sprite = Sprite(
        np.full((60, 30, 3), 4.0, np.float32),
        np.ones((60, 30), np.float32),
        "van",
        is_grey=False,
        foot=220.0,
    )
    options = IntruderOptions(cut_share=1.0, small_share=0.0)
    assert {event.kind for event in intruders(10, COLOUR, options, sprites=[sprite])} == {"van"}
    assert "van" not in {event.kind for event in intruders(10, INFRARED, options, sprites=[sprite])}


def test_some_are_partly_hidden():
    """The same intruder, whole and hidden: what is seen of it then is a part of what it is."""
    parts = 0
    for seed in range(40):
        whole, hidden = (
            paste_intruder(
                COLOUR,
                np.random.default_rng(seed),
                options=IntruderOptions(occluded_share=share, small_share=0.0),
            )
            for share in (0.0, 1.0)
        )
        pairs = list(zip(hidden.masks, whole.masks, strict=True))
        is_part = not any((part & ~all_of_it).any() for part, all_of_it in pairs)
        seen, there = (sum(mask.sum() for mask in event.masks) for event in (hidden, whole))
        parts += is_part and seen < 0.9 * there
    assert parts > 20


def test_a_burst_may_be_a_single_frame():
    event = paste_intruder(COLOUR[:1], np.random.default_rng(1))
    assert event is not None
    assert event.visible_frames == (0,)


def test_nuisances_show_what_was_there(nuisances):
    assert {event.kind for event in nuisances} == {"shifted", "brighter", "darker", "noisy"}
    for event in nuisances:
        assert not event.is_intruder
        assert event.visible_frames
        for mask, after, frame in zip(event.masks, event.frames, COLOUR, strict=True):
            before = recompressed(frame)
            kept = (after == frame).all(axis=2)
            before[kept] = frame[kept]
            change = after.astype(int) - before
            assert np.abs(change)[~near(mask)].max(initial=0) == 0
            if mask.sum() > 400 and event.kind in ("brighter", "darker"):
                assert (change[mask].mean() > 0) == (event.kind == "brighter")


def test_nuisances_have_the_places_and_sizes_of_intruders(nuisances):
    assert np.mean([event.is_recurring for event in nuisances]) >= 0.5
    tall = [event.height_px for event in nuisances]
    assert min(tall) < 20
    assert max(tall) > 80


@pytest.mark.parametrize("paste", [paste_intruder, paste_nuisance])
@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ([COLOUR[0], COLOUR[1][:-2]], "differ in size"),
        ([np.zeros((40, 90, 3), np.uint8)], "40 x 90 .* too small"),
    ],
)
def test_wrong_bursts_are_refused(paste, frames, message):
    with pytest.raises(ValueError, match=message):
        paste(frames, np.random.default_rng(1))


def test_intruders_are_well_inside_the_area_that_counts():
    within = np.zeros(SIZE, np.uint8)
    within[150:, :120] = 255
    rng = np.random.default_rng(4)
    for _ in range(25):
        event = paste_intruder(COLOUR, rng, PLACES, within=within)
        assert event is not None
        shares = [float(np.mean(within[mask] > 0)) for mask in event.masks if mask.any()]
        assert max(shares) >= 0.5


@pytest.mark.parametrize(("counting", "drawn"), [("person", "person"), ("vehicle", "car")])
def test_intruders_are_of_kinds_that_count(counting, drawn):
    rng = np.random.default_rng(4)
    events = [
        paste_intruder(COLOUR, rng, PLACES, counts=lambda kind, row, column: kind == counting)
        for _ in range(12)
    ]
    assert {event.kind for event in events if event is not None} == {drawn}


def test_wrong_shares_are_refused():
    with pytest.raises(ValueError, match=r"small_share is 1\.5"):
        IntruderOptions(small_share=1.5)
