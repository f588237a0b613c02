"""Metrics against slow, obvious implementations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.metrics import (  # noqa: E402
    area_under_curve,
    mask_counts,
    nearest_is_positive,
)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), max_size=25))
def test_area_under_curve_equals_counting_pairs(scored):
    scores, labels = [s / 6 for s, _ in scored], [label for _, label in scored]
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, one in zip(scores, labels, strict=True)
        for b, other in zip(scores, labels, strict=True)
        if one == 1 and other == 0
    ]
    found = area_under_curve(scores, labels)
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_mask_counts_leave_out_the_unknown():
    logits = torch.zeros(1, 2, 2, 3)
    logits[0, 1] = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0]])
    mask = torch.tensor([[[1, 0, 1], [-1, 0, -1]]])
    assert mask_counts(logits, mask) == (1.0, 3.0)


def test_nearest_is_positive():
    anchors = torch.eye(3)
    assert nearest_is_positive(anchors, anchors) == 3
    assert nearest_is_positive(anchors, anchors.roll(1, 0)) == 0
