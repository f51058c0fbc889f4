"""Prompt contrast: a good response is good for its own prompt."""

from trueward.objectives.part import Penalty, State, Term, nll, param, register
from trueward.types import PairScores


@register("contrast")
class PromptContrast(Penalty):
    """The chosen response must score higher under its own prompt than under another.

    `foreign` is the reward r(xⱼ, y⁺ᵢ) of each chosen response under another prompt xⱼ, that of the
    next pair in the shuffled data, so that it does not depend on how a step is cut. A pair without
    another prompt passes its own chosen reward: it adds the constant weight·log 2 / b and no
    gradient. Metrics: `contrast_accuracy`, the share of chosen responses that score higher under
    their own prompt, and in training `foreign_responses`, their number in a step.
    """

    equation = "weight · mean ℓ(r(xᵢ, y⁺ᵢ) − r(xⱼ, y⁺ᵢ))"
    choose_when = "rewards seem to ignore the prompt; costs half a forward more"
    paper = "own design, after DARM (2026)"
    needs = frozenset({"foreign"})

    weight: float = param(0.3, "weight of the penalty, at least 0")

    def __post_init__(self) -> None:
        self._require("weight", self.weight >= 0, "at least 0")

    def __call__(self, batch: PairScores, state: State) -> Term:
        assert batch.foreign is not None
        gap = batch.chosen - batch.foreign
        accuracy = (gap.detach() > 0).to(gap.dtype).mean()
        return Term(self.weight * nll(gap).mean(), {"contrast_accuracy": accuracy})
