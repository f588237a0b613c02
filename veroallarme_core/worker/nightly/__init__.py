"""When cameras are adapted to their own history, and the process that does it.

`Adaptations` runs one adaptation after the other: at night, as cameras fill, and on command.
"""

from veroallarme_core.worker.nightly.schedule import Adaptations

__all__ = ["Adaptations"]
