"""`tools/house.py`: the measures that need no run."""

import json
import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1] / "tools" / "house.py"
STATIC = {"lines", "files", "median", "single", "forms", "judging", "loose", "schemas", "twice"}


def test_the_code_is_measured_and_has_no_import_circle():
    words = [sys.executable, str(HOUSE), "--static", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    measures = json.loads(done.stdout)["measures"]
    assert measures.keys() >= STATIC
    assert measures["lines"]["now"] > measures["files"]["now"] > 0
    assert measures["circles"] == {"now": 0, "goal": 0, "names": []}
