"""The learning rate by closed forms."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.schedule import PLATEAU_PATIENCE, Schedule  # noqa: E402


def schedule(kind, total=100, warmup=0, rate=0.1) -> Schedule:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    return Schedule(kind, optimizer, rate, total, warmup)


@pytest.mark.parametrize("kind", ["cosine", "step", "plateau"])
def test_warms_up_linearly(kind):
    own = schedule(kind, total=100, warmup=10)
    assert [own.rate(step) for step in (0, 4, 9)] == pytest.approx([0.01, 0.05, 0.1])


def test_the_warm_up_is_at_most_a_fifth():
    assert schedule("cosine", total=10, warmup=10).warmup_steps == 2


def test_cosine():
    own = schedule("cosine", total=110, warmup=10)
    assert own.rate(10) == pytest.approx(0.1)
    assert own.rate(60) == pytest.approx(0.05)
    assert own.rate(85) == pytest.approx(0.1 * 0.5 * (1 + math.cos(0.75 * math.pi)))
    assert own.rate(110) == pytest.approx(0.0)


def test_step_divides_by_ten_after_each_third():
    own = schedule("step", total=90)
    rates = [own.rate(step) for step in (0, 29, 30, 59, 60, 89)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_plateau_lowers_the_rate_when_nothing_improves():
    own = schedule("plateau")
    for _ in range(PLATEAU_PATIENCE):
        own.validated(improved=False)
    assert own.rate(50) == pytest.approx(0.1)
    own.validated(improved=True)
    for _ in range(PLATEAU_PATIENCE + 1):
        own.validated(improved=False)
    assert own.rate(50) == pytest.approx(0.03)


def test_applies_to_every_group_and_is_taken_back():
    own = schedule("plateau")
    own.factor, own.stale = 0.3, 2
    other = schedule("plateau")
    other.load_state(own.state())
    assert other.apply(7) == pytest.approx(0.03)
    assert other.optimizer.param_groups[0]["lr"] == pytest.approx(0.03)
    assert other.stale == 2


def test_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="not 'exponential'"):
        schedule("exponential")
