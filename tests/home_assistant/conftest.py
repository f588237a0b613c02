"""Keeps these tests out of the runs of the core: they need an environment of their own."""

import importlib.util

if importlib.util.find_spec("homeassistant"):
    from .archive import *  # noqa: F403
    from .bridged import *  # noqa: F403
    from .fixtures import *  # noqa: F403
else:
    collect_ignore_glob = ["test_*.py"]
