"""The page of the worker: see it and teach it, in a browser.

`doors` tells at which ports it is to be had, and `serving_page` opens one of them; `House` is what
pages may use of the worker.
"""

from veroallarme_core.worker.page.door import Door, doors
from veroallarme_core.worker.page.server import serving_page
from veroallarme_core.worker.page.shell import House

__all__ = ["Door", "House", "doors", "serving_page"]
