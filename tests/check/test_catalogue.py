"""The clauses of all rooms together."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from dockerflow.check.catalogue import CATALOGUE, Catalogue, UnknownClauseError
from dockerflow.check.clauses import Level
from tests.check.findings import CLAUSES, clause
from tests.check.page import HEAD, PAGE, table


def test_ids_and_areas_stand_for_clauses() -> None:
    """An id stands for itself and an area for all of its ids, in upper or lower case."""
    catalogue = Catalogue(CLAUSES, [clause("K8S01", "liveness", Level.SHOULD)])
    assert list(catalogue.areas) == ["HTTP", "K8S"]
    assert catalogue.ids(["k8s", "http03"]) == {"K8S01", "HTTP03"}
    assert catalogue.ids(["HTTP"]) == {each.id for each in CLAUSES}


@pytest.mark.parametrize("name", ["HTTP99", "HTT", "", "01", "HTTP1", "lbheartbeat-is-200"])
def test_an_unknown_name_is_refused(name: str) -> None:
    """What is neither an id nor an area is refused in a sentence with the areas."""
    with pytest.raises(UnknownClauseError, match=r"no area .*; the areas are HTTP, and"):
        Catalogue(CLAUSES).ids([name])


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("HTTP01", "other"),
        ("HTTP09", "version-is-json"),
        ("HTTP1", "x"),
        ("http09", "x"),
        ("", "x"),
    ],
)
def test_a_catalogue_refuses_clauses_that_can_not_be_told_apart(id: str, name: str) -> None:
    """Two clauses never share an id, nor a name in an area; an id is an area and two digits."""
    with pytest.raises(ValueError, match="id"):
        Catalogue(CLAUSES, [clause(id, name, Level.MUST)])


def test_each_area_has_clauses() -> None:
    """The catalogue has clauses for endpoints, images, Dockerfiles, manifests, logs and runs."""
    assert list(CATALOGUE.areas) == ["HTTP", "IMG", "DOCK", "K8S", "LOG", "RUN"]


@pytest.mark.parametrize("id", CATALOGUE)
def test_a_clause_says_what_why_and_where_it_comes_from(id: str) -> None:
    """Each clause has a name, sentences for what it says and why, and a source on the web."""
    each = CATALOGUE[id]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each.name)
    for sentence in (each.says, each.why):
        assert re.fullmatch(r"\S.*\.", sentence)
    assert urlsplit(each.source).scheme == "https"


@pytest.mark.parametrize("id", CATALOGUE)
def test_a_remedy_has_comments_on_lines_of_their_own(id: str) -> None:
    """A Dockerfile has no comments behind an instruction: Docker reads them as a part of it."""
    for fix in CATALOGUE[id].fixes.values():
        for line in fix.splitlines():
            assert not re.match(r"(?:ADD|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|USER)\b.* #", line)


def test_the_page_lists_all_clauses() -> None:
    """The table of the documentation is the catalogue."""
    assert PAGE.read_text().partition(HEAD)[2] == table(CATALOGUE.values())
