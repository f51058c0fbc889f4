"""JudgeBench: pairs of answers to hard questions, one of them right."""

from collections.abc import Iterator, Mapping, Sequence

from trueward.files import JsonField
from trueward.suites.fields import conversation, identity, one_of, reply
from trueward.suites.outcomes import OVERALL, Outcome, and_overall
from trueward.suites.sources import Table
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean
from trueward.types import Item

SOURCES = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench")
LABELS = ("A>B", "B>A")


def item(row: JsonField, table: str, number: int) -> Item:
    """Responses A and B, in this order."""
    source = row["source"].text()
    subset = next((name for name in SOURCES if source.startswith(name)), None)
    if subset is None:
        row["source"].fail("a source that begins with " + ", ".join(SOURCES))
    return Item(
        id=identity(row["pair_id"]),
        prompt=conversation(row["question"]),
        responses=(reply(row["response_A"]), reply(row["response_B"])),
        subset=subset,
        labels={"label": one_of(row["label"], LABELS)},
    )


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """1 where the verdict is the label; the verdict is A>B if A scores higher, else B>A."""
    for place, (one, (first, second)) in enumerate(zip(items, scores, strict=True)):
        verdict = LABELS[0] if first > second else LABELS[1]
        right = float(verdict == one.labels["label"])
        yield from and_overall(Outcome(one.subset, place, right, first == second))


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """The sources, and all pairs together."""
    return {name: mean(name, counts) for name in (OVERALL, *SOURCES)}


SUITE = Suite(
    name="judgebench",
    measures="accuracy on pairs of a right and a wrong answer to hard questions",
    primary=OVERALL,
    tie_rule="a tie is the verdict B>A, as in the benchmark's code",
    local_format="rows `pair_id, source, question, response_A, response_B, label`",
    citation="Tan et al. (2024), JudgeBench, arXiv:2410.12784",
    origin="ScalerLab/JudgeBench, the 350 pairs of GPT-4o; its other 270 are the split `claude`",
    licence="MIT",
    item=item,
    outcomes=outcomes,
    parts=parts,
    keys=("pair_id",),
    tables=(Table("ScalerLab/JudgeBench", "gpt", "gpt"),),
)
