"""The configuration: what a file and flags fill, and what they may not."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_core.description.region_crops import InputMode
from veroallarme_training.config import (
    ConfigError,
    TrainingConfig,
    from_dict,
    load_config,
    save_config,
)

SHIPPED = Path(__file__).parents[2] / "training" / "config" / "training_config.yaml"
ORIGINAL_KEYS = {
    "data_dir",
    "output_dir",
    "log_dir",
    "max_sequences",
    "train_split",
    "feature_dim",
    "num_classes",
    "pretrained_backbone",
    "batch_size",
    "num_epochs",
    "learning_rate",
    "weight_decay",
    "temperature",
    "optimizer",
    "scheduler",
    "warmup_epochs",
    "num_workers",
    "save_every",
    "validate_every",
    "device",
    "contrastive",
    "segmentation",
    "relevance",
    "augmentation",
    "logging",
    "advanced",
}


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_the_shipped_file_holds_the_defaults_and_the_keys_of_the_original():
    assert load_config(SHIPPED) == TrainingConfig()
    shipped = yaml.safe_load(SHIPPED.read_text())
    assert shipped == TrainingConfig().to_dict()
    assert set(shipped) >= ORIGINAL_KEYS
    assert {"freeze_encoder", "freeze_epochs"} <= set(shipped["segmentation"])
    assert {
        "use_amp",
        "grad_clip",
        "gradient_accumulation",
        "early_stopping_patience",
        "min_delta",
    } <= set(shipped["advanced"])


def test_a_file_wins_over_defaults_and_flags_over_the_file(tmp_path):
    text = "batch_size: 8\nlearning_rate: 1e-4\nseed: 3\nrelevance: {num_epochs: 7, batch_size: 4}"
    path = write(tmp_path, text)
    config = load_config(path)
    assert (config.batch_size, config.learning_rate, config.num_epochs) == (8, 1e-4, 100)
    assert config.of_phase("relevance", "num_epochs") == 7
    assert config.of_phase("segmentation", "batch_size") == 8
    config = load_config(path, {"num_epochs": 2, "data_dir": Path("events")})
    assert config.of_phase("relevance", "num_epochs") == 2
    assert config.of_phase("relevance", "batch_size") == 4
    assert (config.data_dir, config.seed) == (Path("events"), 3)


def test_what_is_saved_is_read_back(tmp_path):
    config = TrainingConfig(
        data_dir=Path("events"), input_mode=InputMode.RGB, pretrained_backbone=Path("resnet.pth")
    )
    save_config(config, tmp_path / "copy.yaml")
    assert load_config(tmp_path / "copy.yaml") == config
    assert from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("learning_rat: 1", "no key 'learning_rat'; did you mean 'learning_rate'"),
        ("lr: 1", "no key 'lr'; did you mean '"),
        ("advanced: {grad_clp: 1}", "'advanced.grad_clp'; did you mean 'advanced.grad_clip'"),
        ("grad_clip: 1", "no key 'grad_clip'; did you mean 'advanced.grad_clip'"),
        ("freeze_encoder: true", "did you mean 'segmentation.freeze_encoder'"),
        ("advanced: {batch_size: 2}", "'advanced.batch_size'; did you mean 'batch_size'"),
        ("7: 1", "no key '7'; did you mean '"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path, text, named):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert named in str(caught.value)
    assert "config.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batch_size: 0", "batch_size is 0; give a whole number from 2 to"),
        ("batch_size: true", "batch_size is True; give a whole number"),
        ("batch_size: 8.5", "batch_size is 8.5; give a whole number"),
        ("learning_rate: fast", "learning_rate is 'fast'; give a number from"),
        ("learning_rate: .nan", "learning_rate is nan; give a number from"),
        ("optimizer: adagrad", "optimizer is 'adagrad'; give one of adam, adamw, sgd"),
        ("input_mode: grey", "input_mode is 'grey'; give one of temporal, rgb"),
        ("crop_size: 100", "crop_size is 100; give a multiple of 32"),
        ("num_classes: 3", "num_classes is 3; give a whole number from 2 to 2"),
        ("pretrained_backbone: 3", "true, false or the path of a file"),
        ("device: tpu", "device is 'tpu'; give one of cpu, cuda"),
        ("data_dir: ''", "data_dir is ''; give a path"),
        ("data_dir: ~nobody of that name", "there is no such user: write the path out"),
        ("augmentation: {scale: [2, 1]}", "augmentation.scale is [2, 1]; give two values"),
        ("augmentation: {scale: 2}", "augmentation.scale is 2; give two values"),
        ("augmentation: {enabled: 'no'}", "augmentation.enabled is 'no'; give true or false"),
        ("advanced: 3", "advanced must hold keys and values, not 3"),
        ("- 1", "must hold keys and values, not [1]"),
        ("a: [", "cannot be read: line"),
        ("teacher: {drawn_seeds: 0}", "There is nothing to train on: give a folder of events"),
        ("teacher: {rare_share: 0.6}", "teacher.rare_share (0.6) must be below"),
        ("teacher: {drawn_size: [577, 704]}", "drawn_size is [577, 704], yet"),
    ],
)
def test_a_wrong_value_is_one_clear_sentence(tmp_path, text, sentence):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_an_empty_file_is_the_defaults(tmp_path):
    assert load_config(write(tmp_path, "")) == TrainingConfig()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*TrainingConfig().to_dict(), "other"]), VALUES, max_size=4))
def test_whatever_a_file_holds_is_a_configuration_or_a_sentence(values):
    try:
        config = from_dict(values)
    except ConfigError as error:
        sentence = str(error)
    else:
        sentence = "fine"
        assert from_dict(config.to_dict()) == config
    assert sentence
