"""What a model file says of itself; every format carries it, and every back end reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from veroallarme_core.description import CropGeometry, InputMode
from veroallarme_core.inference import ModelError

META_KEY = "veroallarme"
"""Under this key ONNX metadata and OpenVINO's rt_info hold the JSON of `ModelMeta`."""

META_FORMAT = 1


class ModelMode(StrEnum):
    """Which heads a network has."""

    CONTRASTIVE = "contrastive"
    SEGMENTATION = "segmentation"
    CLASSIFICATION = "classification"
    BOTH = "both"

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads that judge relevance; the contrastive network has none."""
        match self:
            case ModelMode.CONTRASTIVE:
                return ()
            case ModelMode.BOTH:
                return HEADS
            case _:
                return (self.value,)


HEADS = ("segmentation", "classification")
"""The heads that judge relevance."""


@dataclass(frozen=True, kw_only=True)
class ModelMeta:
    """How to feed a network and which of its answers to believe."""

    mode: ModelMode = ModelMode.BOTH
    input_mode: InputMode = InputMode.TEMPORAL
    crop: CropGeometry = field(default_factory=CropGeometry)
    feature_dim: int = 128
    num_classes: int = 2
    trained_heads: tuple[str, ...] = HEADS
    """A head that no phase has trained answers at random and is not listened to."""
    name: str = "unnamed"
    """Shown in verdicts and logs."""

    def to_dict(self) -> dict[str, Any]:
        """Return the meta data as JSON-serialisable values."""
        return {
            "format": META_FORMAT,
            "mode": self.mode.value,
            "input_mode": self.input_mode.value,
            "crop": self.crop.to_dict(),
            "feature_dim": self.feature_dim,
            "num_classes": self.num_classes,
            "trained_heads": list(self.trained_heads),
            "name": self.name,
        }

    def to_json(self) -> str:
        """Return the meta data as the text that ONNX and OpenVINO files hold."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, values: object, source: object = "the model") -> ModelMeta:
        """Read what `to_dict` gave, out of a file that anybody may have written.

        Args:
            values: a mapping; keys that are missing take their defaults.
            source: the file, to be named in errors.

        Raises:
            ModelError: a value is wrong; the sentence names file, key and value.
        """
        if not isinstance(values, Mapping):
            raise ModelError(f"{source}: its meta data is no table but {values!r:.80}.")
        found = values.get("format", META_FORMAT)
        if found != META_FORMAT:
            raise ModelError(
                f"{source}: its meta data has format {found!r:.40}, this version reads "
                f"{META_FORMAT}; update VeroAllarme or export the model again."
            )
        crop = values.get("crop", {})
        try:
            geometry = CropGeometry.from_dict(
                crop if isinstance(crop, Mapping) else {"margin": crop}
            )
        except ValueError as error:
            raise ModelError(f"{source}: its meta data `crop`: {error}") from None
        return cls(
            mode=ModelMode(_word(values, "mode", [*ModelMode], ModelMode.BOTH, source)),
            input_mode=InputMode(
                _word(values, "input_mode", [*InputMode], InputMode.TEMPORAL, source)
            ),
            crop=geometry,
            feature_dim=_count(values, "feature_dim", 128, source),
            num_classes=_count(values, "num_classes", 2, source),
            trained_heads=_heads(values, source),
            name=str(values.get("name", "unnamed"))[:64],
        )

    @classmethod
    def from_json(cls, text: str, source: object = "the model") -> ModelMeta:
        """Read what `to_json` gave.

        Raises:
            ModelError: the text is no JSON, or as `from_dict`.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise ModelError(f"{source}: its meta data is no JSON: {text!r:.80}.") from None
        return cls.from_dict(values, source)


def _word(
    values: Mapping[Any, Any], key: str, known: list[Any], default: str, source: object
) -> str:
    value = values.get(key, default)
    if value not in [str(word) for word in known]:
        words = ", ".join(known)
        raise ModelError(f"{source}: its meta data `{key}` is {value!r:.40}, not one of {words}.")
    return str(value)


def _count(values: Mapping[Any, Any], key: str, default: int, source: object) -> int:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= 4096:
        raise ModelError(f"{source}: its meta data `{key}` is {value!r:.40}, not 2 to 4096.")
    return value


def _heads(values: Mapping[Any, Any], source: object) -> tuple[str, ...]:
    value = values.get("trained_heads", HEADS)
    if not isinstance(value, list | tuple) or not all(head in HEADS for head in value):
        raise ModelError(
            f"{source}: its meta data `trained_heads` is {value!r:.80}, not a list out of "
            f"{', '.join(HEADS)}."
        )
    return tuple(head for head in HEADS if head in value)
