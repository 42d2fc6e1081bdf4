"""What a consumer under mypy --strict and pyright sees of the packages."""
