"""Release tools: the changelog's newest release is the only place that states the version."""
