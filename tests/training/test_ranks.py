"""This process among others, as torchrun tells it."""

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.errors import TrainingError  # noqa: E402
from veroallarme_training.ranks import Ranks, joined  # noqa: E402

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
CPU = torch.device("cpu")


def test_without_torchrun_a_process_is_alone(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    with joined(CPU) as ranks:
        assert (ranks, ranks.is_alone, ranks.is_main) == (Ranks(), True, True)
        assert ranks.sum([1.0, 2.0], CPU) == [1.0, 2.0]
        assert ranks.gather([3]) == [3]
        assert ranks.any(True, CPU)
        assert not ranks.any(False, CPU)


def test_reads_what_torchrun_tells(monkeypatch):
    for name, value in zip(NAMES, "352", strict=True):
        monkeypatch.setenv(name, value)
    ranks = Ranks.from_environment()
    assert (ranks.rank, ranks.world_size, ranks.local_rank, ranks.is_main) == (3, 5, 2, False)


@pytest.mark.parametrize("value", ["many", None])
def test_incomplete_numbers_are_a_clear_error(monkeypatch, value):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    if value is None:
        monkeypatch.delenv("WORLD_SIZE", raising=False)
    else:
        monkeypatch.setenv("WORLD_SIZE", value)
    with pytest.raises(TrainingError, match=r"incomplete .*start them with torchrun"):
        Ranks.from_environment()
