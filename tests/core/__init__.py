"""Units of dockerflow-core."""
