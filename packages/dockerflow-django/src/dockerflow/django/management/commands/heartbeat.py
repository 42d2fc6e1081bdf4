"""Run the checks of the heartbeat in this process: ``manage.py heartbeat``."""

from __future__ import annotations

import sys
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dockerflow.checks.report import UsageError, report
from dockerflow.django.views import endpoints


class Command(BaseCommand):
    """The ``heartbeat`` command."""

    help = "Run the checks of the heartbeat in this process. Exits with status 1 at ERROR or above."
    requires_system_checks = ()  # the heartbeat selects the system checks that it runs

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options to the parser."""
        parser.add_argument("--group", metavar="NAME", help="only the checks of this group")
        parser.add_argument("--json", action="store_true", help="print the JSON of the heartbeat")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the checks and print their results."""
        try:
            results = endpoints.run_once(apps, options["group"])
        except UsageError as error:
            raise CommandError(str(error), returncode=2) from None
        text, status = report(results, as_json=options["json"])
        self.stdout.write(text)
        if status:
            sys.exit(status)
