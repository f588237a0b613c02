"""Which items make up an epoch: all processes together, and from any batch on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.epoch_batches import TrainingBatches, ValidationBatches
from veroallarme_training.errors import TrainingError
from veroallarme_training.ranks import Ranks

SIZES = (st.integers(8, 60), st.integers(2, 9), st.integers(1, 3))


@given(*SIZES, st.integers(0, 5))
def test_processes_share_an_epoch_without_overlap(length, batch_size, world_size, epoch):
    all_batches = []
    for rank in range(world_size):
        batches = TrainingBatches(length, batch_size, 3, Ranks(rank, world_size))
        batches.epoch = epoch
        all_batches.append(list(batches))
        assert len(batches) == len(all_batches[0])
    items = [item for own in all_batches for batch in own for item in batch]
    assert len(items) == len(set(items))
    assert set(items) <= set(range(length))
    size = min(batch_size, length // world_size)
    assert {len(batch) for own in all_batches for batch in own} == {size}
    assert length - len(items) < size * world_size


def test_an_epoch_goes_on_from_any_batch():
    batches = TrainingBatches(50, 4, 3, Ranks())
    batches.epoch = 2
    whole = list(batches)
    batches.start = 5
    assert (list(batches), len(batches)) == (whole[5:], len(whole) - 5)


def test_epochs_and_seeds_shuffle_otherwise():
    def order(seed, epoch):
        batches = TrainingBatches(50, 50, seed, Ranks())
        batches.epoch = epoch
        return next(iter(batches))

    assert order(1, 1) == order(1, 1)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_too_few_items_are_a_clear_error():
    with pytest.raises(TrainingError, match="only 3 items to train on, and each of 2 process"):
        TrainingBatches(3, 8, 0, Ranks(0, 2))


@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 3))
def test_validation_takes_every_item_once(length, batch_size, world_size):
    items = [
        item
        for rank in range(world_size)
        for batch in ValidationBatches(length, batch_size, Ranks(rank, world_size))
        for item in batch
    ]
    assert sorted(items) == list(range(length))
