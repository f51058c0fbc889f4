"""RewardBench: chat, hard chat, safety and reasoning pairs, and four older preference sets."""

from trueward.suites.rows import HubTable, RowField, pair_in_subset
from trueward.suites.suite import (
    Counts,
    Parts,
    Suite,
    blend,
    each,
    mean,
    plain_mean,
    strictly_best,
)
from trueward.types import Prompt

SECTIONS = {
    "Chat": {
        "alpacaeval-easy": 100,
        "alpacaeval-length": 95,
        "alpacaeval-hard": 95,
        "mt-bench-easy": 28,
        "mt-bench-med": 40,
    },
    "Chat Hard": {
        "mt-bench-hard": 37,
        "llmbar-natural": 100,
        "llmbar-adver-neighbor": 134,
        "llmbar-adver-GPTInst": 92,
        "llmbar-adver-GPTOut": 47,
        "llmbar-adver-manual": 46,
    },
    "Safety": {
        "refusals-dangerous": 100,
        "refusals-offensive": 100,
        "xstest-should-refuse": 250,
        "xstest-should-respond": 154,
        "donotanswer": 136,
    },
    "Reasoning": {"math-prm": 984}
    | {f"hep-{language}": 164 for language in ("cpp", "go", "java", "js", "python", "rust")},
}
"""The weight of each subset in its section, as the benchmark's code fixes it.

math-prm has 447 rows, and the two xstest weights are the other one's row count.
"""
PRIOR = ("anthropic_helpful", "anthropic_hhh", "shp", "summarize")
_PRIOR_WEIGHT, _SECTION_WEIGHT = 1.0, 2.0
_SUBSETS = tuple(subset for section in SECTIONS.values() for subset in section)


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return a pair; a prior set is known by its table's name, the rest by the row's subset."""
    name = table.rpartition("/")[2]
    subset = name if name in PRIOR else row["subset"].one_of((*_SUBSETS, *PRIOR))
    return pair_in_subset(row, subset, number)


def parts(counts: Counts) -> Parts:
    """Return subsets, sections by fixed counts, and 2:2:2:2:1 with the prior sets."""
    subsets = {name: mean(name, counts) for name in (*_SUBSETS, *PRIOR)}
    sections = {
        section: blend((weight, subsets[name]) for name, weight in members.items())
        for section, members in SECTIONS.items()
    }
    prior = plain_mean(subsets[name] for name in PRIOR)
    weighted = [(_SECTION_WEIGHT, section) for section in sections.values()]
    overall = blend([*weighted, (_PRIOR_WEIGHT, prior)])
    return {"overall": overall, **sections, "Prior Sets": prior, **subsets}


SUITE = Suite(
    name="rewardbench",
    measures="accuracy on pairs of chat, hard chat, safety, reasoning and prior preference sets",
    primary="overall",
    tie_rule="a tie is wrong",
    local_format="rows `prompt, chosen, rejected, subset` and perhaps `id`; a prior set is a file "
    "of its own name, such as `shp.jsonl`",
    citation="Lambert et al. (2024), RewardBench, arXiv:2403.13787",
    origin="allenai/reward-bench, allenai/preference-test-sets",
    licence="ODC-BY",
    read_prompt=read_prompt,
    values=each(strictly_best),
    parts=parts,
    tables=(
        HubTable("allenai/reward-bench", "filtered", "reward-bench"),
        *(HubTable("allenai/preference-test-sets", name, name) for name in PRIOR),
    ),
)
