"""LLMBar: does the judge prefer the response that follows the instruction?"""

from trueward.suites.rows import RowField
from trueward.suites.suite import Suite, averaged, each, strictly_best
from trueward.types import Prompt

NATURAL = "Natural"
ADVERSARIAL = tuple(f"Adversarial_{name}" for name in ("Neighbor", "GPTInst", "GPTOut", "Manual"))
PROCESSED = tuple(f"Processed_{name}" for name in ("FairEval", "LLMEval^2", "MT-Bench"))
SETS = (NATURAL, *ADVERSARIAL, *PROCESSED)


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return two outputs in the file's order; the set is the file's name or its folder's."""
    path = table.removesuffix("/dataset").replace("/", "_")
    subset = next((name for name in SETS if path.endswith(name)), None)
    if subset is None:
        row.fail("rows of a file named after its set: " + ", ".join(SETS))
    label = row["label"].integer()
    if label not in (1, 2):
        row["label"].fail("1 or 2")
    return Prompt(
        id=f"{subset}/{number}",
        prompt=row["input"].conversation(),
        responses=(row["output_1"].reply(), row["output_2"].reply()),
        subset=subset,
        labels={"best": label - 1},
    )


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
    read_prompt=read_prompt,
    values=each(strictly_best),
    parts=averaged(SETS, over=ADVERSARIAL, name="Adversarial"),
    only=("dataset", *SETS),
)
