"""What the worker answers over HTTP: its health, for watchdogs and monitors.

`answering` opens the port for as long as the worker lives.
"""

from veroallarme_core.worker.web.health import Condition, Health, answering, assess

__all__ = [
    "Condition",
    "Health",
    "answering",
    "assess",
]
