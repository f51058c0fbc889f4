"""Benchmark suites: rows become prompts to score, and scores numbers with intervals."""

from trueward.errors import InputError, nearest
from trueward.results import SuiteResult
from trueward.suites import (
    hhh,
    judgebench,
    llmbar,
    own_data,
    ppe,
    ppe_correctness,
    rewardbench,
    rewardbench2,
    rm_bench,
    rmb,
    scenarios,
)
from trueward.suites.compare import Compared, SuiteDifference, compare_models, compare_suites
from trueward.suites.contamination import (
    Contamination,
    contamination,
    prompt_hash,
    read_train_prompts,
    write_train_prompts,
)
from trueward.suites.rows import read_scores, scores_of
from trueward.suites.suite import Suite

SUITES: tuple[Suite, ...] = (
    rewardbench.SUITE,
    rewardbench2.SUITE,
    rm_bench.SUITE,
    judgebench.SUITE,
    rmb.SUITE,
    hhh.SUITE,
    llmbar.SUITE,
    ppe.SUITE,
    ppe_correctness.SUITE,
    scenarios.SUITE,
    own_data.PAIRS,
    own_data.BEST_OF_N,
)
"""In the order in which tables show them."""


def suite(name: str) -> Suite:
    """Return the suite of that name; InputError if there is none."""
    for one in SUITES:
        if one.name == name:
            return one
    raise InputError(f"no suite {name!r}; {nearest(name, [one.name for one in SUITES])}")


__all__ = [
    "SUITES",
    "Compared",
    "Contamination",
    "Suite",
    "SuiteDifference",
    "SuiteResult",
    "compare_models",
    "compare_suites",
    "contamination",
    "prompt_hash",
    "read_scores",
    "read_train_prompts",
    "scores_of",
    "suite",
    "write_train_prompts",
]
