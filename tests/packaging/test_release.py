"""The commands that release: what they set, and what they refuse, with the remedy."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest

from release import repository
from release.__main__ import main
from tests.packaging.checkout import CHANGELOG, URL, Run, content, replace
from tests.packaging.distributions import ADAPTERS, DISTRIBUTIONS

# ---------------------------------------------------------------------- what prepare sets


@pytest.mark.parametrize(
    ("words", "version", "line", "date"),
    [
        (("2026.12.0", "--date", "2026-12-01"), "2026.12.0", "2026.12.0", "2026-12-01"),
        (("--date", "2026-10-31"), "2026.10.4", "2026.10.0", "2026-10-31"),
        (("--date", "2027-01-02"), "2027.1.0", "2027.1.0", "2027-01-02"),
        (("2026.10.7", "--date", "2026-10-31"), "2026.10.7", "2026.10.0", "2026-10-31"),
    ],
)
def test_prepare_sets_one_version_everywhere(
    words: tuple[str, ...], version: str, line: str, date: str, root: pathlib.Path, run: Run
) -> None:
    """The version is set in the changelog, in all packages and in what adapters require of ours."""
    before = content(root)
    run("prepare", *words)
    expected = {
        name: re.sub(
            r'^version = "2026.10.3"$', f'version = "{version}"', text, flags=re.MULTILINE
        ).replace("~=2026.10.0", f"~={line}")
        for name, text in before.items()
    }
    expected["CHANGELOG.md"] = CHANGELOG.replace(
        "## [Unreleased]", f"## [{version}] - {date}"
    ).replace(
        f"[Unreleased]: {URL}/compare/2026.10.3...HEAD",
        f"[{version}]: {URL}/compare/2026.10.3...{version}",
    )
    assert content(root) == expected
    assert sum(text.count(f"~={line}") for text in expected.values()) == 2 * len(ADAPTERS)
    assert run("check") == f"{version}: changelog and packages agree\n"


def test_prepare_takes_today_where_no_date_is_given(root: pathlib.Path, run: Run) -> None:
    """Without a version and a date it is the next release, today."""
    run("prepare")
    found = re.search(
        r"^## \[(.*)\] - (\d+)-(\d+)-\d+$", (root / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert found is not None
    assert found[1].startswith(f"{found[2]}.{int(found[3])}.")


def test_prepare_can_be_run_again(root: pathlib.Path, run: Run) -> None:
    """The second time there is nothing to do, with the version named and without."""
    run("prepare", "2026.11.0", "--date", "2026-11-20")
    once = content(root)
    for words in ((), ("2026.11.0",)):
        assert run("prepare", *words, "--date", "2026-11-21").startswith("nothing to do")
        assert content(root) == once


def test_prepare_goes_on_where_it_was_interrupted(
    root: pathlib.Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an interrupted run has written is not in the way of the next."""
    words = ("prepare", "2026.11.0", "--date", "2026-11-20")
    written = {path.name: path for path in root.glob("packages/*")}
    write = pathlib.Path.write_text
    left = iter(range(3))

    def interrupted(path: pathlib.Path, text: str, encoding: str) -> int:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write(path, text, encoding=encoding)

    monkeypatch.setattr(pathlib.Path, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(list(words), root)
    monkeypatch.setattr(pathlib.Path, "write_text", write)
    changed = [f"packages/{name}/pyproject.toml" for name in sorted(written)[:3]]
    monkeypatch.setattr(repository, "changed_files", lambda root: changed)
    run(*words)
    assert run("check") == "2026.11.0: changelog and packages agree\n"


def test_prepare_brings_a_package_into_line(root: pathlib.Path, run: Run) -> None:
    """A package that has another version than the newest release is given that."""
    name = "packages/dockerflow-flask/pyproject.toml"
    replace(
        root, "CHANGELOG.md", CHANGELOG[CHANGELOG.index("## [U") : CHANGELOG.index("## [2")], ""
    )
    replace(root, "CHANGELOG.md", f"[Unreleased]: {URL}/compare/2026.10.3...HEAD\n", "")
    right = content(root)
    replace(root, name, '"2026.10.3"', '"0.1"')
    replace(root, name, "dockerflow-core~=2026.10.0", "dockerflow-core~=0.1")
    assert run("prepare").splitlines()[0] == name
    assert content(root) == right


# ---------------------------------------------------------------------- what prepare refuses


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("1.0",), "'1.0' is no version; write year.month.number"),
        (("2026.13.0",), "'2026.13.0' is no version"),
        (("2026.01.0",), "without leading zeros"),
        (("2026.11.0rc1",), "'2026.11.0rc1' is no version"),
        (("--date", "20. November"), "write YYYY-MM-DD"),
        (
            ("2026.10.3", "--date", "2026-10-31"),
            "2026.10.3 is not newer than the newest release, 2026.10.3; take 2026.10.4",
        ),
        (("2026.9.1", "--date", "2026-11-20"), "2026.9.1 is not newer"),
        (
            ("2026.12.0", "--date", "2026-11-20"),
            "2026.12.0 is no version of 2026-11-20; take 2026.11.0, or name the day of the",
        ),
        (
            ("--date", "2026-10-01"),
            "CHANGELOG.md: the newest release is of 2026-10-30, after 2026-10-01; name the day",
        ),
    ],
)
def test_prepare_refuses_a_version_that_makes_no_sense(
    words: tuple[str, ...], refusal: str, run: Run
) -> None:
    """A version that is none, is not newer or is of another month is refused, with the remedy."""
    assert refusal in run("prepare", *words, code=1)


def test_prepare_refuses_a_release_of_nothing(root: pathlib.Path, run: Run) -> None:
    """Without a section of unreleased changes there is nothing to release."""
    replace(
        root, "CHANGELOG.md", CHANGELOG[CHANGELOG.index("## [U") : CHANGELOG.index("## [2")], ""
    )
    replace(root, "CHANGELOG.md", f"[Unreleased]: {URL}/compare/2026.10.3...HEAD\n", "")
    refusal = run("prepare", "2026.11.0", "--date", "2026-11-20", code=1)
    assert "no '## [Unreleased]'; say there what 2026.11.0 changes" in refusal


def test_prepare_refuses_a_dirty_tree(
    root: pathlib.Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not committed would be in the release's commit: it is named."""
    changed = ["README.md", "packages/dockerflow-core/pyproject.toml"]
    monkeypatch.setattr(repository, "changed_files", lambda root: changed)
    refusal = run("prepare", "--date", "2026-11-20", code=1)
    assert f"{', '.join(changed)}: changed and not committed; commit or stash that" in refusal


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_says_what_is_dirty(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed and new files count, whatever their names; ignored ones don't."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(
        repository.Refused, match=r"git status: .*; a release is made in a checkout"
    ):
        repository.changed_files(tmp_path)

    def git(*words: str) -> None:
        who = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
        command = ["git", *who, "-c", "commit.gpgsign=false", *words]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for name in ("a file", "kept", ".gitignore"):
        (tmp_path / name).write_text("dist")
    git("add", ".")
    git("commit", "--message", "begin")
    (tmp_path / "dist").write_text("")
    assert repository.changed_files(tmp_path) == []
    (tmp_path / "a file").write_text("changed")
    (tmp_path / "ä").write_text("new")
    assert sorted(repository.changed_files(tmp_path)) == ["a file", "ä"]


def test_without_git_nothing_is_released(
    root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where git is not installed, that is said."""
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(repository.Refused, match=r"git tag: .*; a release needs git"):
        repository.git(root, "tag")


# ---------------------------------------------------------------------- confirm, upload


@pytest.mark.usefixtures("released")
def test_the_workflow_of_the_repository_may_release(run: Run) -> None:
    """In the repository that the packages name, at the tag of the newest release, it goes on."""
    assert "this is the repository" in run("confirm")


@pytest.mark.usefixtures("released")
@pytest.mark.parametrize(
    ("variable", "value", "refusal"),
    [
        ("GITHUB_REPOSITORY", "someone/dockerflow-python", f"the packages are of {URL}, and this"),
        ("GITHUB_REPOSITORY", "", f"the packages are of {URL}, and this runs in"),
        ("GITHUB_SERVER_URL", "https://git.example.org", "runs in https://git.example.org/Docker"),
        ("GITHUB_REF", "refs/tags/2026.10.3", "2026.11.0, and this is refs/tags/2026.10.3; tag"),
        ("GITHUB_REF", "refs/heads/2026.11.0", "and this is refs/heads/2026.11.0; tag the commit"),
        ("GITHUB_REF", "", "and this is no tag; tag the commit that says so: git tag 2026.11.0"),
    ],
)
def test_the_workflow_of_another_repository_may_not(
    variable: str, value: str, refusal: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a fork, or for another tag, nothing is released."""
    monkeypatch.setenv(variable, value)
    assert refusal in run("confirm", code=1)


def test_unreleased_changes_are_not_released(released: pathlib.Path, run: Run) -> None:
    """A tag above which the changelog has unreleased changes is refused."""
    (released / "CHANGELOG.md").write_text(CHANGELOG)
    for each in DISTRIBUTIONS:
        name = f"packages/{each.name}/pyproject.toml"
        text = (released / name).read_text().replace("2026.11.0", "2026.10.3")
        (released / name).write_text(text.replace("~=2026.10.3", "~=2026.10.0"))
    assert "CHANGELOG.md:5: there are unreleased changes" in run("confirm", code=1)


def test_upload_takes_what_adapters_need_first(released: pathlib.Path) -> None:
    """All artifacts are uploaded, those of core and logging before those of the adapters."""
    files = repository.Repository(released).confirm_upload()
    assert sorted(files) == sorted(f"dist/{path.name}" for path in (released / "dist").iterdir())
    assert [name.removeprefix("dist/dockerflow_").partition("-")[0] for name in files[::2]] == [
        "core", "logging", "django", "fastapi", "flask", "sanic",
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "said"), [(0, "uploaded"), (3, "twine ended with status 3")])
def test_upload_hands_the_files_to_twine(
    status: int, said: str, released: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Twine is given the files, and where it fails that is said."""
    (released / "twine.py").write_text(f"import sys; print(*sys.argv[1:]); sys.exit({status})")
    files = repository.Repository(released).confirm_upload()
    assert main(["upload"], released) == bool(status)
    output = capfd.readouterr()
    assert output.out.split()[: len(files) + 2] == ["upload", "--skip-existing", *files]
    assert said in output.out + output.err


def test_upload_refuses_what_is_not_the_release(
    released: pathlib.Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An artifact too few or too many, a dirty tree and a commit without its tag are refused."""
    other = released / "dist" / "dockerflow_core-2026.10.3.tar.gz"
    other.touch()
    assert "too many ['dockerflow_core-2026.10.3.tar.gz']" in run("upload", code=1)
    other.rename(released / "kept")
    missing = released / "dist" / "dockerflow_core-2026.11.0.tar.gz"
    missing.rename(other.with_name("kept"))
    assert "missing ['dockerflow_core-2026.11.0.tar.gz'], too many ['kept']" in run(
        "upload", code=1
    )
    (released / "dist" / "kept").rename(missing)
    monkeypatch.setattr(repository, "git", lambda root, *words: "other\n")
    assert "this is no tag; tag the commit" in run("upload", code=1)
    monkeypatch.setattr(repository, "changed_files", lambda root: ["README.md"])
    assert "README.md: changed and not committed; commit, and build anew" in run("upload", code=1)
