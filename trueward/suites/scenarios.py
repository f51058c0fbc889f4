"""The four scenarios: do the rewards order a prompt's responses as the gold scores do?"""

from collections.abc import Iterator, Sequence

from trueward.metrics import kendall_per_prompt
from trueward.suites.rows import RowField
from trueward.suites.suite import PromptValue, Suite, averaged, each
from trueward.types import Prompt

SCENARIOS = ("in_domain", "prompt_disjoint", "response_disjoint", "mutual_disjoint")


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return responses with their gold scores; the scenario is the table's name."""
    scenario = table.rpartition("/")[2]
    if scenario not in SCENARIOS:
        row.fail("rows of a table named " + ", ".join(SCENARIOS))
    responses = row["responses"].replies()
    gold = row["scores"].numbers()
    if len(gold) != len(responses):
        row["scores"].fail(f"{len(responses)} scores, one a response")
    return Prompt(
        id=f"{scenario}/{row['prompt_id'].identity()}",
        prompt=row["prompt"].conversation(),
        responses=responses,
        subset=scenario,
        scores=tuple(gold),
    )


def tau(prompt: Prompt, scores: Sequence[float]) -> Iterator[PromptValue]:
    """Yield Kendall's τ-b; NaN where a side has fewer than two distinct values."""
    (value,) = kendall_per_prompt([scores], [prompt.scores])
    yield PromptValue(prompt.subset, value, len(set(scores)) < len(scores))


SUITE = Suite(
    name="scenarios",
    measures="Kendall τ-b against gold scores per prompt, on new prompts, new sources and both",
    primary="overall",
    tie_rule="τ-b's; undefined where all rewards or all gold scores of a prompt are equal",
    local_format="a folder with `in_domain`, `prompt_disjoint`, `response_disjoint` and "
    "`mutual_disjoint` (saved data sets, as a study keeps them, or files), rows `prompt, "
    "prompt_id, responses[], scores[]`",
    citation="this project, docs/study.md",
    origin="your own data, by `split_scenarios`, or the gold world",
    licence="that of the data",
    read_prompt=read_prompt,
    values=each(tau),
    parts=averaged(SCENARIOS),
    keys=("prompt_id",),
    only=SCENARIOS,
)
