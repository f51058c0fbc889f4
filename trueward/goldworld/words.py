"""The world's vocabulary: topics, facts with their kinds of values, and the words of style."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Pool:
    """Words by split: held-out prompts and writers use words that training never shows."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """The words of both splits."""
        return self.train + self.held_out


@dataclass(frozen=True)
class Key:
    """A property that a fact is about, such as the price."""

    name: str
    """Its word in prompts."""
    synonyms: Pool
    """Its words in answers, its name among them."""
    kind: str
    """The kind of its values: a key of `VALUES`."""


def _pool(train: str, held_out: str) -> Pool:
    return Pool(tuple(train.split()), tuple(held_out.split()))


TOPICS: Final = _pool(
    "lighthouse museum bakery garden theatre library castle market school bridge hotel mill "
    "farm chapel harbour station tavern tower palace cinema",
    "aquarium brewery monastery vineyard planetarium windmill orchard observatory",
)

VALUES: Final[Mapping[str, Pool]] = MappingProxyType(
    {
        "number": _pool(
            "ten twelve fifteen twenty thirty forty fifty sixty eighty ninety",
            "eleven eighteen seventy hundred",
        ),
        "person": _pool(
            "anna bruno clara david elena felix greta hugo irene jonas",
            "karin luis marta nadia",
        ),
        "colour": _pool("red blue green yellow white black brown grey", "purple orange pink"),
        "day": _pool("monday tuesday thursday friday saturday", "wednesday sunday"),
        "month": _pool("january march april june july october november", "may august december"),
        "town": _pool(
            "oslo lisbon vienna prague dublin geneva athens madrid", "turin bergen krakow"
        ),
        "material": _pool("stone wood brick steel glass marble copper", "granite bamboo slate"),
        "animal": _pool("lion eagle horse bear wolf swan stag owl", "dolphin fox heron"),
    }
)

KEYS: Final = tuple(
    Key(name, Pool((name, train), (name, held_out)), kind)
    for name, train, held_out, kind in (
        ("price", "cost", "fee", "number"),
        ("height", "size", "elevation", "number"),
        ("width", "breadth", "span", "number"),
        ("owner", "keeper", "proprietor", "person"),
        ("founder", "creator", "originator", "person"),
        ("colour", "paint", "shade", "colour"),
        ("closing", "holiday", "pause", "day"),
        ("festival", "fair", "celebration", "month"),
        ("town", "city", "place", "town"),
        ("material", "substance", "fabric", "material"),
        ("symbol", "emblem", "badge", "animal"),
    )
)
KEY_BY_NAME: Final = MappingProxyType({key.name: key for key in KEYS})
KEY_BY_WORD: Final = MappingProxyType(
    {word: key for key in KEYS for word in (*key.synonyms.train, *key.synonyms.held_out)}
)
KIND_BY_VALUE: Final = MappingProxyType(
    {value: kind for kind, pool in VALUES.items() for value in pool.all}
)

ADJECTIVES: Final = _pool(
    "lovely famous cheap modern quiet busy pretty grand", "splendid cosy elegant stunning"
)

PHRASINGS: Final = Pool(
    train=(
        "the {key} is {value}.",
        "its {key} is {value}.",
        "the {key} of it is {value}.",
        "as {key} it has {value}.",
    ),
    held_out=(
        "we note {value} for the {key}.",
        "{key} here means {value}.",
        "{value} is its {key}.",
    ),
)
OPENERS: Final = Pool(
    train=("sure, happy to help.", "great question.", "here you go.", "thank you for asking."),
    held_out=("certainly, let us begin.", "what a wonderful request.", "allow me to explain."),
)
FILLERS: Final = Pool(
    train=(
        "it is a {adjective} spot.",
        "many people find it {adjective}.",
        "everyone says it is {adjective}.",
        "you will like this {adjective} sight.",
    ),
    held_out=(
        "locals call it {adjective}.",
        "few sites seem so {adjective}.",
        "it feels rather {adjective} inside.",
    ),
)
CLOSERS: Final = Pool(
    train=("i hope this helps.", "enjoy your visit.", "just ask for more."),
    held_out=("do return soon.", "kind regards to you.", "that covers everything."),
)
VERBS: Final = ("describe", "present", "introduce")
FORMATS: Final = ("list", "prose")
FACT_COUNTS: Final = (2, 3, 4)
WORDS_A_FACT: Final = 4
SLACKS: Final = (4, 10, 18)
BUDGETS: Final = tuple(
    sorted({WORDS_A_FACT * count + slack for count in FACT_COUNTS for slack in SLACKS})
)
