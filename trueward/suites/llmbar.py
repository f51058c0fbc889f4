"""LLMBar: does the judge prefer the response that follows the instruction?"""

from collections.abc import Iterator, Mapping, Sequence

from trueward.files import JsonField
from trueward.suites.fields import conversation, reply
from trueward.suites.outcomes import Outcome, strictly_best
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean, plain_mean
from trueward.types import Item

NATURAL = "Natural"
ADVERSARIAL = tuple(f"Adversarial_{name}" for name in ("Neighbor", "GPTInst", "GPTOut", "Manual"))
PROCESSED = tuple(f"Processed_{name}" for name in ("FairEval", "LLMEval^2", "MT-Bench"))
SETS = (NATURAL, *ADVERSARIAL, *PROCESSED)


def item(row: JsonField, table: str, number: int) -> Item:
    """Two outputs in the file's order; the set is the file's name or its folder's."""
    path = table.removesuffix("/dataset").replace("/", "_")
    subset = next((name for name in SETS if path.endswith(name)), None)
    if subset is None:
        row.fail("rows of a file named after its set: " + ", ".join(SETS))
    label = row["label"].integer()
    if label not in (1, 2):
        row["label"].fail("1 or 2")
    return Item(
        id=f"{subset}/{number}",
        prompt=conversation(row["input"]),
        responses=(reply(row["output_1"]), reply(row["output_2"])),
        subset=subset,
        labels={"best": label - 1},
    )


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """1 where the labelled output scores higher; a tie is wrong."""
    for place, (one, row) in enumerate(zip(items, scores, strict=True)):
        yield strictly_best(place, one.subset, row, one.labels["best"])


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """Each set, and the mean of the four adversarial ones."""
    sets = {name: mean(name, counts) for name in SETS}
    return {"Adversarial": plain_mean(sets[name] for name in ADVERSARIAL), **sets}


SUITE = Suite(
    name="llmbar",
    measures="accuracy on pairs where one output follows the instruction and the other seems to",
    primary="Adversarial",
    tie_rule="a tie is wrong",
    local_format="a folder of its files, rows `input, output_1, output_2, label` (1 or 2): "
    "`Natural.json`, `Adversarial_Manual.json`, or `Adversarial/Manual/dataset.json`",
    citation="Zeng et al. (2023), Evaluating Large Language Models at Evaluating Instruction "
    "Following, arXiv:2310.07641",
    origin="princeton-nlp/LLMBar on GitHub",
    licence="MIT",
    item=item,
    outcomes=outcomes,
    parts=parts,
    only=("dataset", *SETS),
)
