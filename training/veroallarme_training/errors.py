"""What ends a training run with one sentence for the user instead of a traceback."""

from __future__ import annotations


class TrainingError(Exception):
    """The run cannot start or go on; `str(error)` says what, where, and what to do."""


class Interrupted(Exception):  # noqa: N818 - it is a wish, not an error
    """The user stopped the run, and its state was saved."""
