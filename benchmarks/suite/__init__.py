"""What `python -m benchmarks` measures, compares and prints: how fast and how small it all is."""
