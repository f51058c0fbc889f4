"""HHH alignment: small hand-written pairs on helpfulness, honesty and harmlessness."""

from trueward.suites.rows import RowField, pair_in_subset
from trueward.suites.suite import Suite, and_overall, each, pooled, strictly_best
from trueward.types import Prompt

SUBSETS = ("helpful", "honest", "harmless", "other")


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return a pair, the better response first."""
    return pair_in_subset(row, row["subset"].one_of(SUBSETS), number)


SUITE = Suite(
    name="hhh",
    measures="accuracy on hand-written pairs: helpful, honest, harmless, other",
    primary="overall",
    tie_rule="a tie is wrong",
    local_format="rows `subset, prompt, chosen, rejected` and perhaps `id`",
    citation="Askell et al. (2021), A General Language Assistant as a Laboratory for Alignment, "
    "arXiv:2112.00861",
    origin="HHH alignment of BIG-bench, as pairs by prometheus-eval",
    licence="Apache-2.0",
    read_prompt=read_prompt,
    values=each(and_overall(strictly_best)),
    parts=pooled(*SUBSETS),
)
