"""Networks of every mode, and their checkpoints."""

from pathlib import Path

import pytest

from veroallarme_core.relevance_mask.model_meta import ModelMode

MODES = tuple(mode.value for mode in ModelMode)


@pytest.fixture(scope="module")
def models():
    torch = pytest.importorskip("torch", reason="the network needs the extra [train]")
    from veroallarme_core.relevance_mask import RelevanceMaskModel

    torch.manual_seed(1)
    return {mode: RelevanceMaskModel(mode=mode).eval() for mode in MODES}


@pytest.fixture(scope="module")
def saved(models, tmp_path_factory) -> dict[str, Path]:
    from veroallarme_core.relevance_mask import save_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints")
    for mode, model in models.items():
        model.trained_heads = set(model.mode.heads)
        save_checkpoint(folder / f"{mode}.pth", model)
    return {mode: folder / f"{mode}.pth" for mode in MODES}
