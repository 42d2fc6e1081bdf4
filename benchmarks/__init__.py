"""Benchmarks, run by pyperf: these packages, the existing ``dockerflow`` and similar packages."""
