"""What can go wrong with a network, before it runs and while it does."""

from __future__ import annotations


class ModelError(ValueError):
    """A model cannot be used; `str(error)` is one sentence that says what to do."""


class NoCudaError(ModelError):
    """The device `cuda` was asked for where there is none."""


class InferenceError(RuntimeError):
    """The network could not judge these pictures; `str(error)` is one sentence."""
