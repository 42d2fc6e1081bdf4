"""Releasing: the changelog's newest release is the one statement of the version."""
