"""PPE, human preference: battles of Chatbot Arena, and the ranking of models they imply.

Its code was not at hand: the definitions follow its report.
"""

from collections.abc import Iterator, Mapping, Sequence

from trueward.files import JsonField
from trueward.suites.fields import conversation, identity, reply
from trueward.suites.outcomes import Outcome
from trueward.suites.ranking import Battle, ranking_metrics
from trueward.suites.sources import Table
from trueward.suites.suite import ScoreLists, Suite
from trueward.suites.weights import Weights, mean
from trueward.types import Item

WINNERS = {"model_a": 1.0, "model_b": 0.0}


def item(row: JsonField, table: str, number: int) -> Item:
    """The two models' responses in the row's order, and what the first won of the vote."""
    winner = row["winner"].text()
    if winner not in WINNERS and not winner.startswith("tie"):
        row["winner"].fail("'model_a', 'model_b' or 'tie'")
    return Item(
        id=identity(row["question_id"]),
        prompt=conversation(row["prompt"]),
        responses=(reply(row["response_1"]), reply(row["response_2"])),
        subset="human",
        labels={
            "won": WINNERS.get(winner, 0.5),
            "models": (row["model_a"].text(), row["model_b"].text()),
        },
    )


def outcomes(items: Sequence[Item], scores: ScoreLists) -> Iterator[Outcome]:
    """1 where the winner scores higher; a battle that people tied has no value."""
    for place, (one, (first, second)) in enumerate(zip(items, scores, strict=True)):
        if one.labels["won"] != 0.5:
            right = first > second if one.labels["won"] == 1 else second > first
            yield Outcome("accuracy", place, float(right), first == second)


def parts(counts: Mapping[str, int]) -> dict[str, Weights]:
    """The accuracy."""
    return {"accuracy": mean("accuracy", counts)}


def extras(items: Sequence[Item], scores: ScoreLists) -> dict[str, float]:
    """The Brier score and how the models rank; see `ranking_metrics`."""
    return ranking_metrics(
        [
            Battle(one.labels["models"], one.labels["won"], first - second)
            for one, (first, second) in zip(items, scores, strict=True)
        ]
    )


SUITE = Suite(
    name="ppe",
    measures="accuracy on human votes, and whether models rank as people rank them (from the "
    "report, not from its code)",
    primary="accuracy",
    tie_rule="a tie of rewards is wrong; battles that people tied count in the ranking only",
    local_format="rows `question_id, prompt, response_1, response_2, model_a, model_b, winner`",
    citation="Frick et al. (2024), How to Evaluate Reward Models for RLHF, arXiv:2410.14872",
    origin="lmarena-ai/PPE-Human-Preference-V1",
    licence="prompts CC-BY-4.0, responses under their models' terms",
    item=item,
    outcomes=outcomes,
    parts=parts,
    keys=("question_id",),
    tables=(Table("lmarena-ai/PPE-Human-Preference-V1", "test", "human"),),
    extras=extras,
)
