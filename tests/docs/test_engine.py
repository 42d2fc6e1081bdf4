"""The engine that executes the documentation's pages finds what is wrong in them."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Callable

import pytest

from tests.docs.commands import is_server
from tests.docs.pages import blocks
from tests.docs.running import Page

Run = Callable[..., list[str]]

SERVICE = """
```{code-block} python
:caption: service.py

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
        self.wfile.write(b"hello\\n")
        print(json.dumps({"Pid": os.getpid(), "Fields": {"path": self.path, "more": "abc"}}))


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
```

```console
$ python service.py &
```
"""

PROBE = """
```yaml
livenessProbe:
  httpGet: {{path: {path}, port: 8000}}
```
"""

FILE = "```{{code-block}} python\n:caption: a.py\n\n{}\n```\n"

SUMMARY = """
```json
{{
  "Pid": 1,
  "Fields": {{"more": "...", "path": "{path}"}}
}}
```
"""

RIGHT = {
    "a snippet after a file": """
        ```{code-block} python
        :caption: package/module.py

        answer = 42
        ```

        ```python
        from package.module import answer

        print(answer)
        ```

        ```text
        42
        ```

        ```pycon
        >>> answer + 1
        43
        ```
    """,
    "a transcript": """
        :::{note}
        ```console
        $ export WHO=world
        $ printf 'hello\\n%s and more\\n' \\
            "$WHO"
        hello
        ... and more
        $ mkdir below && cd below
        $ cat > here.txt <<END
        > some text
        > END
        $ pwd && cat here.txt
        .../below
        some text
        $ cat missing.txt
        cat: missing.txt: No such file or directory
        ```
        :::
    """,
    "what is only checked": """
        ```console
        $ python3 -m pip install 'dockerflow-flask[redis]' gunicorn
        $ python3 -m pip uninstall -y dockerflow
        $ docker build .
        $ python3 -m hatch run test tests/core
        $ hatch run lowest-flask:test
        ```
    """,
    "continuous integration": """
        ```yaml
        jobs:
          build:
            steps:
              - run: |
                  echo "${{ github.sha }}" "$GITHUB_SHA" > commit
                  docker build .
              - run: {name: tag, command: echo "$CIRCLE_TAG" >> commit}
        ```

        ```console
        $ cat commit
        52ce614fbf99540a1bf6228e36be6cef63b4d73b 52ce614fbf99540a1bf6228e36be6cef63b4d73b
        2026.11.0
        ```
    """,
    "files": """
        ```{code-block} ini
        :caption: logging.ini

        [loggers]
        keys = root
        [handlers]
        keys = console
        [formatters]
        keys = mozlog
        [logger_root]
        handlers = console
        [handler_console]
        class = StreamHandler
        formatter = mozlog
        [formatter_mozlog]
        class = dockerflow.logging.MozlogFormatter
        ```

        ```{code-block} text
        :caption: requirements.txt

        dockerflow-django[redis]
        ```

        ```{code-block} dockerfile
        :caption: Dockerfile

        FROM python:3.13-slim
        RUN groupadd app && \\
            useradd app
        CMD exec gunicorn --bind "0.0.0.0:$PORT" service:app
        ```

        ```toml
        [project]
        dependencies = ["dockerflow-core", "gunicorn"]
        ```
    """,
    "a file that grows": """
        ```{code-block} python
        :caption: first.py

        number = 1
        ```

        ```{code-block} python
        :caption: first.py (added)

        print(number)
        ```

        ```console
        $ python first.py
        1
        ```
    """,
}

WRONG = {
    "an output": ("```console\n$ echo no\nyes\n```", "page.md:2: ", "-yes\n+no"),
    "a status": ("```console\n$ false\n```", "page.md:2: ", "status 1"),
    "what a snippet raises": (
        "Text.\n\n```python\nimport os\n\nos.missing\n```",
        'File "page.md", line 6',
        "AttributeError",
    ),
    "a snippet that ends Python": ("```python\nimport os; os._exit(3)\n```", "status 3"),
    "what a session prints": ("```pycon\n>>> 1 + 1\n3\n```", "Expected:\n    3\nGot:\n    2"),
    "what was printed before": ("```console\n$ echo 1\n1\n```\n```text\n2\n```", "-2\n+1"),
    "a language": ("```brainfuck\n+\n```", "page.md:2: ", "'brainfuck'"),
    "a language of a file": (
        "```{code-block} brainfuck\n:caption: a.b\n+\n```",
        "page.md:3: ",
        "'brainfuck'",
    ),
    "no language": ("```\ntext\n```", "name the language"),
    "an included file": ("```{literalinclude} a.py\n```", "page.md:1: ", "'literalinclude'"),
    "no fence": ("Text.\n\n    print(1)\n", "name the language"),
    "code in reST": ("```{eval-rst}\n.. code-block:: python\n\n   1/0\n```", "name the language"),
    "yaml": ("- item\n\n  ```yaml\n  a: [1\n  ```", "page.md:4: not YAML"),
    "toml": ("```toml\na = \n```", "page.md:2: not TOML"),
    "an ini file": ("```ini\nkey = 1\n```", "page.md:2: no ini file"),
    "json": ("```json\n{'a': 1}\n```", "page.md:2: not JSON"),
    "a script": ("```sh\nif true\n```", "bash can't read it"),
    "a script's status": ("```sh\nfalse\ntrue\n```", "status 1"),
    "a Dockerfile": ("```dockerfile\nFROM scratch\nRUNS true\n```", "no instruction RUNS"),
    "a command of a Dockerfile": ("```dockerfile\nFROM a\nRUN if\n```", "bash can't read it"),
    "an extra": (
        "```console\n$ pip install dockerflow-flask[rediss]\n```",
        "no extra rediss",
    ),
    "a package": ("```console\n$ python3 -m pip install dockerflow\n```", "no dockerflow in"),
    "a requirement": ("```toml\n[project]\ndependencies=['dockerflow-core[a]']\n```", "extra a"),
    "a script of hatch": ("```console\n$ hatch run tests\n```", "no script tests"),
    "logging": (
        "```yaml\n{handlers: {a: {class: a.B}}, version: 1}\n```",
        "can't be configured",
    ),
    "a file that nothing runs": (
        FILE.format("pass") + "```python\nimport os\n```",
        "page.md:4: nothing has run a.py",
    ),
    "a file that is replaced before it is run": (
        FILE.format("pass") + FILE.format("2") + "```python\nimport a\n```",
        "page.md:9: nothing has run a.py",
    ),
    "a file's syntax": (FILE.format("1 +"), "line 1 of a.py"),
    "a server that does not start": (
        "```console\n$ uvicorn missing:app --port 8000\n```",
        "page.md:2: uvicorn",
        "Could not import module",
    ),
    "a probe without a service": (PROBE.format(path="/"), "no service is running"),
    "an expression": ("```yaml\nrun: echo ${{ secrets.token }}\n```", "secrets.token"),
    "a step": ("```yaml\njobs:\n  - run: |\n      false\n      true\n```", "status 1"),
}


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Run:
    """Run a page, and return what it says wrongly."""

    def run(markdown: str, **environ: str) -> list[str]:
        return Page("page.md", markdown, tmp_path, environ).run()

    return run


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str, run: Run) -> None:
    """A page that does what it says has no failures."""
    assert run(textwrap.dedent(RIGHT[name])) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_fails(name: str, run: Run) -> None:
    """A page that says what is not has one failure: the page, the line and the fault."""
    markdown, *parts = WRONG[name]
    (failure,) = run(markdown)
    assert failure.startswith("page.md:")
    for part in parts:
        assert part in failure


def test_a_service_is_asked(run: Run) -> None:
    """A transcript, a log line and a probe are compared with the running service."""
    transcript = "\n```console\n$ curl http://127.0.0.1:8000/page\nhello\n```\n"
    right = SERVICE + transcript + SUMMARY.format(path="/page") + PROBE.format(path="/up")
    assert run(right) == []


@pytest.mark.parametrize(
    ("block", "failure"),
    [
        ("```console\n$ curl http://127.0.0.1:8000/\nbye\n```", "-bye\n+hello"),
        (SUMMARY.format(path="/other"), '-  "path": "/other"'),
        (PROBE.format(path="/missing"), "answers 404 to the probe of /missing"),
    ],
    ids=["transcript", "log", "probe"],
)
def test_a_service_that_answers_otherwise_fails(block: str, failure: str, run: Run) -> None:
    """What a service does not answer, or log, is a failure that shows what it did."""
    (said,) = run(f"{SERVICE}\n{block}")
    assert failure in said


def test_variables_of_the_page_reach_what_it_runs(run: Run) -> None:
    """A backing service's URL is in the environment of snippets and of commands."""
    page = (
        "```console\n$ echo $REDIS_URL\nredis://there\n```\n"
        "```python\nimport os\n\nassert os.environ['REDIS_URL'] == 'redis://there'\n```"
    )
    assert run(page, REDIS_URL="redis://there") == []


def test_blocks_are_found_wherever_they_are() -> None:
    """Blocks in directives, lists and tabs are read, with the lines they stand on."""
    page = textwrap.dedent(
        """\
        # Title

        ::::{tab-set}
        :::{tab-item} One
        :sync: one

        ```python
        1
        ```
        :::
        ::::

        1. Item

           ````{note}
           ```{code-block} python
           :caption: a.py (added)

           2
           ```
           ````
        """
    )
    first, second = blocks(page)
    assert (first.language, first.text, first.line, first.caption) == ("python", "1\n", 8, None)
    assert (second.text, second.line, second.caption, second.added) == ("2\n", 19, "a.py", True)
    lines = page.splitlines()
    assert [lines[block.line - 1].strip() for block in (first, second)] == ["1", "2"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("gunicorn service:app", True),
        ("PORT=8001 exec uvicorn service:app", True),
        ("python3 -m hypercorn service:app", True),
        ("flask --app service run", True),
        ("celery -A tasks worker", True),
        ("python manage.py runserver", True),
        ("python server.py &", True),
        ("flask --app service db upgrade", False),
        ("celery -A tasks call hello", False),
        ("gunicorn --version", False),
        ("python manage.py check", False),
        ("curl http://127.0.0.1:8000/", False),
    ],
)
def test_servers_are_told_from_commands(command: str, expected: bool) -> None:
    """What runs until it is ended is started in the background, and nothing else is."""
    assert is_server(command) is expected
