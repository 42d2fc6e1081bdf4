"""What a service answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx

from .findings import Place

VERSION = "/__version__"
HEARTBEAT = "/__heartbeat__"
LBHEARTBEAT = "/__lbheartbeat__"
ERROR = "/__error__"

MOST_BYTES = 1_000_000  # of one body


@dataclass(frozen=True)
class Answer:
    """What came back for one request.

    :param method: the method of the request.
    :param path: the path of the request, without the prefix of the service.
    :param url: the whole URL, without user and password.
    :param status: the status; None if there was no HTTP answer.
    :param headers: the headers.
    :param body: the body as it was sent, at most :data:`MOST_BYTES` of it.
    :param seconds: the time from the connection's start to the last byte.
    :param problem: what is wrong with the exchange itself, as the rest of a sentence about the
        request; or None.
    :param connected: whether there was a connection.
    :param ended: whether the answer came to its end, or was long enough to be cut off here.
    :param request_id: the id that the request was sent with.
    """

    method: str
    path: str
    url: str
    status: int | None
    headers: httpx.Headers
    body: bytes
    seconds: float
    problem: str | None = None
    connected: bool = True
    ended: bool = True
    request_id: str = ""

    def __str__(self) -> str:
        request = f"{self.method} {self.path}"
        if self.status is None:
            return f"{request} {self.problem}"
        answered = f"{request} answers {self.status}"
        return f"{answered} and {self.problem}" if self.problem is not None else answered

    @property
    def place(self) -> Place:
        """Where a finding about it belongs."""
        return Place(self.url)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        value: str = self.headers.get("content-type", "")
        return value.partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Parse the body, strictly.

        :raises ValueError: if it is not JSON in UTF-8; the text says why, and quotes nothing.
        """
        if self.problem is not None:
            raise ValueError(f"it {self.problem}")
        try:
            return json.loads(self.body.decode("utf-8"), parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            raise ValueError("it is not UTF-8") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"{error.msg}, at line {error.lineno}") from error
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def works(answer: Answer) -> bool:
    """Return whether an endpoint gave the status it should, and its answer came to an end."""
    fine = answer.status == 200 or (answer.path == HEARTBEAT and is_5xx(answer))
    return fine and answer.ended


def is_5xx(answer: Answer) -> bool:
    """Return whether the status says that the service failed."""
    return answer.status is not None and 500 <= answer.status <= 599


def json_object(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object that a body is, or None."""
    try:
        content = answer.json()
    except ValueError:
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None


@dataclass(frozen=True)
class Seen:
    """All answers of a service, and what was to be expected of them.

    Endpoints that answered GET badly were asked nothing further, so they are missing in
    ``head``, ``post`` and the other answers.
    """

    get: Mapping[str, Answer]
    head: Mapping[str, Answer]
    post: Mapping[str, Answer]
    lbheartbeats: tuple[Answer, ...]
    heartbeats: tuple[Answer, ...]
    beside: Answer | None
    slash: Answer | None
    error: Answer | None
    lbheartbeat_within: float
    expected_version: Mapping[str, Any] | None
    request_id_header: str

    def working(self) -> list[Answer]:
        """Return the answers to GET of the endpoints that work."""
        return [answer for answer in self.get.values() if works(answer)]

    def all(self) -> list[Answer]:
        """Return every answer to a GET, once for each path."""
        further = [each for each in (self.beside, self.slash, self.error) if each is not None]
        return [*self.get.values(), *further]

    def version(self) -> dict[str, Any] | None:
        """Return the version object, or None if there is none."""
        answer = self.get[VERSION]
        return json_object(answer) if works(answer) else None
