"""The first judgement: nuisance only where it is proven, relevant or unknown otherwise."""

import csv
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drawn import (
    Picture,
    add_noise,
    burst_of,
    draw_green_band,
    draw_person,
    draw_yard,
    paste_foreign,
)
from veroallarme_core.contract import State, Zone, ZoneKind
from veroallarme_core.drawing import draw_background, draw_event
from veroallarme_core.drawing.light import LightName
from veroallarme_core.judgement import (
    GENERAL_THRESHOLD,
    Burst,
    BurstJudgement,
    doubt_unseen,
    judge_by_rules,
    judge_motion,
)
from veroallarme_core.judgement.premises import Premises
from veroallarme_core.motion_detection import (
    MotionDetectionResult,
    MotionDetector,
    min_area_for,
)
from veroallarme_core.pictures.frames import read_frame

YARD = draw_yard(576, 704)


def detect(frames: list[Picture | None]) -> MotionDetectionResult:
    size = next((frame.shape[:2] for frame in frames if frame is not None), (1, 1))
    return MotionDetector(min_area=min_area_for((size[0], size[1]))).detect_motion(frames)


def judge(*pictures: Picture, reference: Picture | None = None) -> BurstJudgement:
    return judge_motion(detect([*burst_of(*pictures)]), reference=reference)


def is_consistent(judgement: BurstJudgement, threshold: float = GENERAL_THRESHOLD) -> bool:
    """What every judgement promises, whatever it says."""
    json.dumps([dict(judgement.cues), [dict(region.cues) for region in judgement.regions]])
    scores = [region.relevance_score for region in judgement.regions]
    ordered = scores == sorted(scores, reverse=True)
    if judgement.state is State.UNKNOWN:
        return ordered and judgement.score is None
    assert judgement.score is not None
    below = judgement.score < threshold
    best = not scores or judgement.score == scores[0]
    return ordered and best and below == (judgement.state is State.IRRELEVANT)


def test_person_is_relevant() -> None:
    judgement = judge(YARD, draw_person(YARD, 300, 200), YARD)
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "moved")
    assert is_consistent(judgement)
    assert judgement.regions[0].is_relevant
    assert judgement.cues["regions_relevant"] == 1
    assert "(307," in judgement.explanation


def test_clean_burst_without_reference_is_unknown() -> None:
    judgement = judge(YARD, YARD, YARD)
    assert (judgement.state, judgement.score) == (State.UNKNOWN, None)
    assert judgement.reason == "no_reference"


def test_clean_burst_like_the_reference_is_irrelevant() -> None:
    judgement = judge(YARD, YARD, YARD, reference=add_noise(YARD, 9))
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "no_motion")
    assert is_consistent(judgement)


def test_reference_in_a_slightly_other_light_is_the_same_place() -> None:
    darker = np.clip(YARD * 0.92 - 3, 0, 255).astype(np.uint8)
    judgement = judge(YARD, YARD, YARD, reference=darker)
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "no_motion")


def test_something_that_stands_there_is_relevant() -> None:
    person = draw_person(YARD, 300, 200)
    judgement = judge(person, person, person, reference=YARD)
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "differs_from_reference")
    assert is_consistent(judgement)
    x1, y1, x2, y2 = judgement.regions[0].region.to_bbox()
    assert x1 <= 307 < x2
    assert y1 <= 220 < y2


@pytest.mark.parametrize("reference", [draw_yard(288, 352), 255 - draw_yard(576, 704, seed=8)])
def test_reference_of_another_view_proves_nothing(reference: Picture) -> None:
    judgement = judge(YARD, YARD, YARD, reference=reference)
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "reference_not_comparable")


@pytest.mark.parametrize("gain", [0.4, 1.6])
def test_reference_in_another_light_accuses_nobody(gain: float) -> None:
    person = draw_person(YARD, 300, 200)
    lit = np.clip(YARD * gain, 0, 255).astype(np.uint8)
    judgement = judge(person, person, person, reference=lit)
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "reference_not_comparable")
    assert is_consistent(judgement)


@pytest.mark.parametrize("frames", [[None, YARD, None], [YARD, None]])
def test_single_usable_frame_can_show_but_not_prove(frames: list[Picture | None]) -> None:
    still = judge_motion(detect(frames), reference=add_noise(YARD, 9))
    assert (still.state, still.reason) == (State.UNKNOWN, "no_usable_frames")
    person = [None if frame is None else draw_person(frame, 300, 200) for frame in frames]
    judgement = judge_motion(detect(person), reference=YARD)
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "differs_from_reference")
    assert is_consistent(still)
    assert is_consistent(judgement)


def test_corrupt_frame_with_a_still_rest_is_irrelevant() -> None:
    corrupt = draw_green_band(paste_foreign(YARD, x=470, top=160), top=546)
    judgement = judge(YARD, corrupt, YARD)
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "corrupt_frames")
    assert judgement.cues["frames_damaged"] == 1
    assert is_consistent(judgement)


def test_corrupt_frame_with_a_person_is_relevant() -> None:
    corrupt = draw_green_band(paste_foreign(YARD, x=470, top=160), top=546)
    person = draw_person(YARD, 560, 300)  # where the foreign picture is in the other frame
    judgement = judge(YARD, corrupt, person)
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "moved")


def test_too_little_undamaged_picture_is_unknown() -> None:
    green = draw_green_band(YARD, top=100)
    judgement = judge(green, YARD, green)
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "too_much_damage")
    assert is_consistent(judgement)


def test_motion_outside_proves_nothing_where_what_counts_is_corrupt() -> None:
    """Whoever stands in the lower half shows in one frame only, and nobody looks at that."""
    lower = Zone(name="lower", points=((0, 0.4), (1, 0.4), (1, 1), (0, 1)))
    premises = Premises.of((lower,), (576, 704))
    frames = [draw_person(YARD, 300 + 20 * k, 40) for k in range(3)]
    outside = judge_motion(detect([*frames]), premises=premises)
    assert (outside.state, outside.reason) == (State.IRRELEVANT, "outside_zones")
    corrupt = [draw_green_band(frame, top=240) for frame in (frames[0], frames[2])]
    unseen = judge_motion(detect([corrupt[0], frames[1], corrupt[1]]), premises=premises)
    assert (unseen.state, unseen.reason) == (State.UNKNOWN, "too_much_damage")
    assert is_consistent(unseen)


def test_what_was_learned_suppresses_nothing_where_much_is_corrupt() -> None:
    frames = [draw_person(YARD, 300 + 20 * k, 40) for k in range(3)]
    corrupt = [draw_green_band(frame, top=240) for frame in (frames[0], frames[2])]
    for pictures, state in (
        (frames, State.IRRELEVANT),
        ([corrupt[0], frames[1], corrupt[1]], None),
    ):
        burst = Burst(detect([*pictures]))
        judgement = judge_by_rules(burst)
        assert judgement.is_open
        low = [one.scored(0.1, 0.5, "seen_before") for one in judgement.unproven]
        learned = judgement.relevant("seen_before", "It was seen.", low, is_open=False)
        doubted = doubt_unseen(burst, learned)
        if state is None:
            assert (doubted.state, doubted.reason) == (State.UNKNOWN, "too_much_damage")
            assert doubted.regions == learned.regions
        else:
            assert doubted is learned
        alarm = judgement.relevant("moved", "It moved.", judgement.unproven, is_open=False)
        assert doubt_unseen(burst, alarm) is alarm


def test_foreign_picture_without_decoder_garbage_is_no_proof() -> None:
    judgement = judge(YARD, paste_foreign(YARD, x=480, top=60), YARD)
    assert judgement.state is not State.IRRELEVANT


def test_frame_lost_on_the_way_is_no_proof() -> None:
    noisy = burst_of(YARD, YARD)
    judgement = judge_motion(detect([noisy[0], None, noisy[1]]))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "no_reference")


@pytest.mark.parametrize("frames", [[None, None, None], [None, YARD, None]])
def test_without_two_usable_frames_nothing_is_judged(frames: list[Picture | None]) -> None:
    judgement = judge_motion(detect(frames))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "no_usable_frames")
    assert judgement.score is None


@pytest.mark.parametrize(("gain", "offset", "word"), [(1.25, 12, "brighter"), (0.7, 0, "darker")])
def test_exposure_jump_is_irrelevant(gain: float, offset: float, word: str) -> None:
    other = np.clip(YARD * gain + offset, 0, 255).astype(np.uint8)
    judgement = judge(YARD, other, other, reference=add_noise(other, 9))
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "exposure")
    assert judgement.explanation == (
        f"The picture became {word} everywhere at once; nothing in it moved."
    )
    assert judge(YARD, other, other).reason == "no_reference"


def test_exposure_jump_with_a_person_is_relevant() -> None:
    other = np.clip(draw_person(YARD, 300, 200) * 1.25 + 12, 0, 255).astype(np.uint8)
    assert judge(YARD, other, YARD).state is State.RELEVANT


def shaken(picture: Picture) -> Picture:
    matrix = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -3.0]])
    moved = cv2.warpAffine(picture, matrix, (704, 576), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def test_camera_shake_is_irrelevant_where_the_rest_is_the_same() -> None:
    judgement = judge(YARD, shaken(YARD), YARD, reference=add_noise(YARD, 9))
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "camera_shake")
    assert judge(YARD, shaken(YARD), YARD).reason == "no_reference"
    person = [faint(YARD, 300, 30), shaken(faint(YARD, 302, 30)), faint(YARD, 304, 30)]
    assert judge(*person, reference=add_noise(YARD, 9)).state is not State.IRRELEVANT


def soft_shadow(picture: Picture, darkest: float) -> Picture:
    """Let the shadow of a large cloud fall on a picture."""
    fade = np.zeros((576, 704), np.float32)
    fade[100:476, 150:554] = 1
    fade = cv2.GaussianBlur(fade, (0, 0), 60)[..., None]
    return np.clip(picture * (1 - darkest * fade / fade.max()), 0, 255).astype(np.uint8)


def test_soft_shadow_of_a_cloud_is_light() -> None:
    judgement = judge(YARD, soft_shadow(YARD, 0.25), YARD, reference=add_noise(YARD, 9))
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "light")
    assert all(region.is_proven for region in judgement.regions)


@pytest.mark.parametrize("contrast", [-30, -18, 18, 30])
def test_faint_person_in_the_soft_shadow_is_relevant(contrast: int) -> None:
    frames = [soft_shadow(faint(YARD, 300 + 2 * k, contrast), 0.25 * (k == 1)) for k in range(3)]
    assert judge(*frames, reference=add_noise(YARD, 9)).state is not State.IRRELEVANT


def faint(picture: Picture, x: int, contrast: int, height: int = 40) -> Picture:
    """Let somebody stand at column x who is hardly brighter or darker than the ground."""
    shown = picture.astype(np.int16)
    shown[200 : 200 + height, x : x + height // 3] += contrast
    return np.clip(shown, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("height", [28, 80])
@pytest.mark.parametrize("contrast", [-30, -18, 18, 30])
@pytest.mark.parametrize("step", [0, 1, 2, 4])
def test_who_is_faint_and_hardly_moves_is_not_proven_away(
    height: int, contrast: int, step: int
) -> None:
    frames = [faint(YARD, 300 + step * k, contrast, height) for k in range(3)]
    judgement = judge(*frames, reference=add_noise(YARD, 9))
    assert judgement.state is not State.IRRELEVANT
    assert is_consistent(judgement)


@pytest.mark.parametrize("step", [2, 4, 8])
def test_a_small_step_is_no_swaying(step: int) -> None:
    """The ground moves as leaves would, and so little does somebody who hardly walks."""
    frames = [draw_person(YARD, 300 + step * k, 200, 40, 110) for k in range(3)]
    judgement = judge(*frames)
    assert judgement.state is not State.IRRELEVANT
    if judgement.regions:
        assert judgement.regions[0].relevance_score >= GENERAL_THRESHOLD


# --- what proves nothing -------------------------------------------------------------------------


def with_clock(picture: Picture, second: int) -> Picture:
    frame = picture.copy()
    text = f"2025-12-22 10:31:{second:02}"
    cv2.putText(frame, text, (20, 30), cv2.FONT_HERSHEY_PLAIN, 1.4, (20, 20, 20), 5)
    cv2.putText(frame, text, (20, 30), cv2.FONT_HERSHEY_PLAIN, 1.4, (245, 245, 245), 2)
    return frame


def test_frozen_picture_proves_nothing_while_its_clock_ticks() -> None:
    frozen = add_noise(YARD, 3)
    frames: list[Picture | None] = [with_clock(frozen, second) for second in (7, 18, 25)]
    judgement = judge_motion(detect(frames), reference=with_clock(add_noise(YARD, 9), 3))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "frozen_picture")
    assert is_consistent(judgement)


def test_identical_pictures_prove_nothing() -> None:
    frozen = add_noise(YARD, 3)
    judgement = judge_motion(detect([frozen, frozen, frozen]), reference=add_noise(YARD, 9))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "frozen_picture")


def test_picture_that_is_still_but_alive_proves() -> None:
    alive = [add_noise(YARD, 3), add_noise(YARD, 3), add_noise(YARD, 4)]
    assert judge_motion(detect([*alive]), reference=add_noise(YARD, 9)).reason == "no_motion"


@pytest.mark.parametrize("level", [0, 8, 250])
def test_covered_lens_proves_nothing_while_its_clock_ticks(level: int) -> None:
    blind = np.full_like(YARD, level)
    frames: list[Picture | None] = [
        with_clock(add_noise(blind, second), second) for second in (7, 18, 25)
    ]
    for reference in (YARD, add_noise(blind, 2), None):
        judgement = judge_motion(detect(frames), reference=reference)
        assert judgement.state is not State.IRRELEVANT
        assert is_consistent(judgement)
    assert judge_motion(detect(frames), reference=add_noise(blind, 2)).reason == "no_contrast"


# --- zones ---------------------------------------------------------------------------------------

LEFT = Premises.of((Zone(name="left", points=((0, 0), (0.5, 0), (0.5, 1), (0, 1))),), (576, 704))


def test_zones_decide_before_anything_else() -> None:
    outside = judge_motion(detect([YARD, draw_person(YARD, 600, 200), YARD]), premises=LEFT)
    assert (outside.state, outside.score, outside.reason) == (
        State.IRRELEVANT,
        0.0,
        "outside_zones",
    )
    assert outside.explanation == "All motion was outside the zones you have drawn."
    assert outside.cues["regions_relevant"] == 0
    inside = judge_motion(detect([YARD, draw_person(YARD, 100, 200), YARD]), premises=LEFT)
    assert (inside.state, inside.reason) == (State.RELEVANT, "moved")


ALL = ((0, 0), (1, 0), (1, 1), (0, 1))
GATE = Zone(name="gate", kind=ZoneKind.ALWAYS, points=((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
AT_GATE = Premises.of((Zone(name="a", kind=ZoneKind.IGNORE, points=ALL), GATE), (576, 704))


def test_what_moves_where_motion_always_alerts_is_decided() -> None:
    """Nothing is left open to what is learned later, neither it nor what moves elsewhere."""
    both = draw_person(draw_person(YARD, 100, 200), 600, 200, 60, 160)
    judgement = judge_motion(detect([YARD, both, YARD]), premises=AT_GATE)
    assert (judgement.state, judgement.score, judgement.reason) == (
        State.RELEVANT,
        1.0,
        "always_zone",
    )
    assert not judgement.is_open
    assert [region.reason for region in judgement.regions] == ["always_zone", "outside_zones"]
    assert judgement.explanation.startswith("Something moved about 16x37 pixels large near (106,")
    assert is_consistent(judgement)


def test_what_did_not_move_does_not_alert_where_motion_always_does() -> None:
    clock = [with_clock(add_noise(YARD, second), second) for second in (7, 18, 25)]
    everywhere = Premises.of((dataclasses.replace(GATE, points=ALL),), (576, 704))
    reference = with_clock(add_noise(YARD, 3), 3)
    judgement = judge_motion(detect(clock), reference=reference, premises=everywhere)
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "burnt_in_text")
    still = [add_noise(YARD, second) for second in (1, 2, 4)]
    judgement = judge_motion(detect(still), reference=add_noise(YARD, 9), premises=everywhere)
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "no_motion")


@pytest.mark.parametrize(("x", "is_open"), [(100, False), (600, True)])
def test_what_is_faint_where_motion_always_alerts_is_left_to_no_memory(
    x: int, is_open: bool
) -> None:
    frames = [faint(YARD, x + 8 * k, 20) for k in range(3)]
    judgement = judge_motion(detect([*frames]), premises=Premises.of((GATE,), (576, 704)))
    assert (judgement.state, judgement.reason) == (State.UNKNOWN, "faint_change")
    assert judgement.is_open is is_open


def test_a_car_that_fills_the_street_leaves_the_reference_comparable() -> None:
    """Before, more than half of the picture differed, so a person who stood there was unknown."""
    lorry = YARD.copy()
    lorry[:, 300:] = 235
    frames = [draw_person(add_noise(lorry, seed), 100, 200, 40, 110) for seed in (1, 2, 3)]
    judgement = judge_motion(detect(frames), reference=YARD, premises=LEFT)
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "differs_from_reference")
    assert judge_motion(detect(frames), reference=YARD).reason == "reference_not_comparable"


def test_the_best_region_inside_gives_reason_and_numbers() -> None:
    both = draw_person(draw_person(YARD, 100, 200), 600, 200, 60, 160)
    judgement = judge_motion(detect([YARD, both, YARD]), premises=LEFT)
    assert [region.reason for region in judgement.regions] == ["moved", "outside_zones"]
    assert judgement.cues["regions_relevant"] == 1
    assert judgement.explanation.startswith("Something moved about 16x37 pixels large near (106,")


def test_ticking_clock_is_no_motion() -> None:
    frames = [with_clock(YARD, second) for second in (7, 18, 25)]
    judgement = judge(*frames, reference=with_clock(YARD, 3))
    assert (judgement.state, judgement.reason) == (State.IRRELEVANT, "burnt_in_text")
    assert judge(*frames).reason == "no_reference"
    frames[1] = draw_person(frames[1], 300, 200)
    assert judge(*frames).reason == "moved"


def test_person_who_only_sways_is_caught_by_the_reference() -> None:
    standing = draw_person(YARD, 300, 200, 40, 110)
    leaning = draw_person(YARD, 302, 200, 40, 110)
    judgement = judge(standing, leaning, standing, reference=YARD)
    assert judgement.state is State.RELEVANT


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_out_of_range_is_named(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
        judge_motion(detect([YARD, YARD]), threshold=threshold)


@settings(max_examples=25)
@given(
    threshold=st.floats(0, 1),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_any_burst_is_judged_consistently(
    threshold: float, height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    frames = list(rng.integers(0, 256, (3, height, width, 3)).astype(np.uint8))
    reference = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    result = MotionDetector(min_area=1).detect_motion(frames)
    judgement = judge_motion(result, reference=reference, threshold=threshold)
    assert is_consistent(judgement, threshold)


# --- drawn scenes --------------------------------------------------------------------------------

SIZES = [(288, 352), (576, 704), (720, 1280)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["headlights_on_the_wall", "exposure_jump", "cloud_shadow", "infrared_switch"]
)
def test_drawn_light_ranks_below_a_person(name: str, size: tuple[int, int]) -> None:
    """It proves nothing: somebody who hardly moves could be in the beam or the shadow."""
    person = judge_motion(detect([*draw_event("person_in_the_drive", 7, size).frames]))
    light = judge_motion(detect([*draw_event(name, 7, size).frames]))
    assert person.score is not None
    assert light.score is None or light.score < person.score


@pytest.mark.parametrize("light", ["overcast", "dusk", "infrared"])
def test_light_of_the_reference_alone_is_never_relevant(light: LightName) -> None:
    burst = detect([*draw_event("nothing_moves").frames])
    for reference in (draw_background(light=light), draw_background(light="day")):
        assert judge_motion(burst, reference=reference).state is not State.RELEVANT


@pytest.mark.parametrize("name", ["person_behind_the_fence", "car_at_dusk", "person_in_infrared"])
def test_who_stands_still_is_told_by_a_reference_of_the_same_light(name: str) -> None:
    standing = draw_event(name).frames[1]
    lights: dict[str, LightName] = {"car_at_dusk": "dusk", "person_in_infrared": "infrared"}
    reference = draw_background(light=lights.get(name, "day"))
    judgement = judge(standing, standing, standing, reference=reference)
    assert (judgement.state, judgement.reason) == (State.RELEVANT, "differs_from_reference")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["cloud_shadow", "headlights_on_the_wall"])
def test_person_in_the_beam_or_the_shadow_is_found(name: str, size: tuple[int, int]) -> None:
    """The person is lit as the place is: the brightness of the walker, scaled by the light."""
    walker = "person_at_dusk" if name == "headlights_on_the_wall" else "person_in_the_drive"
    light, person = draw_event(name, 7, size), draw_event(walker, 7, size)
    empty = draw_event(walker, 7, size, with_mover=False)
    frames = []
    for lit, walking, dark, mask in zip(
        light.frames, person.frames, empty.frames, person.masks, strict=True
    ):
        gain = lit.astype(np.float32).mean(axis=2) / (dark.astype(np.float32).mean(axis=2) + 1)
        gain = cv2.GaussianBlur(gain, (0, 0), 9)[..., None]
        pasted = np.clip(walking * gain, 0, 255).astype(np.uint8)
        frames.append(np.where(mask[..., None], pasted, lit))
    judgement = judge_motion(detect([*frames]))
    assert judgement.state is State.RELEVANT
    best = judgement.regions[0].region
    rows, cols = slice(best.y, best.y + best.height), slice(best.x, best.x + best.width)
    assert np.logical_or.reduce(person.masks)[rows, cols].any()


# --- real footage --------------------------------------------------------------------------------


def labelled(camera: Path, label: str, step: int) -> list[Path]:
    with (camera / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("uncertain", "0") != "1"]
    return [camera / row["event_id"] for row in rows if row["label"] == label][::step]


def read(folder: Path, first_row: int = 0) -> list[Picture | None]:
    return [read_frame(folder / f"{k}.jpg").image[first_row:] for k in range(3)]


@pytest.mark.parametrize(
    ("camera", "step"),
    [
        ("cameras/factory", 4),
        ("cameras/trees", 3),
        ("cameras/field", 4),
        ("scenes/cdnet_sidewalk", 1),
        ("scenes/railway", 1),
        ("scenes/psu_lot", 1),
        ("scenes/wallflower_wt", 1),
    ],
)
def test_no_relevant_event_is_suppressed(footage: Path, camera: str, step: int) -> None:
    suppressed = [
        folder.name
        for folder in labelled(footage / camera, "relevant", step)
        if judge_motion(detect(read(folder))).state is State.IRRELEVANT
    ]
    assert suppressed == []


def test_corrupt_frames_hide_nobody(footage: Path) -> None:
    """Rows above 190 show a public street whose traffic no cue without learning tells apart."""
    camera = footage / "cameras" / "factory"
    with (camera / "labels.csv").open(newline="", encoding="utf-8") as file:
        events = [
            row["event_id"]
            for row in csv.DictReader(file)
            if row["cause"] == "corrupt" and row["uncertain"] != "1"
        ]
    bursts = [read(camera / event, first_row=190) for event in events]
    alone = [judge_motion(detect(burst)) for burst in bursts]
    suppressed = [one for one in alone if one.state is State.IRRELEVANT]
    assert {one.reason for one in suppressed} == {"corrupt_frames"}
    for burst in bursts:
        walking = [
            None if frame is None else faint(frame, 240 + 4 * index, 30, 60)
            for index, frame in enumerate(burst)
        ]
        assert judge_motion(detect(walking)).state is not State.IRRELEVANT
