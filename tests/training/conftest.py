"""What tests of whole training runs share: a small configuration over scenes drawn once."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: on crops this small more of them wait for each other.

    On a busy machine two threads took four times the processor time of one.
    """
    if importlib.util.find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def training_cache(tmp_path_factory) -> Path:
    """Folder of drawn scenes and found motion, filled by the first run."""
    return tmp_path_factory.mktemp("training_cache")


@pytest.fixture
def make_config(training_cache: Path, tmp_path: Path) -> Callable[..., Any]:
    """Make the configuration of a run that takes seconds; keys win over what it would set."""
    from veroallarme_training.config import from_dict

    def make(**keys: Any) -> Any:
        values = {
            "output_dir": str(tmp_path / "output"),
            "log_dir": str(tmp_path / "logs"),
            "cache_dir": str(training_cache),
            "crop_size": 64,
            "pretrained_backbone": False,
            "num_workers": 0,
            "num_epochs": 1,
            "batch_size": 8,
            "train_split": 0.5,
            "device": "cpu",
            "logging": {"tensorboard": False},
            **keys,
        }
        teacher = {"drawn_seeds": 2, "drawn_size": [144, 176], **values.get("teacher", {})}
        return from_dict({**values, "teacher": teacher})

    return make
