"""What is scored of every set: its responses, and which texts beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trueward.evaluate.diagnosis.beside import Beside
from trueward.evaluate.diagnosis.questions import QuestionSet, spread
from trueward.evaluate.diagnosis.states import RESPONSES
from trueward.evaluate.diagnosis.variants import GivenAnswers, Variant, read_answers, variants
from trueward.runs import rows_digest

TOKENS = "of the response alone"
"""What `tokens` of a row counts; rows that counted the prompt as well are made anew."""


@dataclass(frozen=True)
class Plan:
    """A set and what is scored beside its responses."""

    set: QuestionSet
    given: GivenAnswers
    probed: frozenset[int]
    """Places of the questions whose edits and fixed probes are scored."""

    def identity(self) -> dict[str, Any]:
        """What two sittings must share."""
        given = rows_digest({"prompt": p, "answers": a} for p, a in self.given.items())
        beside = {"probed": len(self.probed), "answers": given, "states": RESPONSES}
        return {"data": self.set.digest, "tokens": TOKENS, **beside}

    def variants(self, place: int) -> list[Variant]:
        """Of the question there."""
        return variants(self.set.questions[place], self.given, fixed=place in self.probed)


def plans_of(
    sets: Sequence[QuestionSet], train: QuestionSet | None, beside: Beside
) -> dict[str, Plan]:
    """A plan a set, the training data's first: without edits, probes or given answers."""
    questions = [question for one in sets for question in one.questions]
    given = read_answers(beside.answers, questions) if beside.answers else {}
    plans = {}
    for one in sets:
        places = {id(question): i for i, question in enumerate(one.questions)}
        chosen = spread(list(one.questions), beside.probed) if beside.probed else []
        plans[one.name] = Plan(one, given, frozenset(places[id(q)] for q in chosen))
    return plans if train is None else {train.name: Plan(train, {}, frozenset()), **plans}
