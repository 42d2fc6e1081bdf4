"""Make the pictures of the documentation: ``hatch run pictures``.

They show what the software prints: the log of shop.py in a terminal, and its heartbeat in a
browser, each for a light and a dark page. Chromium or Chrome must be on PATH.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.services.beats import wait_until
from tests.services.servers import Server

FOLDER = pathlib.Path(__file__).parent
STATIC = FOLDER.parent / "_static"
LOG_TITLE = "The log of a service in a terminal"

# Background, foreground, the eight terminal colours, then the bright ones.
THEMES = {
    "light": TerminalTheme(
        (246, 248, 250),
        (31, 35, 40),
        [
            *((36, 41, 47), (190, 30, 40), (17, 99, 41), (125, 78, 0)),
            *((9, 80, 174), (130, 80, 223), (27, 100, 120), (87, 96, 106)),
        ],
        [
            *((87, 96, 106), (190, 30, 40), (17, 99, 41), (125, 78, 0)),
            *((9, 80, 174), (130, 80, 223), (27, 100, 120), (87, 96, 106)),
        ],
    ),
    "dark": TerminalTheme(
        (22, 27, 34),
        (208, 215, 222),
        [
            *((110, 118, 129), (255, 123, 114), (126, 231, 135), (227, 179, 65)),
            *((121, 192, 255), (210, 168, 255), (118, 227, 234), (177, 186, 196)),
        ],
        [
            *((140, 148, 160), (255, 123, 114), (126, 231, 135), (227, 179, 65)),
            *((121, 192, 255), (210, 168, 255), (118, 227, 234), (255, 255, 255)),
        ],
    ),
}
# Rich's own template draws a window frame and loads a font from the network.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
{styles}
</style>
<defs>{lines}</defs>
<rect width="100%" height="100%" rx="12" fill="BACKGROUND"/>
<g class="{unique_id}-matrix" transform="translate(18, 14)">
{backgrounds}
{matrix}
</g>
</svg>
"""


class Shop(Server):
    """The service of shop.py, whose output is coloured as on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.environ |= {"DOCKERFLOW_LOG_FORMAT": "console", "FORCE_COLOR": "1"}

    def command(self) -> list[str]:
        """Return the command line."""
        options = [f"--chdir={FOLDER}", f"--bind=127.0.0.1:{self.port}", "--no-control-socket"]
        return ["gunicorn", f"--config={FOLDER / 'gunicorn.conf.py'}", *options, "shop:app"]

    def ready(self) -> bool:
        """Return whether the service has printed that it has started."""
        return "Booting worker" in self.log

    def call(self, path: str, method: str = "GET", accept: str = "*/*") -> str:
        """Send a request; return the body of the response, whatever its status."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Accept": accept}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return str(answer.read(), "utf-8")
        except urllib.error.HTTPError as error:
            return str(error.read(), "utf-8")


class Checked(Server):
    """The service that docs/check.md shows."""

    def command(self) -> list[str]:
        """Return the command line."""
        page = (FOLDER.parent / "check.md").read_text()
        source = page.partition(":caption: server.py\n")[2].partition("```")[0]
        return ["env", f"PORT={self.port}", sys.executable, "-c", source]

    def ready(self) -> bool:
        """Return whether it takes requests."""
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        return True

    def check(self) -> str:
        """Return what dockerflow-check prints on a terminal with colours."""
        done = subprocess.run(
            [sys.executable, "-m", "dockerflow.check", "http", f"http://127.0.0.1:{self.port}"],
            env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "104", "GITHUB_ACTIONS": ""},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.stdout


def draw_console(log: str, picture: str = "console", title: str = LOG_TITLE) -> None:
    """Draw what a program prints as it looks in a terminal."""
    lines = Text.from_ansi(log.strip())
    lines.no_wrap = True
    width = max(line.cell_len for line in lines.split())
    for name, theme in THEMES.items():
        with open(os.devnull, "w") as nothing:
            console = Console(record=True, width=width + 3, file=nothing, color_system="standard")
            console.print(lines)
        template = SVG.replace("BACKGROUND", theme.background_color.hex).replace("TITLE", title)
        drawn = console.export_svg(theme=theme, code_format=template, unique_id=name)
        (STATIC / f"{picture}-{name}.svg").write_text(re.sub(r"\s+\n", "\n", drawn))


def photograph(page: str) -> None:
    """Take a screenshot of an HTML page in a browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit(
            "install Chromium or Chrome: it makes the pictures of the heartbeat's page"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "heartbeat.html")
        file.write_text(page)
        for name, scheme in {"dark": 0, "light": 1}.items():
            subprocess.run(
                [
                    *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                    *("--window-size=720,540", "--force-device-scale-factor=1.5"),
                    f"--blink-settings=preferredColorScheme={scheme}",
                    f"--screenshot={STATIC / f'heartbeat-{name}.png'}",
                    file.as_uri(),
                ],
                check=True,
                stderr=subprocess.DEVNULL,
            )


def main() -> None:
    """Run the services, call them, and draw what is printed."""
    checked = Checked()
    checked.start()
    try:
        found = checked.check()
    finally:
        checked.close()
    draw_console(found, "check", "What dockerflow-check finds, in a terminal")
    shop = Shop()
    shop.start()
    try:
        shop.call("/orders/17")
        shop.call("/orders/17/payment", method="POST")
        page = shop.call("/__heartbeat__", accept="text/html")
        wait_until(lambda: "/__heartbeat__ 500" in re.sub(r"\x1b\[[\d;]*m", "", shop.log))
        log = shop.log
    finally:
        shop.close()
    log = log[log.index("\n", log.index("Using worker")) :]  # the first lines say little
    draw_console(log.replace(str(shop.port), "8000").replace(str(FOLDER), "/app"))
    photograph(page)


if __name__ == "__main__":
    main()
