"""Django's commands for the service: ``python manage.py migrate``, and so on."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "visits.settings")
execute_from_command_line(sys.argv)
