"""The four scenarios: do the rewards order a prompt's responses as the gold scores do?"""

from collections.abc import Iterator, Mapping, Sequence

from trueward.files import JsonField
from trueward.metrics import kendall_per_prompt
from trueward.suites.fields import conversation, identity, replies
from trueward.suites.outcomes import Outcome
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean, plain_mean
from trueward.types import Item

SCENARIOS = ("in_domain", "prompt_disjoint", "response_disjoint", "mutual_disjoint")


def item(row: JsonField, table: str, number: int) -> Item:
    """A group: a prompt, its responses and their gold scores; the scenario is the table's name."""
    scenario = table.rpartition("/")[2]
    if scenario not in SCENARIOS:
        row.fail("rows of a table named " + ", ".join(SCENARIOS))
    responses = replies(row["responses"])
    gold = row["scores"].numbers()
    if len(gold) != len(responses):
        row["scores"].fail(f"{len(responses)} scores, one a response")
    return Item(
        id=f"{scenario}/{identity(row['prompt_id'])}",
        prompt=conversation(row["prompt"]),
        responses=responses,
        subset=scenario,
        labels={"gold": gold},
    )


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """Kendall's τ-b of each prompt; NaN where a side has fewer than two distinct values."""
    taus = kendall_per_prompt(scores, [one.labels["gold"] for one in items])
    for place, (one, row, tau) in enumerate(zip(items, scores, taus, strict=True)):
        yield Outcome(one.subset, place, tau, len(set(row)) < len(row))


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """The four scenarios and their mean."""
    each = {name: mean(name, counts) for name in SCENARIOS}
    return {"overall": plain_mean(each.values()), **each}


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
    item=item,
    outcomes=outcomes,
    parts=parts,
    keys=("prompt_id",),
    only=SCENARIOS,
)
