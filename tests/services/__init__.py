"""Real Redis and PostgreSQL, and the ways in which they fail."""
