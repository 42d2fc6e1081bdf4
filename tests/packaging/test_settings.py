"""Each setting is documented: a new one needs its rows in two tables, and a changelog line."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from dockerflow.endpoints import EndpointSettings
from dockerflow.logging.request import RequestSettings
from tests.packaging.distributions import ROOT

SETTINGS = (
    *RequestSettings.names(),
    *(each.metadata["name"] for each in fields(EndpointSettings)),
)

# Those of the release that the changelog begins with, which describes whole packages.
IN_THE_FIRST_RELEASE = {
    "DOCKERFLOW_CHECK_TIMEOUT",
    "DOCKERFLOW_ERROR_ENDPOINT",
    "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE",
    "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS",
    "DOCKERFLOW_REQUEST_ID_HEADER_NAME",
    "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER",
    "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS",
    "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING",
}


@pytest.mark.parametrize("page", ["README.md", "docs/reference/settings.md"])
def test_each_setting_has_a_row(page: str) -> None:
    """The tables of the README and of the reference have a row for each setting."""
    text = (ROOT / page).read_text()
    missing = [
        name for name in SETTINGS if not re.search(rf"^\| [^|]*`{name}`", text, re.MULTILINE)
    ]
    assert missing == [], f"add a row to the table of {page}"


def test_each_new_setting_is_in_the_changelog() -> None:
    """The changelog names each setting that came after the first release."""
    text = (ROOT / "CHANGELOG.md").read_text()
    missing = [name for name in SETTINGS if name not in IN_THE_FIRST_RELEASE and name not in text]
    assert missing == [], "say in CHANGELOG.md, below '### Added', what it is for"
