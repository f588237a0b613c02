"""Who is hardly seen beside what clearly moves is looked for before anything is suppressed."""

from dataclasses import replace

import numpy as np
import pytest

from veroallarme_core.contract import State, Zone, ZoneKind
from veroallarme_core.judgement import Burst, Premises, add_faint, judge_by_rules
from veroallarme_core.pictures import DecodedFrame
from veroallarme_core.pipeline import find_motion

SIZE = (240, 320)
PERSON = (slice(150, 190), slice(240, 255))
"""Rows and columns of somebody who stands right of what moves."""


def frames(*, faint=14, seed=0):
    """Draw a bag that swings at the left, and somebody a few grey levels off at the right."""
    rng = np.random.default_rng(seed)
    ground = np.kron(rng.uniform(80, 150, (SIZE[0] // 8, SIZE[1] // 8)), np.ones((8, 8)))
    for index in range(3):
        shown = ground.copy()
        shown[60:100, 40 + 12 * index : 70 + 12 * index] = 230
        if index == 1:
            shown[PERSON] += faint
        noisy = shown[..., None] + rng.normal(0, 1.5, (*SIZE, 3))
        yield DecodedFrame(np.clip(noisy, 0, 255).astype(np.uint8))


def burst(*, zones=(), **drawn):
    motion = find_motion(list(frames(**drawn)))
    return Burst(motion, premises=Premises.of(zones, motion.frame_dimensions))


def covers_person(region):
    x, y = region.centroid
    return PERSON[0].start - 5 <= y < PERSON[0].stop + 5 and 235 <= x < 260


@pytest.mark.parametrize("faint", [-20, -14, 14, 20])
@pytest.mark.parametrize("seed", range(3))
def test_who_is_faint_beside_a_mover_becomes_a_region(faint, seed):
    seen = burst(faint=faint, seed=seed)
    before = judge_by_rules(seen)
    assert not any(covers_person(judged.region) for judged in before.regions)
    after = add_faint(seen, before)
    assert any(covers_person(judged.region) for judged in after.undecided)
    assert (after.state, after.score) == (before.state, before.score)


def test_what_clearly_moves_is_not_found_again():
    seen = burst(faint=0)
    before = judge_by_rules(seen)
    assert before.undecided
    assert add_faint(seen, before) is before


def test_what_is_decided_is_not_asked_again():
    seen = burst()
    decided = replace(judge_by_rules(seen), is_open=False)
    assert add_faint(seen, decided) is decided


def test_where_motion_always_alerts_no_memory_is_asked():
    always = Zone(
        name="door", kind=ZoneKind.ALWAYS, points=((0.7, 0.5), (0.9, 0.5), (0.9, 0.9), (0.7, 0.9))
    )
    seen = burst(zones=(always,))
    after = add_faint(seen, judge_by_rules(seen))
    assert after.state is State.UNKNOWN
    assert not after.is_open
