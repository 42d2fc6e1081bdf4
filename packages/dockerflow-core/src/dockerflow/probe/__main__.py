"""Check that a service is alive: ``python -m dockerflow.probe``.

It is started every few seconds, so it imports little, and no other module of dockerflow.
"""

from __future__ import annotations

import argparse
import math
import os
import ssl
import stat
import sys
import threading
import time
from base64 import b64encode
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import gaierror
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_MAX_AGE = 60.0


def main() -> None:
    """Run the command."""
    parser = build_parser()
    options = parser.parse_args()
    if options.file is not None:
        if options.url is not None:
            parser.error("give a URL or --file, not both")
        finish(*look_at(options.file, options.max_age or DEFAULT_MAX_AGE))
    if options.max_age is not None:
        parser.error("--max-age needs --file")
    url = options.url or f"http://127.0.0.1:{os.environ.get('PORT') or 8000}/__lbheartbeat__"
    try:
        address = read_url(url)
    except ValueError as error:
        parser.error(f"{error}" if options.url else f"{error}: see the variable PORT")
    # In a thread, because a socket's time limit covers neither DNS look-ups nor slow answers.
    answers: list[tuple[bool, str]] = []
    thread = threading.Thread(
        target=lambda: answers.append(ask(address, insecure=options.insecure)), daemon=True
    )
    thread.start()
    thread.join(options.timeout)
    finish(*(answers[0] if answers else (False, f"no answer within {options.timeout:g} s")))


def build_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(
        prog="python -m dockerflow.probe",
        description="Check that a service is alive, for Docker's HEALTHCHECK and exec probes of "
        "Kubernetes. A status from 200 to 299 counts as alive. Redirects are not followed, and no "
        "proxy is used.",
        epilog="exit status: 0 if alive, 1 if not, 2 for wrong arguments",
    )
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="default: http://127.0.0.1:$PORT/__lbheartbeat__, where PORT is 8000 if it is not set",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=4.0,
        metavar="S",
        help="time limit for the whole answer, in seconds; default: %(default)g",
    )
    parser.add_argument(
        "--insecure", action="store_true", help="accept any certificate of an https server"
    )
    parser.add_argument("--file", metavar="PATH", help="check the age of this file instead")
    parser.add_argument(
        "--max-age",
        type=seconds,
        metavar="S",
        help=f"maximum age of the file, in seconds; default: {DEFAULT_MAX_AGE:g}",
    )
    return parser


def seconds(text: str) -> float:
    """Return an argument as a positive number of seconds."""
    value = float(text)
    if not 0 < value <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def finish(is_good: bool, why: str) -> None:
    """Print one line of ASCII, and exit."""
    print(ascii(why)[1:-1])
    sys.exit(0 if is_good else 1)


def look_at(path: str, max_age: float) -> tuple[bool, str]:
    """Return whether a file is fresh, and why."""
    try:
        found = os.stat(path)
    except OSError as error:
        return False, f"file can't be read: {error.strerror}"
    if stat.S_ISDIR(found.st_mode):
        return False, "file is a directory"
    age = time.time() - found.st_mtime
    if age < -max_age:  # else a dead worker would count as alive until then
        return False, f"file is {math.ceil(-age)} s in the future"
    return age <= max_age, f"file is {max(0, math.ceil(age))} s old"


def read_url(url: str) -> SplitResult:
    """Return the parts of a URL.

    :raises ValueError: if it is invalid; the text does not repeat it, since it may hold a password.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("the URL may only have visible ASCII characters")
    try:
        address = urlsplit(url)
        is_complete = bool(address.hostname) and address.port != 0
    except ValueError:
        raise ValueError("the URL has an invalid host or port") from None
    if address.scheme not in ("http", "https") or not is_complete:
        raise ValueError("the URL must begin with http:// or https:// and a host")
    return address


def ask(address: SplitResult, *, insecure: bool) -> tuple[bool, str]:
    """Send a GET request, and return whether the answer is good, and why."""
    started = time.monotonic()
    is_tls = address.scheme == "https"
    # Without a port, http.client would take the end of an IPv6 address for one.
    host, port = address.hostname or "", address.port or (443 if is_tls else 80)
    if is_tls:
        context = ssl.create_default_context()
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        connection: HTTPConnection = HTTPSConnection(host, port, context=context)
    else:
        connection = HTTPConnection(host, port)
    headers = {"User-Agent": "dockerflow.probe", "Accept": "*/*", "Connection": "close"}
    if address.username is not None:
        user = f"{unquote(address.username)}:{unquote(address.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
    target = (address.path or "/") + (f"?{address.query}" if address.query else "")
    try:
        with closing(connection):
            connection.request("GET", target, headers=headers)
            with connection.getresponse() as response:
                # Read to the end, or the service would see that its client disconnects.
                while response.read(65536):
                    pass
    except ConnectionRefusedError:
        return False, "refused"
    except (gaierror, UnicodeError):  # the latter for an impossible name
        return False, "host not found"
    except ssl.SSLCertVerificationError as error:
        return False, f"wrong certificate: {error.verify_message}"
    except (HTTPException, ValueError) as error:  # the latter for a chunk with a negative length
        return False, f"no complete HTTP answer ({type(error).__name__})"
    except OSError as error:
        return False, f"no connection: {error.strerror or type(error).__name__}"
    status = f"{response.status} {response.reason[:80]}".strip()
    took = f"in {(time.monotonic() - started) * 1000:.0f} ms"
    if 300 <= response.status < 400:
        return False, f"{status} {took}; redirects are not followed"
    return 200 <= response.status < 300, f"{status} {took}"


if __name__ == "__main__":
    main()
