"""The neutral answer that adapters turn into a response of their framework."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from dockerflow.endpoints import Reply


def test_reply_is_a_value() -> None:
    """Replies are equal, and have one hash, where all their parts are equal."""
    reply = Reply(status=200, body=b"x", media_type="text/plain", headers=(("A", "b"),))
    assert reply == Reply(200, b"x", "text/plain", (("A", "b"),))
    assert hash(reply) == hash(Reply(200, b"x", "text/plain", (("A", "b"),)))
    others: list[object] = [
        Reply(201, b"x", "text/plain", (("A", "b"),)),
        Reply(200, b"y", "text/plain", (("A", "b"),)),
        Reply(200, b"x", "text/html", (("A", "b"),)),
        Reply(200, b"x", "text/plain", ()),
    ]
    assert reply not in others


def test_reply_has_defaults_that_are_not_stored() -> None:
    """A reply is empty text that no proxy keeps, unless it says otherwise; its repr names all."""
    reply = Reply(404)
    assert reply.headers == (("Cache-Control", "no-store"),)
    assert repr(reply) == (
        "Reply(status=404, body=b'', media_type='text/plain; charset=utf-8', "
        "headers=(('Cache-Control', 'no-store'),))"
    )


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_reply_can_be_copied(copied: Callable[[Reply], Reply]) -> None:
    """A copy equals what it was made of, and is matched by its parts."""
    match copied(Reply(404, b"x")):
        case Reply(status, body):
            assert (status, body) == (404, b"x")
    assert copied(Reply(404, b"x")) == Reply(404, b"x")


@pytest.mark.parametrize("name", ["status", "code"])
def test_reply_can_not_be_changed(name: str) -> None:
    """A reply is the same for all who share it, and a misspelt attribute is an error."""
    reply = Reply(200)
    with pytest.raises(AttributeError):
        setattr(reply, name, 500)
