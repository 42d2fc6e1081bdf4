"""Run a page of the documentation in the current folder: ``python -m tests.docs.page checks.md``.

A page with a tab for each framework is run for one of them: ``python -m tests.docs.page checks.md
Flask``. The code blocks of the other tabs are left out. All others are taken in order:

- one with a caption is a file, which is written; ``(added)`` behind the name appends to it;
- Python is executed, all of it in one namespace; of a session, what it prints is compared;
- the commands of a console are run, and what they print is compared; a server runs until the next
  one starts;
- JSON is a line that something on the page has printed.
"""

from __future__ import annotations

import contextlib
import doctest
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterable, Iterator

import yaml
from sybil import Document, Example, Region
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.abstract.lexers import LexerCollection
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer
from sybil.parsers.myst.lexers import DirectiveLexer
from sybil.typing import Evaluator

from tests.services.beats import wait_until
from tests.services.servers import Server

ROOT = pathlib.Path(__file__).parents[2]
PATIENCE = 60  # seconds

NOT_RUN = re.compile(r"docker |git |(python3 -m )?(pip|hatch) ")  # what they need, tests have not
SERVER = re.compile(
    r"(\w+=\S+ )*(celery|daphne|granian|gunicorn|hypercorn|sanic|uvicorn|uwsgi"
    r"|waitress-serve|flask .*run|python server\.py|python manage\.py runserver)\b"
)

FRAMEWORKS = (
    *("Django", "FastAPI", "Flask", "Sanic"),
    *("Bottle", "Falcon", "Pyramid"),  # WSGI
    *("BlackSheep", "Litestar", "Quart", "Starlette"),  # ASGI
    "No framework",
)
TAB = re.compile(r"^(:{3,})\{tab-item\} (.+)\n(?:.*\n)*?\1$", re.MULTILINE)

# What differs from run to run, or from machine to machine.
VARIABLE = [
    (r'("(?:Timestamp|Pid|t)": )\d+', r"\g<1>0"),
    (r'("(?:Hostname|time|@timestamp)": )"[^"]*"', r'\1""'),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\bcurl/[\d.]+", "curl/8"),
    (r"\b(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{3}\b", "TIME"),
    (r"\b(ms|time) {2,}", r"\1  "),  # a column is as wide as the longest time
]

BLOCKS = LexerCollection(
    [
        FencedCodeBlockLexer(
            r"(console|json|pycon|python)",
            mapping={"language": "arguments", "source": "source"},
        ),
        DirectiveLexer("code-block"),
    ]
)


def frameworks_of(markdown: str) -> list[str]:
    """List the frameworks for which a page has tabs; "" stands for a page without such tabs."""
    labels = {tab[2] for tab in TAB.finditer(markdown)}
    return [name for name in FRAMEWORKS if name in labels] or [""]


def select_tabs(markdown: str, framework: str) -> str:
    """Replace the tabs of all other frameworks by as many empty lines."""

    def select(tab: re.Match[str]) -> str:
        is_shown = tab[2] not in FRAMEWORKS or tab[2] == framework
        return tab[0] if is_shown else "\n" * tab[0].count("\n")

    return TAB.sub(select, markdown)


def matches(shown: str, printed: str) -> bool:
    """Return whether a text is what the page shows, in which ``...`` stands for any text."""
    for pattern, replacement in VARIABLE:
        shown, printed = (re.sub(pattern, replacement, text) for text in (shown, printed))
    shown, printed = (re.sub(r"\s*\n", "\n", text.strip() + "\n") for text in (shown, printed))
    shown = re.sub(r"^\.\.\.\n", "...", shown, flags=re.MULTILINE)  # any lines, or none
    parts = (re.escape(part) for part in shown.split("..."))
    return re.fullmatch(".*?".join(parts), printed, re.DOTALL) is not None


def run(
    page: pathlib.Path, folder: pathlib.Path, environ: dict[str, str], framework: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a page in an empty folder, in a process of its own."""
    # An empty part would be the current folder, which a reader's commands don't have there.
    python_path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    return subprocess.run(
        [sys.executable, "-m", "tests.docs.page", str(page), framework],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": python_path, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class ShownServer(Server):
    """A server that a page starts, on a free port in place of 8000."""

    # No page shows how servers end, and Sanic's manager of workers may hang just after its start.
    stop_signal = signal.SIGKILL

    def __init__(self, shown: str, environ: dict[str, str]) -> None:
        super().__init__()
        self.shown = shown
        self.environ = {**environ, "PORT": str(self.port)}

    def command(self) -> list[str]:
        """Return the command line, which runs in the folder of the page."""
        command = self.shown.removesuffix("&").replace("8000", str(self.port))
        return ["env", f"--chdir={pathlib.Path.cwd()}", "bash", "-c", command]

    def ready(self) -> bool:
        """Return whether the server takes requests, or the Celery worker tasks."""
        if "celery" in self.shown:
            return " ready." in self.log
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        return True


class Page:
    """What has happened on a page so far.

    :param folder: a folder beside the page's own, for what is none of its files.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.outputs: list[str] = []  # of commands
        self.servers: list[ShownServer] = []
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        bin_folder = pathlib.Path(sys.executable).parent
        self.environ = {
            **os.environ,
            "CURL_HOME": str(folder),
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "PORT": "8000",
        }

    def parse(self, document: Document) -> Iterable[Region]:
        """Find the code blocks of a page: a parser of Sybil's."""
        sessions = DocTestStringParser(DocTestEvaluator(doctest.ELLIPSIS))
        evaluators: dict[str, Evaluator] = {
            "console": self.run_commands,
            "json": self.find_line,
            "python": PythonEvaluator(),
        }
        for region in BLOCKS(document):
            region.parsed = region.lexemes["source"]
            language = region.lexemes["arguments"]
            if "caption" in region.lexemes.get("options", {}):
                region.evaluator = self.write_file
            elif language == "pycon":
                for session in sessions(region.parsed, document.path):
                    session.adjust(region, region.parsed)
                    yield session
                continue
            else:
                region.evaluator = evaluators[language]
            yield region

    def write_file(self, example: Example) -> None:
        """Write a block into the file that its caption names."""
        caption = example.region.lexemes["options"]["caption"]
        path = pathlib.Path(caption.removesuffix(" (added)"))
        text = example.parsed.lstrip("\n")
        if caption.endswith(" (added)"):
            text = f"{path.read_text()}\n\n{text}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.suffix == ".py":
            compile(text, path, "exec", dont_inherit=True)
        elif path.suffix == ".json":
            json.loads(text)
        elif path.suffix in {".yaml", ".yml"}:
            list(yaml.safe_load_all(text))

    def run_commands(self, example: Example) -> str:
        """Run the commands of a console; return how what they print differs from the page."""
        transcript = example.parsed.replace("\\\n", " ")
        differences: list[str] = []
        for command, shown in re.findall(
            r"^\$ (.*)\n((?:(?!\$ ).*\n?)*)", transcript, re.MULTILINE
        ):
            if NOT_RUN.match(command):
                continue
            if SERVER.match(command):
                self.start_server(command)
                continue
            port = self.environ["PORT"]
            done = subprocess.run(
                ["bash", "-c", command.replace("8000", port)],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
            printed = done.stdout.decode(errors="replace").replace("\r", "")
            printed = re.sub(rf"\b{port}\b", "8000", printed)
            self.outputs.append(printed)
            if not matches(shown, printed) or (done.returncode and not shown):
                differences.append(f"$ {command}\n{printed}[status {done.returncode}]")
        return "\n".join(differences)

    def start_server(self, command: str) -> None:
        """Start a server in place of the one that is running."""
        for server in self.servers:
            server.stop()
        server = ShownServer(command, self.environ)
        self.servers.append(server)
        self.environ["PORT"] = str(server.port)
        server.start()

    def find_line(self, example: Example) -> str:
        """Return nothing if a line of JSON has been printed, or else what was printed."""
        shown = json.dumps(json.loads(example.parsed), sort_keys=True)
        try:
            wait_until(lambda: any(matches(shown, line) for line in self.lines()), timeout=5)
        except TimeoutError:
            return "\n".join(["nothing has printed this line, but", *self.lines()])
        return ""

    def lines(self) -> Iterator[str]:
        """Find the JSON among what commands and servers have printed."""
        logs = (re.sub(rf"\b{each.port}\b", "8000", each.log) for each in self.servers)
        for line in "\n".join([*self.outputs, *logs]).splitlines():
            with contextlib.suppress(ValueError):
                yield json.dumps(json.loads(line), sort_keys=True)


def main(path: str, framework: str = "") -> int:
    """Run a page, with the tabs of one framework.

    :returns: the number of blocks that don't do what the page shows; each is printed.
    """
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        page = Page(pathlib.Path(folder))
        document = Document(select_tabs(pathlib.Path(path).read_text(), framework), path)
        for region in page.parse(document):
            document.add(region)
        module = sys.modules["page"] = types.ModuleType("page")
        document.namespace = vars(module)
        try:
            for example in document:
                try:
                    example.evaluate()
                except Exception as error:
                    failures += 1
                    print(f"{path}:{example.line}: {type(error).__name__}: {error}\n", flush=True)
        finally:
            for server in page.servers:
                server.close()
    return failures


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
