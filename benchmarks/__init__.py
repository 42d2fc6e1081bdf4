"""Benchmarks: these packages beside the existing ``dockerflow`` and their peers, by pyperf."""
