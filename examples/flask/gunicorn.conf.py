"""gunicorn's own lines are logged as those of the service."""

from dockerflow.logging import dict_config

logconfig_dict = dict_config("visits")
