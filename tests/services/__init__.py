"""Real Redis and PostgreSQL servers, and the ways they fail."""
