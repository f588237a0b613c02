"""Files that are whole at any time: a reader finds the old one or the new one, never half of one.

Everything that is kept across a restart is written here, and is on the disk when the call returns.
"""

from veroallarme_core.files.atomic import (
    atomic_file,
    atomic_text_file,
    put_in_place,
    write_atomically,
)

__all__ = ["atomic_file", "atomic_text_file", "put_in_place", "write_atomically"]
