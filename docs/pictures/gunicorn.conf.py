"""Make gunicorn's own lines look like those of the service."""

from dockerflow.logging import dict_config

logconfig_dict = dict_config("shop")
