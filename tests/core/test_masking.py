"""Secrets in URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerflow.checks.masking import mask_urls


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://user:secret@host:6379/0 refused", "redis://***@host:6379/0 refused"),
        ("redis://:secret@host", "redis://***@host"),
        ("x://a:p@ss@host y://b:q/r?s#t@host", "x://***@host y://***@host"),
        ("a://u:p@h1,b://u:p@h2", "a://***@h1,b://***@h2"),
        ("postgresql+psycopg://secret@/db", "postgresql+psycopg://***@/db"),
        ("see https://sqlalche.me/e/20/e3q8", "see https://sqlalche.me/e/20/e3q8"),
        ("mail a@b", "mail a@b"),
    ],
)
def test_mask_urls(text: str, masked: str) -> None:
    """The user part of each URL is replaced, whatever characters it has, and nothing else."""
    assert mask_urls(text) == masked


@given(st.text(alphabet="ab:/@?#", max_size=30).filter(lambda text: "://" not in text))
def test_no_user_part_is_left(secret: str) -> None:
    """No text between :// and @ is left, unless a blank or another URL begins there."""
    masked = mask_urls(f"x://SECRET{secret}@host")
    assert "SECRET" not in masked


def test_long_texts() -> None:
    """A megabyte of hostile text is masked in no time to speak of."""
    assert mask_urls("://" * 300_000 + "@") == "://" * 299_999 + "://***@"
    assert mask_urls("x://" + "a" * 1_000_000) == "x://" + "a" * 1_000_000
