"""Run the command: ``python -m dockerflow.check`` does what ``dockerflow-check`` does."""

from __future__ import annotations

from .command import main

if __name__ == "__main__":
    main(prog_name="python -m dockerflow.check")
