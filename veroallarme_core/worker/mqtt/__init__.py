"""The session with the broker, and what its messages tell about time and hearing.

`MqttSession` keeps one persistent session alive and loses nothing; `Backlog` knows which messages
may have waited at the broker; `Listening` knows what each topic has brought, and `listen` says it
live.
"""

from veroallarme_core.worker.mqtt.backlog import Backlog
from veroallarme_core.worker.mqtt.connection import MqttSession, end_tasks
from veroallarme_core.worker.mqtt.listening import Listening
from veroallarme_core.worker.mqtt.live_listening import listen
from veroallarme_core.worker.mqtt.messages import QOS, Incoming, Outgoing
from veroallarme_core.worker.mqtt.refusals import Refusal
from veroallarme_core.worker.mqtt.topic_records import Gives, TopicRecord, show_message

__all__ = [
    "QOS",
    "Backlog",
    "Gives",
    "Incoming",
    "Listening",
    "MqttSession",
    "Outgoing",
    "Refusal",
    "TopicRecord",
    "end_tasks",
    "listen",
    "show_message",
]
