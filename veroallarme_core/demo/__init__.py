"""The embedded demo: drawn scenes, a camera that serves them, and a run that explains itself."""
