"""Releasing: the changelog states the version, and everything else is set and checked by it.

``hatch run release:prepare`` and the other commands of that environment in hatch.toml call this;
docs/contributing.md says when. It stands on the standard library alone.
"""
