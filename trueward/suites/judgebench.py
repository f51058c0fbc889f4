"""JudgeBench: pairs of answers to hard questions, one of them right."""

from collections.abc import Iterator, Sequence

from trueward.suites.rows import HubTable, RowField
from trueward.suites.suite import PromptValue, Suite, and_overall, each, pooled
from trueward.types import Prompt

SOURCES = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench")
LABELS = ("A>B", "B>A")


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return responses A and B, in this order."""
    source = row["source"].text()
    subset = next((name for name in SOURCES if source.startswith(name)), None)
    if subset is None:
        row["source"].fail("a source that begins with " + ", ".join(SOURCES))
    return Prompt(
        id=row["pair_id"].identity(),
        prompt=row["question"].conversation(),
        responses=(row["response_A"].reply(), row["response_B"].reply()),
        subset=subset,
        labels={"label": row["label"].one_of(LABELS)},
    )


def verdict(prompt: Prompt, scores: Sequence[float]) -> Iterator[PromptValue]:
    """Yield 1 where the verdict is the label: A>B if A scores higher, else B>A."""
    first, second = scores
    said = LABELS[0] if first > second else LABELS[1]
    yield PromptValue(prompt.subset, float(said == prompt.labels["label"]), first == second)


SUITE = Suite(
    name="judgebench",
    measures="accuracy on pairs of a right and a wrong answer to hard questions",
    primary="overall",
    tie_rule="a tie is the verdict B>A, as in the benchmark's code",
    local_format="rows `pair_id, source, question, response_A, response_B, label`",
    citation="Tan et al. (2024), JudgeBench, arXiv:2410.12784",
    origin="ScalerLab/JudgeBench, the 350 pairs of GPT-4o; its other 270 are the split `claude`",
    licence="MIT",
    read_prompt=read_prompt,
    values=each(and_overall(verdict)),
    parts=pooled(*SOURCES),
    keys=("pair_id",),
    tables=(HubTable("ScalerLab/JudgeBench", "gpt", "gpt"),),
)
