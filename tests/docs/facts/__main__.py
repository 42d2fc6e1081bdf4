"""How the installed package behaves: run by the Python of the single package or of the new ones.

``python facts`` prints a JSON object of facts by name. The tests don't import it, and it uses
nothing but what the packages and their frameworks have in common.
"""

# mypy: ignore-errors
# pyright: basic, reportMissingImports=false

import importlib
import io
import json
import logging
import os
import sys
import warnings

from recording import FACTS, FOLDER, Recorder

os.chdir(FOLDER)
warnings.simplefilter("ignore")
root = logging.getLogger()
root.addHandler(Recorder())
root.setLevel(logging.DEBUG)
output, sys.stdout = sys.stdout, io.StringIO()
for part in ("core", "flask", "fastapi", "sanic", "django"):
    importlib.import_module(f"of_{part}")
sys.stdout = output
print(json.dumps(FACTS, default=repr))
