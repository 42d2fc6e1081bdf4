"""Ask a service that may be broken or hostile: time and memory are bounded."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import ssl
import time
from typing import cast

import httpx

from .findings import TargetError
from .http_answers import MOST_BYTES, Answer
from .printing import shown


class Target:
    """A service to ask, one new connection for each request, as a probe does.

    Neither proxies nor credentials of the environment are used.

    :param url: the URL of the service, which may have a path.
    :param timeout: the seconds for one whole answer.
    :param verify: whether to verify the certificate; or a file of CA certificates.
    :raises TargetError: if the URL or the file of certificates is unusable.
    """

    def __init__(self, url: str, *, timeout: float, verify: bool | str) -> None:
        try:
            parsed = httpx.URL(url)
            host = parsed.host
        except (httpx.InvalidURL, UnicodeError) as error:
            raise TargetError(
                "The URL can't be read: write it like http://localhost:8000."
            ) from error
        if parsed.scheme not in {"http", "https"} or not host:
            raise TargetError("The URL must begin with http:// or https:// and name a host.")
        if parsed.port is not None and not 0 < parsed.port <= 65535:
            raise TargetError("The port of the URL must be from 1 to 65535.")
        if parsed.query or parsed.fragment or parsed.path.rstrip("/").endswith("__"):
            raise TargetError(
                "The URL must be that of the service, such as http://localhost:8000, without a "
                "query and without the path of an endpoint."
            )
        self._headers = {
            "User-Agent": "dockerflow-check",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if parsed.userinfo:
            user = f"{parsed.username}:{parsed.password}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(user).decode()}"
        self._base = str(parsed.copy_with(userinfo=b"")).rstrip("/")
        self._timeout = timeout
        self._context = _ssl_context(verify)

    def __str__(self) -> str:
        return self._base

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Send a request without a body and read the answer, until a limit is reached.

        :param path: the path below that of the service.
        """
        url = self._base + path
        status: int | None = None
        received = httpx.Headers()
        body = bytearray()
        problem: str | None = None
        connected, ended = True, False
        started = time.monotonic()
        try:
            # Without a client around it, which would keep cookies and read the target of redirects.
            async with (
                asyncio.timeout(self._timeout),
                httpx.AsyncHTTPTransport(verify=self._context, trust_env=False) as transport,
                contextlib.aclosing(
                    await transport.handle_async_request(self._request(method, url, headers))
                ) as response,
            ):
                status, received = response.status_code, response.headers
                # Raw, since a compressed megabyte can become a gigabyte.
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        problem = "is longer than 1 MB"
                        break
            ended = True
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            connected, problem = False, f"gets no connection ({_reason(error)})"
        except TimeoutError:
            what = "gets no answer" if status is None else "does not end"
            problem = f"{what} within {self._timeout:g} s"
        except httpx.RemoteProtocolError as error:
            what = "is not answered with HTTP" if status is None else "breaks off"
            problem = f"{what} ({shown(str(error))})"
        except (httpx.TransportError, OSError, UnicodeError) as error:
            what = "gets no answer" if status is None else "breaks off"
            problem = f"{what} ({_reason(error)})"
        if problem is None and received.get("content-encoding", "identity") != "identity":
            problem = "is compressed, which the request did not accept"
        seconds = time.monotonic() - started
        content = bytes(body[:MOST_BYTES])
        return Answer(
            method, path, url, status, received, content, seconds, problem, connected, ended
        )

    def _request(self, method: str, url: str, headers: dict[str, str]) -> httpx.Request:
        # `asyncio.timeout` limits the whole; a host that isn't there is given up sooner.
        timeout = httpx.Timeout(None, connect=self._timeout / 2)
        return httpx.Request(
            method,
            url,
            headers={**self._headers, **headers},
            extensions={"timeout": timeout.as_dict()},
        )


def _ssl_context(verify: bool | str) -> ssl.SSLContext:
    """Make the settings of TLS, from the system's certificates or from a file."""
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    except OSError as error:
        raise TargetError(
            f"The CA certificates can't be read from {shown(str(verify))}: {_reason(error)}."
        ) from error
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: BaseException) -> str:
    """Return in a few words why a connection failed: what the operating system or TLS said."""
    said: BaseException = error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            said = cause
        if isinstance(cause, BaseExceptionGroup):  # several addresses were tried
            group = cast("BaseExceptionGroup[BaseException]", cause)
            cause = group.exceptions[0]
        else:
            cause = cause.__cause__ or cause.__context__  # httpcore raises its own "from None"
    match said:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not valid: {shown(said.verify_message)}"
        case ssl.SSLError():
            return f"TLS failed: {shown(said.reason or said)}"
        case TimeoutError():
            return "no connection in time"
        case OSError(errno=int(number)) if number > 0:  # asyncio has texts of its own
            return os.strerror(number)
        case OSError(strerror=str(text)):  # such as a name that is unknown
            return shown(text)
        case _:
            return shown(str(said) or type(said).__name__)
