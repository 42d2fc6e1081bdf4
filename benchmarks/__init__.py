"""The speed of these packages, measured beside the `dockerflow` 2026.3.4 of the package index."""
