"""What model files say of themselves, and what becomes of lies."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.description.region_crops import CropGeometry, InputMode
from veroallarme_core.inference import ModelError
from veroallarme_core.relevance_mask.model_meta import HEADS, ModelMeta, ModelMode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def test_survives_a_file():
    meta = ModelMeta(
        mode=ModelMode.SEGMENTATION,
        input_mode=InputMode.RGB,
        crop=CropGeometry(margin=0.5, min_side=64),
        feature_dim=64,
        trained_heads=("segmentation",),
        name="yard-3",
    )
    assert ModelMeta.from_json(meta.to_json()) == meta


def test_what_is_missing_has_its_default():
    assert ModelMeta.from_dict({}) == ModelMeta()


@pytest.mark.parametrize(
    ("mode", "heads"),
    [
        ("contrastive", ()),
        ("segmentation", ("segmentation",)),
        ("classification", ("classification",)),
        ("both", HEADS),
    ],
)
def test_a_mode_knows_its_heads(mode, heads):
    assert ModelMode(mode).heads == heads


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "its meta data is no table but"),
        ({"format": 2}, "has format 2, this version reads 1; update VeroAllarme"),
        ({"mode": "detection"}, "`mode` is 'detection', not one of contrastive, segmentation"),
        ({"mode": []}, r"`mode` is \[\], not one of"),
        ({"input_mode": "bgr"}, "`input_mode` is 'bgr', not one of temporal, rgb"),
        ({"crop": {"margin": -1}}, "`crop`: margin must be a share from 0 to 4, not -1"),
        ({"crop": 7}, "`crop`: margin must be"),
        ({"feature_dim": 0}, "`feature_dim` is 0, not 2 to 4096"),
        ({"num_classes": True}, "`num_classes` is True, not 2 to 4096"),
        ({"trained_heads": "segmentation"}, "`trained_heads` is 'segmentation', not a list"),
        ({"trained_heads": ["detection"]}, "not a list out of segmentation, classification"),
    ],
)
def test_refuses_what_is_wrong_and_names_it(values, sentence):
    with pytest.raises(ModelError, match=f"^yard.onnx: .*{sentence}"):
        ModelMeta.from_dict(values, "yard.onnx")


def test_refuses_what_is_no_json():
    with pytest.raises(ModelError, match="its meta data is no JSON"):
        ModelMeta.from_json("{", "yard.onnx")


@given(json_values)
def test_no_content_raises_anything_else(values):
    with contextlib.suppress(ModelError):
        assert ModelMeta.from_json(json.dumps(values)).num_classes >= 2
