"""A sample of families, each trained a step and scored; `make families` runs all of them."""

from pathlib import Path

import pytest
from helpers import family_runs, tiny_families

PAGE = Path(__file__).parents[2] / "docs" / "families.md"
SAMPLE = [
    "albert",
    "axk2",  # chooses tokens by a sparse index, and asks for its attention's name
    "bart",
    "big_bird",
    "canine",
    "deberta-v2",
    "eurobert",
    "gemma3_text",
    "gpt2",
    "llama",
    "llama, dynamic rope",
    "modernbert",
    "phi3, longrope",
    "qwen3_next",
    "roberta",
    "t5",
    "xlnet",
    "zamba",
]


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.filterwarnings("ignore::trueward.errors.LayoutWarning")
def test_a_family_scores_as_its_class_does_and_as_the_page_says(name, tmp_path):
    outcome = family_runs.run(name, tmp_path)
    assert outcome.error <= family_runs.LIMIT
    row = family_runs.row(name, outcome)
    assert row in PAGE.read_text().splitlines(), f"run `make families`: now {row}"


def test_the_page_has_a_row_for_each_family():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == tiny_families.NAMES
