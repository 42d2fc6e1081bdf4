"""``flask heartbeat``: run the checks of an application in this process."""

from __future__ import annotations

import click
from flask import Flask

from dockerflow.checks.report import UsageError, report
from dockerflow.endpoints import Endpoints


def heartbeat_command(app: Flask, endpoints: Endpoints) -> click.Command:
    """Return the ``heartbeat`` command of an application."""

    @click.command("heartbeat")
    @click.option("--group", metavar="NAME", help="Only the checks of this group.")
    @click.option("--json", "as_json", is_flag=True, help="Print the JSON of the heartbeat.")
    @click.pass_context
    def heartbeat(context: click.Context, group: str | None, as_json: bool) -> None:
        """Run the checks of the heartbeat in this process.

        Exits with status 1 at ERROR or above.
        """
        try:
            results = endpoints.run_once(app, group)
        except UsageError as error:
            raise click.UsageError(str(error)) from None
        text, status = report(results, as_json=as_json)
        click.echo(text)
        context.exit(status)

    return heartbeat
