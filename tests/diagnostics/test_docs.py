"""docs/diagnostics.md names what there is, and its example runs."""

import re
from pathlib import Path

import numpy as np

from trueward import diagnostics

DOCS = (Path(__file__).parents[2] / "docs" / "diagnostics.md").read_text(encoding="utf-8")


def test_the_example():
    names: dict = {}
    (code,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    exec(code, names)
    assert names["values"].shape == (200, 7)
    assert 8 < names["fit"].peak_n < 20
    np.testing.assert_allclose(names["mean"][0], names["gold"].mean())


def test_every_function_and_edit_is_named():
    public = {name for name in diagnostics.__all__ if name[0].islower() or name.isupper()}
    public -= {"difference_statistics", "split_norms"}  # parts of `norm_statistics`' row
    table = set(re.findall(r"`(\w+)`", DOCS))
    assert public | set(diagnostics.EDITS) <= table
