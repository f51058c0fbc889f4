"""Hidden states of a sample of a set's responses, kept as safetensors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray
from safetensors.torch import load_file, save_file

from trueward.evaluate.diagnosis.contestant import Contestant
from trueward.evaluate.diagnosis.questions import Question, QuestionSet, spread
from trueward.runs import Begin

RESPONSES = 600
"""Most responses a set whose hidden states are kept: norms and rank settle long before."""


@dataclass(frozen=True)
class States:
    """Hidden states of the questions in `questions`, response after response, in float32."""

    questions: tuple[Question, ...]
    hidden: ndarray
    before_norm: ndarray | None
    """The same before the backbone's final norm, where it has one."""

    def pairs(self) -> tuple[ndarray, ndarray] | None:
        """Hidden states of chosen and rejected responses; None without pairs."""
        starts = np.cumsum([0, *(len(q.responses) for q in self.questions)])
        places = [
            (start + a, start + b)
            for start, question in zip(starts[:-1], self.questions, strict=True)
            for a, b in question.pairs
        ]
        if not places:
            return None
        chosen, rejected = np.array(places).T
        return self.hidden[chosen], self.hidden[rejected]


def states_file(one: Contestant, output: Path, name: str) -> Path:
    """Where they are kept."""
    return one.folder(output) / f"{name}.states.safetensors"


def sampled(asked: QuestionSet) -> tuple[Question, ...]:
    """Questions at even distances, of `RESPONSES` responses or fewer where that is possible."""
    questions = list(asked.questions)
    total = sum(len(question.responses) for question in questions)
    return tuple(spread(questions, max(1, RESPONSES * len(questions) // max(total, RESPONSES))))


def states_of(one: Contestant, asked: QuestionSet, output: Path, begin: Begin) -> States:
    """Read them where they are kept, else from the model."""
    path, questions = states_file(one, output, asked.name), sampled(asked)
    if not path.exists():
        _read(one, asked.name, questions, path, begin)
    kept = load_file(path)
    before = kept.get("before_norm")
    return States(questions, kept["hidden"].numpy(), None if before is None else before.numpy())


def _read(
    one: Contestant, name: str, questions: tuple[Question, ...], path: Path, begin: Begin
) -> None:
    turns = [one.turns(question, list(question.responses)) for question in questions]
    prompts, groups = zip(*turns, strict=True)
    advance = begin(f"{one.label} · {name}, states", sum(map(len, groups)), 0)
    read = one.scorer.read_groups(prompts, groups, advance=advance)
    tensors = {"hidden": read.hidden.contiguous()}
    if read.before_norm is not None:
        tensors["before_norm"] = read.before_norm.contiguous()
    aside = path.with_name(path.name + ".part")
    save_file(tensors, aside)
    aside.replace(path)
