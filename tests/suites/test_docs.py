"""docs/suites.md says what the code says."""

from pathlib import Path

import pytest

from trueward.suites import SUITES
from trueward.suites.contamination import NGRAM, THRESHOLD

DOCS = (Path(__file__).parents[2] / "docs" / "suites.md").read_text(encoding="utf-8")


def rows(first):
    return [line for line in DOCS.splitlines() if line.startswith(f"| `{first}` |")]


@pytest.mark.parametrize("one", SUITES, ids=lambda one: one.name)
def test_each_suite_has_its_rows(one):
    metric, data = rows(one.name)
    assert one.measures in metric
    assert f"`{one.primary}`" in metric
    assert one.tie_rule in metric
    assert one.citation in metric
    assert one.origin in data
    assert one.licence in data
    assert one.local_format in data
    for table in one.tables:
        assert f"`{table.hub}`" in data
        assert f"`{table.split}`" in data


def test_no_row_is_of_a_suite_that_is_gone():
    named = [line.split("`")[1] for line in DOCS.splitlines() if line.startswith("| `")]
    known = {one.name for one in SUITES}
    assert {name for name in named if named.count(name) == 2} == known


def test_the_contamination_rule_is_stated():
    assert f"word {NGRAM}-grams" in DOCS
    assert f"{THRESHOLD:g}" in DOCS
