"""What the worker answers over HTTP: its health, for watchdogs and monitors.

`answering` opens the port for as long as the worker lives.
"""

from veroallarme_core.worker.web.health import Condition, answering

__all__ = [
    "Condition",
    "answering",
]
