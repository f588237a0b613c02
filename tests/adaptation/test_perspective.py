"""How tall people are where: learned from those who were seen, and of no use from too few."""

import numpy as np
import pytest

from veroallarme_core.adaptation.perspective import Perspective, Sighting

SLOPE, HORIZON = 0.5, 0.1


def people(count, *, rng, mistakes=0.0, rows=(0.3, 0.95), noise=0.08):
    for _ in range(count):
        foot = float(rng.uniform(*rows))
        height = SLOPE * (foot - HORIZON) * float(np.exp(rng.normal(0.0, noise)))
        if rng.random() < mistakes:
            height = float(rng.uniform(0.02, 0.9))
        yield Sighting(foot, height)


@pytest.mark.parametrize("mistakes", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(5))
def test_the_ground_is_found_although_some_sightings_are_mistakes(mistakes, seed):
    rng = np.random.default_rng(seed)
    found = Perspective.of(list(people(80, rng=rng, mistakes=mistakes)))
    assert found is not None
    for foot in (0.4, 0.6, 0.9):
        assert found.height_at(foot) == pytest.approx(SLOPE * (foot - HORIZON), rel=0.25)


def test_nobody_stands_above_the_horizon():
    found = Perspective.of(list(people(40, rng=np.random.default_rng(0))))
    assert found is not None
    assert found.height_at(found.horizon - 0.05) == 0.0
    assert found.standing_on(found.horizon - 0.05)[0] == 0.0


@pytest.mark.parametrize("share", [1.0, 0.33])
def test_who_stands_around_a_row_is_as_tall_as_there(share):
    found = Perspective(SLOPE, HORIZON, 0.2)
    height, foot = found.standing_on(0.6, share)
    assert foot - height / 2 == pytest.approx(0.6)
    assert height == pytest.approx(share * found.height_at(foot))


@pytest.mark.parametrize(
    "sightings",
    [
        [],
        list(people(11, rng=np.random.default_rng(1))),
        list(people(60, rng=np.random.default_rng(2), rows=(0.5, 0.52))),
        [Sighting(foot, 0.3) for foot in np.linspace(0.3, 0.9, 40)],
        [Sighting(foot, 0.8 - 0.7 * foot) for foot in np.linspace(0.3, 0.9, 40)],
    ],
    ids=["nobody", "too few", "all in one row", "no ground: a wall", "upside down"],
)
def test_what_shows_no_ground_is_no_perspective(sightings):
    assert Perspective.of(sightings) is None
