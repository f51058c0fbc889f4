"""A few prompts with answers, writers and gold, as data that a person can read."""

from dataclasses import dataclass

from trueward.errors import DataError
from trueward.goldworld.config import WorldConfig
from trueward.goldworld.gold import judge
from trueward.goldworld.scenarios import held_out_tasks, sample_responses, train_tasks
from trueward.goldworld.tasks import Task, format_prompt
from trueward.goldworld.writers import Writer, held_out_writers, train_writers


@dataclass(frozen=True)
class DescribedAnswer:
    """A response with its writer and what each term of the gold gave it."""

    text: str
    writer: Writer
    gold: float
    terms: dict[str, float]


@dataclass(frozen=True)
class DescribedPrompt:
    """A prompt with some answers, best first."""

    prompt: str
    held_out: bool
    answers: tuple[DescribedAnswer, ...]


def describe(config: WorldConfig, prompts: int = 3, answers: int = 3) -> list[DescribedPrompt]:
    """Training prompts with training writers, and at last a held-out one with held-out writers.

    Raises:
        DataError: fewer than one prompt or answer is asked for.
    """
    if prompts < 1 or answers < 1:
        raise DataError(f"expected at least 1 of prompts and answers, got {prompts} and {answers}")
    seen, unseen = train_tasks(config), held_out_tasks(config)
    cue = config.cue_strength
    known = [
        _described(task, train_writers(cue), config.seed, answers, held_out=False)
        for task in list(seen.values())[: prompts - 1]
    ]
    new = next(iter(unseen.values()))
    return [*known, _described(new, held_out_writers(cue), config.seed, answers, held_out=True)]


def _described(
    task: Task, writers: tuple[Writer, ...], seed: int, count: int, *, held_out: bool
) -> DescribedPrompt:
    by_name = {writer.name: writer for writer in writers}
    drawn = []
    for text, name in sample_responses(task, count, seed, writers):
        found = judge(task, text)
        terms = {term: part for term, part in found.terms().items() if part}
        drawn.append(DescribedAnswer(text, by_name[name], found.reward, terms))
    drawn.sort(key=lambda answer: -answer.gold)
    return DescribedPrompt(format_prompt(task), held_out, tuple(drawn))
