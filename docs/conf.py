"""The Sphinx configuration: `hatch run docs` builds the documentation into docs/_build.

https://www.sphinx-doc.org/en/master/usage/configuration.html
"""

import ast
import pathlib
import re
import tomllib
from importlib.util import resolve_name
from typing import Any

import django
from django.conf import settings
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

ROOT = pathlib.Path(__file__).parents[1]
CORE = tomllib.loads((ROOT / "packages/dockerflow-core/pyproject.toml").read_text())

project = "dockerflow for Python"
author = "The dockerflow developers"
version = release = CORE["project"]["version"]  # all packages share one version

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build"]

copybutton_prompt_text = "$ "  # copy a command without its prompt and its output
copybutton_line_continuation_character = "\\"

html_theme = "furo"
html_title = f"dockerflow {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "source_repository": "https://github.com/dockerflow/dockerflow-python/",
    "source_branch": "main",
    "source_directory": "docs/",
}
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Anchors as on GitHub, so that `checks.md#timeouts` is a link in both places.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
# Every cross-reference within dockerflow must resolve. Names of other libraries are ignored, since
# their inventories would need a download; modules that only adapters use have no page.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(?!dockerflow).*|.*\.F"),  # F: type variables
    (r"py:.*", r"dockerflow\.(endpoints|logging\.(request|bodies|summary|wsgi|asgi))\b.*"),
]

# Django's views and middleware can only be imported with settings.
settings.configure(INSTALLED_APPS=["dockerflow.django"])
django.setup()


def description(module: str, constant: str) -> list[str]:
    """Return the description below a constant's definition, in whichever module defines it."""
    analyzer = ModuleAnalyzer.for_module(module)
    lines = analyzer.find_attr_docs().get(("", constant))
    if lines is not None:
        return lines
    for node in ast.walk(ast.parse(analyzer.code)):
        if isinstance(node, ast.ImportFrom) and constant in {name.name for name in node.names}:
            source = "." * node.level + (node.module or "")
            return description(resolve_name(source, module), constant)
    return []


def describe_constant(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """Show a constant with its own description, not with its type's."""
    if what == "data":
        lines[:] = description(*name.rsplit(".", 1))


def break_names(app: Sphinx, page: str, template: str, context: Any, doctree: Any) -> None:
    """Let long names break after their parts, so that tables of them fit on a screen."""

    def broken(name: re.Match[str]) -> str:
        return re.sub(r"[._/]+(?=.)", r"\g<0><wbr>", name[0])

    if "body" in context:
        context["body"] = re.sub(
            r'(?<=<span class="pre">)[^<]{18,}(?=</span>)', broken, context["body"]
        )


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("autodoc-process-docstring", describe_constant)
    app.connect("html-page-context", break_names)
