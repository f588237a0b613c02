"""The asyncio worker: hears motion, fetches pictures, has them judged and tells the verdict.

`serve` runs a worker by its file and `run_app` as an app of Home Assistant, until the process is
told to stop; `Worker` is the same for whoever has an event loop.

Its rooms, each using only those before it: `clock`, `process_memory` and `complaints` (modules
that all share), `motion_sources`, `storage`, `snapshots`, `config`, `mqtt`, `camera`, `nightly`,
`web`. Above them `site` holds the cameras, `bridge` and `commands` carry out what is asked,
`message_router` hands on what the broker sends, `health_report` tells how the worker is, and
`service` puts all together.
"""

from veroallarme_core.worker.health_report import peak_memory_mb
from veroallarme_core.worker.process_memory import keep_one_heap
from veroallarme_core.worker.running import run_app, serve
from veroallarme_core.worker.service import Worker
from veroallarme_core.worker.state_folder import StartError

__all__ = ["StartError", "Worker", "keep_one_heap", "peak_memory_mb", "run_app", "serve"]
