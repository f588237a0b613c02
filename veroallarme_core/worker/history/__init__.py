"""What is told of past events, without HTTP: lists, pictures, and zones around what moved.

`PastEvents` answers questions about the events of one camera, for MQTT and for the page alike.
"""

from veroallarme_core.worker.history.past_events import PastEvents

__all__ = ["PastEvents"]
