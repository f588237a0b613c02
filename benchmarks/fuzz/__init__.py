"""What strangers may send, broken in every way: `python -m benchmarks.fuzz`."""
