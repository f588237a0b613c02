"""VeroAllarme's core: motion detection, relevance, per-camera learning and the worker."""

__version__ = "0.1.0"
