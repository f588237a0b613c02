"""Measurements that take longer than a test may: run each as ``python -m benchmarks.<name>``."""
