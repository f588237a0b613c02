"""The configuration of a training run: frozen dataclasses that a YAML file and flags fill.

The dataclasses are the only place of defaults. `training/config/training_config.yaml` repeats
them with a comment on every line; a test keeps the two alike.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import voluptuous as vol
import yaml

from veroallarme_core.contract import (
    Validator,
    advice,
    expanded_path,
    integer_between,
    number_between,
    one_of,
    one_word_of,
    or_none,
    truth,
)
from veroallarme_core.description import InputMode
from veroallarme_core.files import write_atomically
from veroallarme_training.errors import TrainingError

_Section = TypeVar("_Section")


class ConfigError(TrainingError):
    """A file, a flag or a value is wrong; the sentence names the key."""


# --- checks of single values ---------------------------------------------------------------------


def _number(low: float, high: float) -> Validator:
    number = number_between(low, high)

    def check(value: Any) -> float:
        # YAML 1.1 reads 1e-3, which has no point, as text.
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                value = float(value)
        checked: float = number(value)
        return checked

    return check


def _word(*words: str) -> Validator:
    return one_word_of(*words, verb="give")


def _truth_or_path(value: Any) -> bool | Path:
    try:
        return value if isinstance(value, bool) else expanded_path(value)
    except vol.Invalid:
        raise vol.Invalid("give true, false or the path of a file of weights") from None


def _pair(item: Validator) -> Validator:
    def check(value: Any) -> tuple[Any, Any]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise vol.Invalid("give two values, [low, high] or [height, width]")
        return (item(value[0]), item(value[1]))

    return check


def _ascending(item: Validator) -> Validator:
    pair = _pair(item)

    def check(value: Any) -> tuple[Any, Any]:
        low, high = pair(value)
        if low > high:
            raise vol.Invalid("give two values, the smaller one first")
        return (low, high)

    return check


def _multiple(factor: int, low: int, high: int) -> Validator:
    whole = integer_between(low, high)

    def check(value: Any) -> int:
        if whole(value) % factor:
            raise vol.Invalid(f"give a multiple of {factor} from {low} to {high}")
        return int(value)

    return check


def _by(check: Validator) -> dict[str, Validator]:
    """Return a field's metadata that holds its check."""
    return {"check": check}


# --- sections ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PhaseSettings:
    """What each phase may set for itself; None takes the value of the top level."""

    num_epochs: int | None = field(default=None, metadata=_by(or_none(integer_between(1, 100_000))))
    batch_size: int | None = field(default=None, metadata=_by(or_none(integer_between(2, 65_536))))
    """Items per step and process: an event in `contrastive`, a region in the other phases."""
    learning_rate: float | None = field(default=None, metadata=_by(or_none(_number(1e-8, 10.0))))


@dataclass(frozen=True, kw_only=True)
class ContrastiveSettings(PhaseSettings):
    """Phase `contrastive`: the encoder learns to tell movers apart, without labels."""

    memory_bank_size: int = field(default=0, metadata=_by(integer_between(0, 1_000_000)))
    """Embeddings of earlier batches kept as further negatives, as in MoCo; 0 is off (SimCLR)."""
    use_negatives: bool = field(default=True, metadata=_by(truth))
    """Let each item's negative (another event, or the empty place) take part in the batch."""


@dataclass(frozen=True, kw_only=True)
class SegmentationSettings(PhaseSettings):
    """Phase `segmentation`: where in the crop is what matters?"""

    freeze_encoder: bool = field(default=False, metadata=_by(truth))
    """Leave the encoder as it is for the whole phase."""
    freeze_epochs: int = field(default=0, metadata=_by(integer_between(0, 100_000)))
    """Leave it as it is for this many epochs only: a fresh head would disturb it."""
    foreground_weight: float = field(default=10.0, metadata=_by(_number(0.01, 1000.0)))
    """Weight of a mover's pixel against one of the background, in the cross-entropy."""
    dice_weight: float = field(default=1.0, metadata=_by(_number(0.0, 1000.0)))
    """Weight of the Dice loss beside the cross-entropy; 0 leaves it out."""


@dataclass(frozen=True, kw_only=True)
class RelevanceSettings(PhaseSettings):
    """Phase `relevance`: is a region worth an alarm?"""

    freeze_encoder: bool = field(default=False, metadata=_by(truth))
    freeze_epochs: int = field(default=0, metadata=_by(integer_between(0, 100_000)))
    relevant_weight: float = field(default=1.0, metadata=_by(_number(0.01, 1000.0)))
    """Weight of a relevant region against nuisance; a miss costs more than a false alarm."""
    balance_labels: bool = field(default=True, metadata=_by(truth))
    """Scale the weights so that both labels count alike, however many regions each has."""
    segmentation_weight: float = field(default=0.5, metadata=_by(_number(0.0, 1000.0)))
    """Weight of the segmentation loss, which keeps the map true while the encoder learns on."""


@dataclass(frozen=True, kw_only=True)
class TeacherSettings:
    """Who says what is relevant, in the phases `segmentation` and `relevance`."""

    labels_file: Path | None = field(default=None, metadata=_by(or_none(expanded_path)))
    """CSV of events (`event_id,label`) or regions (`event_id,x,y,width,height,is_relevant`)."""
    drawn_seeds: int = field(default=8, metadata=_by(integer_between(0, 10_000)))
    """How often the 26 drawn scenes join in, each time with other textures and noise."""
    drawn_size: tuple[int, int] = field(
        default=(576, 704), metadata=_by(_pair(integer_between(120, 1920)))
    )
    """Height and width of the drawn scenes in pixels."""
    use_recurrence: bool = field(default=False, metadata=_by(truth))
    """Label what no file labels by how often its place moves: weak, see docs/training.md."""
    recurrent_share: float = field(default=0.3, metadata=_by(_number(0.0, 1.0)))
    """A place that moves in at least this share of the other events is nuisance."""
    rare_share: float = field(default=0.05, metadata=_by(_number(0.0, 1.0)))
    """A place that moves in at most this share is relevant; in between nothing is said."""
    min_events: int = field(default=30, metadata=_by(integer_between(2, 1_000_000)))
    """A camera with fewer events says nothing by recurrence."""
    recurrence_weight: float = field(default=0.5, metadata=_by(_number(0.0, 1.0)))
    """Weight of such a label; one from a file or a drawn scene counts 1."""


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """How training crops vary; validation crops never do."""

    enabled: bool = field(default=True, metadata=_by(truth))
    horizontal_flip: float = field(default=0.5, metadata=_by(_number(0.0, 1.0)))
    """Probability."""
    reverse_time: float = field(default=0.5, metadata=_by(_number(0.0, 1.0)))
    """Probability of showing the frames of a temporal crop backwards."""
    scale: tuple[float, float] = field(
        default=(0.7, 1.15), metadata=_by(_ascending(_number(0.2, 3.0)))
    )
    """Range of the square's side, as a share of what prediction would cut."""
    shift: float = field(default=0.1, metadata=_by(_number(0.0, 0.5)))
    """Largest shift of the square, as a share of its side."""
    brightness: float = field(default=0.25, metadata=_by(_number(0.0, 1.0)))
    contrast: float = field(default=0.25, metadata=_by(_number(0.0, 0.95)))
    noise: float = field(default=0.02, metadata=_by(_number(0.0, 0.5)))
    """Largest standard deviation of added noise; the crop's values are in [0, 1]."""
    blur: float = field(default=0.1, metadata=_by(_number(0.0, 1.0)))
    """Probability of a slight blur."""


@dataclass(frozen=True, kw_only=True)
class LoggingSettings:
    """What is written down while training."""

    tensorboard: bool = field(default=True, metadata=_by(truth))
    scalars_every: int = field(default=10, metadata=_by(integer_between(1, 1_000_000)))
    """Steps between two points of a training curve in TensorBoard."""
    pictures_every: int = field(default=5, metadata=_by(integer_between(0, 100_000)))
    """Epochs between two sets of example pictures; 0 writes none."""
    num_pictures: int = field(default=8, metadata=_by(integer_between(1, 64)))


@dataclass(frozen=True, kw_only=True)
class AdvancedSettings:
    """Speed, memory and patience."""

    use_amp: bool = field(default=True, metadata=_by(truth))
    """Mixed precision on CUDA; a CPU always computes in float32."""
    grad_clip: float | None = field(default=1.0, metadata=_by(or_none(_number(1e-6, 1e6))))
    """Largest norm of the gradient; null does not clip."""
    gradient_accumulation: int = field(default=1, metadata=_by(integer_between(1, 4096)))
    """Batches per step of the optimizer: simulates a batch that does not fit the memory."""
    early_stopping_patience: int | None = field(
        default=20, metadata=_by(or_none(integer_between(1, 100_000)))
    )
    """Validations without improvement after which a phase ends; null never ends it early."""
    min_delta: float = field(default=1e-4, metadata=_by(_number(0.0, 1e3)))
    """What counts as an improvement."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that a run can be told.

    Raises:
        ConfigError: values contradict each other.
    """

    data_dir: Path | None = field(default=None, metadata=_by(or_none(expanded_path)))
    """One camera's folder of events, or a parent of several; null takes drawn scenes only."""
    output_dir: Path = field(default=Path("model_checkpoints"), metadata=_by(expanded_path))
    log_dir: Path = field(default=Path("logs/training"), metadata=_by(expanded_path))
    cache_dir: Path | None = field(default=None, metadata=_by(or_none(expanded_path)))
    """Found motion, index of events, drawn scenes; null takes `cache` in the output folder."""
    max_sequences: int | None = field(
        default=None, metadata=_by(or_none(integer_between(2, 100_000_000)))
    )
    """At most this many events, evenly over time; null takes all."""
    train_split: float = field(default=0.8, metadata=_by(_number(0.1, 1.0)))
    """Share of each camera's events, the earlier ones, to train on; 1 validates on nothing."""
    feature_dim: int = field(default=128, metadata=_by(integer_between(2, 4096)))
    num_classes: int = field(default=2, metadata=_by(integer_between(2, 2)))
    pretrained_backbone: bool | Path = field(default=True, metadata=_by(_truth_or_path))
    """torchvision's ImageNet weights (downloaded once), none, or a file of weights."""
    input_mode: InputMode = field(
        default=InputMode.TEMPORAL, metadata=_by(one_of(InputMode, verb="give"))
    )
    crop_size: int = field(default=224, metadata=_by(_multiple(32, 64, 512)))
    """Edge of the network's input in pixels; predictions are made at 224."""
    batch_size: int = field(default=32, metadata=_by(integer_between(2, 65_536)))
    num_epochs: int = field(default=100, metadata=_by(integer_between(1, 100_000)))
    """Epochs of each phase."""
    learning_rate: float = field(default=1e-3, metadata=_by(_number(1e-8, 10.0)))
    weight_decay: float = field(default=1e-4, metadata=_by(_number(0.0, 1.0)))
    temperature: float = field(default=0.07, metadata=_by(_number(1e-3, 100.0)))
    """Temperature of the contrastive loss."""
    optimizer: str = field(default="adam", metadata=_by(_word("adam", "adamw", "sgd")))
    scheduler: str = field(default="cosine", metadata=_by(_word("cosine", "step", "plateau")))
    warmup_epochs: int = field(default=5, metadata=_by(integer_between(0, 10_000)))
    """Epochs in which the learning rate rises; at most a fifth of a phase."""
    num_workers: int = field(default=2, metadata=_by(integer_between(0, 256)))
    """Processes that cut crops; 0 cuts them in the training process."""
    save_every: int = field(default=1, metadata=_by(integer_between(1, 100_000)))
    """Epochs between two saved states that a run can resume from."""
    validate_every: int = field(default=1, metadata=_by(integer_between(1, 100_000)))
    device: str | None = field(default=None, metadata=_by(or_none(_word("cpu", "cuda"))))
    """null takes CUDA where there is one."""
    seed: int = field(default=0, metadata=_by(integer_between(0, 2**31 - 1)))

    contrastive: ContrastiveSettings = field(default_factory=ContrastiveSettings)
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    relevance: RelevanceSettings = field(default_factory=RelevanceSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    advanced: AdvancedSettings = field(default_factory=AdvancedSettings)

    def __post_init__(self) -> None:
        if self.data_dir is None and self.teacher.drawn_seeds == 0:
            raise ConfigError(
                "There is nothing to train on: give a folder of events with --data-dir, or set "
                "teacher.drawn_seeds to a number above 0."
            )
        if self.teacher.rare_share >= self.teacher.recurrent_share:
            raise ConfigError(
                f"teacher.rare_share ({self.teacher.rare_share:g}) must be below "
                f"teacher.recurrent_share ({self.teacher.recurrent_share:g})."
            )
        height, width = self.teacher.drawn_size
        if height % 2 or width % 2 or height > 1080 or width < 160:
            raise ConfigError(
                f"teacher.drawn_size is [{height}, {width}], yet scenes are drawn in even numbers "
                "of pixels from [120, 160] to [1080, 1920]."
            )

    def phase(self, name: str) -> PhaseSettings:
        """Return the section of a phase."""
        section = getattr(self, name)
        assert isinstance(section, PhaseSettings)
        return section

    def of_phase(self, name: str, key: str) -> Any:
        """Return `num_epochs`, `batch_size` or `learning_rate` as it holds in a phase."""
        own = getattr(self.phase(name), key)
        return getattr(self, key) if own is None else own

    @property
    def cache_folder(self) -> Path:
        """Where found motion, the index of events and drawn scenes are kept."""
        return self.cache_dir or self.output_dir / "cache"

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain values, as a YAML file would hold them."""
        values: dict[str, Any] = _plain(self)
        return values


# --- from files and flags ------------------------------------------------------------------------


def load_config(
    path: str | Path | None = None, flags: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read a configuration; flags win over the file, the file over the defaults.

    Args:
        path: YAML file; None takes the defaults.
        flags: top-level keys that were given on the command line. `num_epochs` and `batch_size`
            also win over what a phase's section sets.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value is wrong.
    """
    values = _read_yaml(Path(path)) if path is not None else {}
    where = "the configuration" if path is None else str(path)
    for key, value in (flags or {}).items():
        values[key] = value
        for section in ("contrastive", "segmentation", "relevance"):
            if key in ("num_epochs", "batch_size") and isinstance(values.get(section), dict):
                values[section] = {**values[section], key: None}
    return from_dict(values, where)


def from_dict(values: Mapping[str, Any], where: str = "the configuration") -> TrainingConfig:
    """Build a configuration from plain values, such as a checkpoint or a YAML file holds.

    Raises:
        ConfigError: a key is unknown or a value is wrong; the sentence names it and `where`.
    """
    return _build(TrainingConfig, values, where, "")


def save_config(config: TrainingConfig, path: Path) -> None:
    """Write a configuration as YAML that `load_config` reads back."""
    write_atomically(path, yaml.safe_dump(config.to_dict(), sort_keys=False))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"The configuration {path} cannot be read: {reason}.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise ConfigError(f"The configuration {path} cannot be read:{line} {problem}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"The configuration {path} must hold keys and values, not {values!r}.")
    return values


def _build(kind: type[_Section], values: Any, where: str, prefix: str) -> _Section:
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where}: {prefix.rstrip('.')} must hold keys and values, not {values!r}."
        )
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    filled: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(_unknown(key, prefix, where))
        if is_dataclass(hints[key]):
            filled[key] = _build(
                hints[key], {} if value is None else value, where, f"{prefix}{key}."
            )
            continue
        try:
            filled[key] = known[key].metadata["check"](value)
        except vol.Invalid as error:
            raise ConfigError(f"{where}: {prefix}{key} is {value!r}; {advice(error)}.") from None
    return kind(**filled)


def _unknown(key: Any, prefix: str, where: str) -> str:
    """Say which known key an unknown one is nearest to, wherever that one stands."""
    given = f"{prefix}{key}"
    names = _all_keys(TrainingConfig)
    # A key is often right but in the wrong section: its last part counts on its own.
    last = {name.rpartition(".")[2]: name for name in reversed(names)}
    nearest = difflib.get_close_matches(given, names, 1, 0.6)
    by_last = difflib.get_close_matches(str(key), list(last), 1, 0.6)
    if by_last and (not nearest or last.get(str(key))):
        nearest = [last[by_last[0]]]
    if not nearest:
        nearest = difflib.get_close_matches(given, names, 1, 0.0)
    return f"{where}: there is no key {given!r}; did you mean {nearest[0]!r}?"


def _all_keys(kind: Any, prefix: str = "") -> list[str]:
    hints = get_type_hints(kind)
    names = []
    for entry in fields(kind):
        names.append(prefix + entry.name)
        if is_dataclass(hints[entry.name]):
            names += _all_keys(hints[entry.name], f"{prefix}{entry.name}.")
    return names


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, InputMode):
        return value.value
    return str(value) if isinstance(value, Path) else value
