"""Writers: parametric response models, whose style depends on their skill: the spurious cue."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final

from trueward.goldworld.tasks import Task
from trueward.goldworld.words import (
    ADJECTIVES,
    CLOSERS,
    FILLERS,
    KEY_BY_NAME,
    KEYS,
    OPENERS,
    PHRASINGS,
    VALUES,
    Key,
    Pool,
)

TRAIN_SKILLS: Final = (0.05, 0.20, 0.35, 0.50, 0.60, 0.75, 0.85, 0.98)
HELD_OUT_SKILLS: Final = (0.15, 0.40, 0.65, 0.90)
STEEPEST: Final = 0.8
"""Slope of style over skill at full cue strength."""
PROOFREADING: Final = 0.8
CORRECTION: Final = "{wrong}, no, {right}"


@dataclass(frozen=True)
class Writer:
    """A response model. `skill` and `style` lie in [0, 1]."""

    name: str
    skill: float
    """Drives every property that gold sees, except length."""
    style: float
    """Drives openers, closers and filler sentences, which gold sees only through length."""
    held_out: bool
    """True where words and phrasings are those that training never shows."""
    proofreading: float = 0.0
    """Chance of correcting a wrong value in the same sentence; 0 but for the base's teachers."""


def train_writers(cue_strength: float) -> tuple[Writer, ...]:
    """Return eight writers whose style rises with skill, at a slope of 0.8·`cue_strength`."""
    return tuple(
        Writer(f"writer{i + 1}", skill, _style(skill, cue_strength), held_out=False)
        for i, skill in enumerate(TRAIN_SKILLS)
    )


def held_out_writers(cue_strength: float) -> tuple[Writer, ...]:
    """Return four writers with other phrasings, whose style falls with skill at the same slope."""
    return tuple(
        Writer(f"stranger{i + 1}", skill, _style(skill, -cue_strength), held_out=True)
        for i, skill in enumerate(HELD_OUT_SKILLS)
    )


def neutral_writer(rng: Random) -> Writer:
    """Draw a teacher of the base model: a training writer with random style, who proofreads."""
    writer = rng.choice(train_writers(0.0))
    return replace(writer, style=rng.random(), proofreading=PROOFREADING)


def _style(skill: float, cue: float) -> float:
    return 0.5 + STEEPEST * cue * (skill - 0.5)


def write_response(rng: Random, task: Task, writer: Writer) -> str:
    """Draw one response of a writer to a task."""
    failing = 1 - writer.skill
    sentences = _facts(rng, task, writer)
    if rng.random() < 0.5 * failing:
        sentences.append(rng.choice(sentences))
    if rng.random() < 0.5 * failing:
        sentences.append(_irrelevant(rng, task, writer))
    rng.shuffle(sentences)
    wrong_format = rng.random() < 0.4 * failing
    if (task.format == "list") != wrong_format:
        sentences = [f"- {sentence}" for sentence in sentences]
        joint = "\n"
    else:
        joint = " "
    return joint.join(_with_style(rng, task, writer, sentences))


def _facts(rng: Random, task: Task, writer: Writer) -> list[str]:
    stated = [fact for fact in task.facts if rng.random() < 0.40 + 0.58 * writer.skill]
    sentences = []
    for name, value in stated or task.facts[:1]:
        key = KEY_BY_NAME[name]
        if rng.random() < 0.03 + 0.45 * (1 - writer.skill):
            wrong = other_value(rng, key, value, held_out=value in VALUES[key.kind].held_out)
            noticed = rng.random() < writer.proofreading
            value = CORRECTION.format(wrong=wrong, right=value) if noticed else wrong
        sentences.append(_sentence(rng, key, value, writer))
    return sentences


def _irrelevant(rng: Random, task: Task, writer: Writer) -> str:
    asked = {name for name, _ in task.facts}
    key = rng.choice([key for key in KEYS if key.name not in asked])
    return _sentence(rng, key, rng.choice(VALUES[key.kind].train), writer)


def other_value(rng: Random, key: Key, value: str, *, held_out: bool) -> str:
    """Draw a wrong value of the key's kind, from the held-out words or those of training."""
    pool = VALUES[key.kind].held_out if held_out else VALUES[key.kind].train
    return rng.choice([other for other in pool if other != value])


def _sentence(rng: Random, key: Key, value: str, writer: Writer) -> str:
    word = rng.choice(_words(key.synonyms, writer))
    text = rng.choice(_words(PHRASINGS, writer)).format(key=word, value=value)
    return text[0].upper() + text[1:]


def _with_style(rng: Random, task: Task, writer: Writer, body: list[str]) -> list[str]:
    banned = [task.banned] if rng.random() < 0.5 * (1 - writer.skill) else []
    fillers = [rng.random() < 0.8 * writer.style for _ in range(2)].count(True)
    allowed = [word for word in _words(ADJECTIVES, writer) if word != task.banned]
    adjectives = banned + [rng.choice(allowed) for _ in range(fillers - len(banned))]
    middle = [_styled(rng, FILLERS, writer, adjective) for adjective in adjectives]
    opener = [_styled(rng, OPENERS, writer)] if rng.random() < writer.style else []
    closer = [_styled(rng, CLOSERS, writer)] if rng.random() < writer.style else []
    return opener + body + middle + closer


def _styled(rng: Random, pool: Pool, writer: Writer, adjective: str = "") -> str:
    return rng.choice(_words(pool, writer)).format(adjective=adjective).capitalize()


def _words(pool: Pool, writer: Writer) -> tuple[str, ...]:
    return pool.held_out if writer.held_out else pool.train
