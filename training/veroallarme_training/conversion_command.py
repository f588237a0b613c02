"""What the commands that convert a network have in common: what they print and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from veroallarme_core.inference import ModelError


def run_conversion(
    command: str, output: Path, convert: Callable[[], Sequence[str]], trouble: str
) -> int:
    """Convert, print what was written, and return the exit status.

    Args:
        command: its name, which begins the sentence of an error.
        output: named where an error of the disk names no file.
        convert: does it and returns lines for people.
        trouble: what cannot be done with a file of which the disk makes an error.
    """
    try:
        print("\n".join(convert()))
    except ModelError as error:
        print(f"veroallarme-train {command}: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"veroallarme-train {command}: {error.filename or output} {trouble}: {error.strerror}.",
            file=sys.stderr,
        )
    else:
        return 0
    return 1
