"""The packages as a consumer under mypy --strict and pyright sees them."""
