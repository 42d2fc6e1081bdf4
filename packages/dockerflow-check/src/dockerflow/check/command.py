"""The command line: ``dockerflow-check``."""

from __future__ import annotations

import io
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from types import ModuleType
from typing import Any, BinaryIO

import click
from rich.console import Console

from . import dockerfile, http, image, logs, manifest, service
from .catalogue import CATALOGUE, UnknownClauseError
from .expected import read_version
from .findings import Finding, Outcome, TargetError, exit_status
from .output import (
    as_json,
    as_junit,
    as_sarif,
    explanation,
    github_commands,
    list_lines,
    print_findings,
)
from .printing import printable

EXIT_STATUS = (
    "Exit status: 0 if no MUST is broken, 1 if one is (with --strict, also for a warning), 2 if "
    "nothing could be checked."
)

HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""The name of a header: RFC 9110, section 5.6.2."""

Command = Callable[..., "Checked"]

Checked = tuple[str, Iterable[Finding]]
"""What a command has checked, for the reports, and what it found."""


class CannotCheckError(click.ClickException):
    """Nothing could be checked: one line on standard error."""

    exit_code = 2


@dataclass(frozen=True)
class Report:
    """How findings are reported: what the options of each checking command say.

    :param only: the ids of the clauses to report; all of them if it is empty.
    :param skip: the ids of the clauses to leave out.
    :param strict: whether a warning fails the command.
    :param json: whether JSON is printed.
    :param junit: the file for JUnit's XML.
    :param sarif: the file for SARIF.
    """

    only: frozenset[str]
    skip: frozenset[str]
    strict: bool
    json: bool
    junit: pathlib.Path | None
    sarif: pathlib.Path | None

    def select(self, ids: Iterable[str]) -> set[str]:
        """Return those of some ids that are reported."""
        return {id for id in ids if (not self.only or id in self.only) and id not in self.skip}

    def write(self, findings: list[Finding], target: str) -> int:
        """Report the findings, and return the exit status."""
        if self.junit is not None:
            write_file(self.junit, as_junit(findings, target, strict=self.strict))
        if self.sarif is not None:
            write_file(self.sarif, as_sarif(findings, target))
        is_github = os.environ.get("GITHUB_ACTIONS") == "true"
        if self.json:
            click.echo(as_json(findings, target))
        else:
            console = Console(highlight=False, emoji=False)
            # A line that a table has wrapped might be read as a command there.
            as_table = console.is_terminal and not is_github
            print_findings(findings, target, console, as_table=as_table)
        if is_github:
            for line in github_commands(findings):
                click.echo(line, err=self.json)
        if findings and all(each.outcome is Outcome.SKIPPED for each in findings):
            return CannotCheckError.exit_code
        has_warning = any(each.outcome is Outcome.WARNING for each in findings)
        return int(self.strict and has_warning) or exit_status(findings)


def write_file(path: pathlib.Path, text: str) -> None:
    """Write a report into a file."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotCheckError(
            printable(f"{path} can't be written: {error.strerror or error}")
        ) from error


def read_ids(
    ctx: click.Context,
    param: click.Parameter,
    values: tuple[str, ...],
) -> frozenset[str]:
    """Read the ids and areas of ``--only`` and ``--skip``, each of which may list several."""
    names = [name.strip() for value in values for name in value.split(",")]
    try:
        return frozenset(CATALOGUE.ids(name for name in names if name))
    except UnknownClauseError as error:
        raise click.BadParameter(printable(str(error)), param=param) from error


def report_options() -> list[click.Parameter]:
    """Return the options that each checking command has, named as the fields of Report."""
    output = click.Path(dir_okay=False, path_type=pathlib.Path)
    ids: dict[str, Any] = {"multiple": True, "metavar": "ID", "callback": read_ids}
    return [
        click.Option(["--only"], **ids, help="Report only these clauses or areas, as HTTP01,LOG."),
        click.Option(["--skip"], **ids, help="Leave out these clauses or areas."),
        click.Option(["--strict"], is_flag=True, help="Fail for warnings too."),
        click.Option(["--json"], is_flag=True, help="Print JSON."),
        click.Option(["--junit"], type=output, metavar="FILE", help="Write JUnit's XML as well."),
        click.Option(["--sarif"], type=output, metavar="FILE", help="Write SARIF 2.1.0 as well."),
    ]


class CheckCommand(click.Command):
    """A command that checks something: it returns findings, and its options say how to report them.

    :param rooms: the modules whose clauses it checks.
    """

    def __init__(self, *args: Any, rooms: tuple[ModuleType, ...], **kwargs: Any) -> None:
        kwargs |= {"epilog": EXIT_STATUS, "no_args_is_help": True}
        super().__init__(*args, **kwargs)
        self.params += report_options()
        self.rooms = rooms

    def invoke(self, ctx: click.Context) -> None:
        """Check, report, and end the process with the exit status."""
        report = Report(**{each.name: ctx.params.pop(each.name) for each in fields(Report)})
        selected = report.select(clause.id for room in self.rooms for clause in room.CLAUSES)
        if not selected:
            raise click.UsageError("--only and --skip leave no clause of this command", ctx)
        try:
            checked: Checked = super().invoke(ctx)
            target, findings = checked
            chosen = [each for each in findings if each.clause.id in selected]
        except TargetError as error:
            raise CannotCheckError(printable(str(error))) from error
        ctx.exit(report.write(chosen, target))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dockerflow-check")
def main() -> None:
    """Check whether a service, in any language, keeps the Dockerflow specification."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the output has no characters for is printed as escapes.
        sys.stdout.reconfigure(errors="backslashreplace")  # pyright: ignore[reportUnknownMemberType]


def read_header(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Read the name of a header."""
    if HEADER.fullmatch(value) is None:
        raise click.BadParameter("this is no name of a header", ctx, param)
    return value


def endpoint_options(command: Command) -> Command:
    """Give a command the options that say what endpoints should answer."""
    for option in (
        click.option(
            "--request-id-header",
            default="X-Request-ID",
            show_default=True,
            metavar="NAME",
            callback=read_header,
            help="The header of the request id.",
        ),
        click.option("--error-endpoint", is_flag=True, help="Request /__error__ too."),
        click.option(
            "--expect-version",
            type=click.Path(path_type=pathlib.Path),
            metavar="FILE",
            help="The version.json that the service must show.",
        ),
    ):
        command = option(command)
    return command


@main.command("http", cls=CheckCommand, rooms=(http,))
@click.argument("url")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10,
    show_default=True,
    metavar="S",
    help="Seconds for each answer.",
)
@endpoint_options
@click.option(
    "--cacert", metavar="FILE", help="Certificates of CAs to trust, instead of the system's."
)
@click.option("--insecure", is_flag=True, help="Accept any certificate of an https server.")
def http_command(
    url: str,
    timeout: float,
    expect_version: pathlib.Path | None,
    error_endpoint: bool,
    request_id_header: str,
    cacert: str | None,
    insecure: bool,
) -> Checked:
    """Check the endpoints of a running service.

    URL is where the service is, such as http://127.0.0.1:8000; it may have a path.
    """
    if insecure and cacert is not None:
        raise click.UsageError("--insecure and --cacert exclude each other")
    findings = http.check_http(
        url,
        timeout=timeout,
        expected_version=None if expect_version is None else read_version(expect_version),
        error_endpoint=error_endpoint,
        request_id_header=request_id_header,
        verify=cacert or not insecure,
    )
    return url, findings


@main.command("image", cls=CheckCommand, rooms=(image,))
@click.argument("archive", metavar="ARCHIVE")
@click.option(
    "--platform", metavar="OS/ARCH", help="The image of this platform, such as linux/arm64."
)
@click.option(
    "--max-size",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="MB",
    help="Megabytes that the image may have.",
)
def image_command(archive: str, platform: str | None, max_size: int) -> Checked:
    """Check an image.

    ARCHIVE is a file that `docker save` or an OCI tool has written. No daemon is needed, and
    nothing is unpacked.
    """
    return archive, image.check_image(archive, platform=platform, max_size=max_size * 10**6)


@main.command("dockerfile", cls=CheckCommand, rooms=(dockerfile,))
@click.argument("file", metavar="FILE")
@click.option(
    "--target", metavar="STAGE", help="The stage that is built; without it, it is the last."
)
def dockerfile_command(file: str, target: str | None) -> Checked:
    """Check a Dockerfile."""
    return file, dockerfile.check_dockerfile(file, target=target)


@main.command("manifest", cls=CheckCommand, rooms=(manifest,))
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def manifest_command(files: tuple[str, ...]) -> Checked:
    """Check the probes and ports of Kubernetes manifests."""
    return ", ".join(files), manifest.check_manifests(files)


@main.command("logs", cls=CheckCommand, rooms=(logs,))
@click.argument("file", metavar="FILE")
def logs_command(file: str) -> Checked:
    """Check that each line of a log is mozlog.

    FILE is a file, or - for standard input. It is read as a stream and may be of any size.
    """
    if file == "-":
        return "standard input", logs.check_logs(cut_lines(sys.stdin.buffer), "standard input")
    try:
        with open(file, "rb") as opened:
            return file, logs.check_logs(cut_lines(opened), file)
    except OSError as error:
        raise TargetError(f"{file} can't be read: {error.strerror or error}") from error


@main.command("run", cls=CheckCommand, rooms=(http, logs, service))
@click.argument("command", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@endpoint_options
@click.option(
    "--dependency",
    metavar="HOST:PORT",
    help="A backing service, as environment variables name it; it is cut off, and restored.",
)
@click.option(
    "--wait",
    type=click.FloatRange(0, min_open=True),
    default=30,
    show_default=True,
    metavar="S",
    help="Seconds until the service must answer.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0, min_open=True),
    default=10,
    show_default=True,
    metavar="S",
    help="Seconds until it must end after SIGTERM.",
)
def run_command(
    command: tuple[str, ...],
    expect_version: pathlib.Path | None,
    error_endpoint: bool,
    request_id_header: str,
    dependency: str | None,
    wait: float,
    grace: float,
) -> Checked:
    """Start a service, and check its endpoints, its log and how it ends.

    Write -- before COMMAND. The service is started with a free $PORT, twice.
    """
    check_http = partial(
        http.check_http,
        expected_version=None if expect_version is None else read_version(expect_version),
        error_endpoint=error_endpoint,
        request_id_header=request_id_header,
    )
    # SIGTERM interrupts as Ctrl-C does: the service must not outlive a cancelled job of CI.
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        findings = service.check_run(
            command, dependency=dependency, wait=wait, grace=grace, check_http=check_http
        )
    finally:
        signal.signal(signal.SIGTERM, handler)
    return " ".join(command), findings


@main.command("explain")
@click.argument("id")
def explain_command(id: str) -> None:
    """Say what a clause means, why it is there, and how to mend what breaks it."""
    clause = CATALOGUE.get(id.upper())
    if clause is None:
        raise click.UsageError(f"there is no clause {id!r}; `dockerflow-check list` lists them")
    click.echo(explanation(clause))


@main.command("list")
def list_command() -> None:
    """List all clauses."""
    for line in list_lines(CATALOGUE):
        click.echo(line)


def cut_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Read lines in bounded memory: of a longer line, one byte more than the limit is kept."""
    while line := stream.readline(logs.MAX_LINE + 1):
        yield line
        while len(line) > logs.MAX_LINE and not line.endswith(b"\n"):
            line = stream.readline(logs.MAX_LINE + 1)
