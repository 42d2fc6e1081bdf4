"""Log gunicorn's own lines in the same way as those of the service."""

from dockerflow.logging import dict_config

logconfig_dict = dict_config("visits")
