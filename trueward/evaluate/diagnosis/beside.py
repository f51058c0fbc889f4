"""What diagnostics may take beside models and data to judge on, and what its absence costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trueward.evaluate.diagnosis.questions import QuestionSet

PROBED = 200

NOT_GIVEN = {
    "norm and rank shift from training": "the training data (--train_data)",
    "flipped training labels learnt by heart": "training data (--train_data) with a column "
    "`flipped` that says which labels were flipped",
    "attenuation under edits": "a reference model (--reference)",
    "answers of your own as probes": "rows of prompt and response (--probe_answers)",
    "cost of label noise": "models trained at two or more rates of flipped labels, 0 among them "
    "(--flip_rate MODEL=RATE for each)",
}
"""What takes more than data to judge on."""


@dataclass(frozen=True)
class Beside:
    """What diagnostics may take beside models and data."""

    reference: tuple[str, str] | None = None
    """Label and path of the model that edits are held against."""
    answers: str | None = None
    """Rows of prompt and response: answers that no one would want."""
    flip_rates: Mapping[str, float] = field(default_factory=dict)
    """By model, the share of training labels that were flipped."""
    probed: int = PROBED
    """Prompts a set on which edits and fixed probes are scored."""


def not_given(train: QuestionSet | None, beside: Beside) -> dict[str, str]:
    """By diagnostic what it would need beside the data that was given."""
    there = (train, train, beside.reference, beside.answers, beside.flip_rates)
    return {
        name: need
        for (name, need), given in zip(NOT_GIVEN.items(), there, strict=True)
        if not given
    }
