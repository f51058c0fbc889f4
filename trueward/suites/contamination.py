"""Which prompts of a suite were in the training data, word for word or nearly."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trueward.errors import DataError
from trueward.types import Item

NGRAM = 8
"""Words of an n-gram."""
THRESHOLD = 0.5
"""Share of an item's n-grams in one training prompt from which the two are near-duplicates."""
KINDS = ("exact", "near", "none")
_WORD = re.compile(r"[^\W_]+")

Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]
Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Contamination:
    """Each item against the training prompts."""

    items: tuple[Item, ...]
    kinds: tuple[str, ...]
    """`exact`, `near` or `none`, one an item."""
    overlaps: tuple[float, ...]
    """The largest share of an item's n-grams found in one training prompt; 1 where exact."""

    def summary(self) -> dict[str, dict[str, int]]:
        """How many items of each subset are of each kind."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for item, kind in zip(self.items, self.kinds, strict=True):
            counts[item.subset][kind] += 1
        return {subset: {kind: found[kind] for kind in KINDS} for subset, found in counts.items()}

    def clean(self) -> list[Item]:
        """The items that are neither exact nor near."""
        pairs = zip(self.items, self.kinds, strict=True)
        return [item for item, kind in pairs if kind == "none"]


def contamination(
    items: Sequence[Item], training_prompts: Iterable[Prompt], *, threshold: float = THRESHOLD
) -> Contamination:
    """Find the items whose prompt is among the training prompts.

    Prompts are compared as words: NFKC, case folded, without punctuation and white space. `exact`
    has the same words; `near` shares with one training prompt at least `threshold` of its distinct
    word 8-grams. Limits: a prompt of fewer than eight words can only be exact, so also one in a
    script without spaces; a paraphrase is not found.

    Args:
        items: of a suite.
        training_prompts: text or messages; read once.
        threshold: share of an item's n-grams, in (0, 1].

    Raises:
        DataError: the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise DataError(f"contamination: expected a threshold in (0, 1], got {threshold:g}")
    words = [words_of(item.prompt) for item in items]
    grams = [_grams(one) for one in words]
    exact, shared = _search(words, grams, training_prompts)
    overlaps = tuple(
        1.0 if own in exact else count / len(found) if found else 0.0
        for own, found, count in zip(words, grams, shared, strict=True)
    )
    kinds = tuple(
        "exact" if own in exact else "near" if overlap >= threshold else "none"
        for own, overlap in zip(words, overlaps, strict=True)
    )
    return Contamination(tuple(items), kinds, overlaps)


def _search(
    words: Sequence[Words], grams: Sequence[set[Words]], training_prompts: Iterable[Prompt]
) -> tuple[set[Words], list[int]]:
    """Which of the word lists are there, and each item's most n-grams in one training prompt."""
    holders: dict[Words, list[int]] = defaultdict(list)
    for place, found in enumerate(grams):
        for gram in found:
            holders[gram].append(place)
    exact, wanted, shared = set(), set(words), [0] * len(words)
    for prompt in training_prompts:
        given = words_of(prompt)
        if given and given in wanted:
            exact.add(given)
        counts = Counter(place for gram in _grams(given) for place in holders.get(gram, ()))
        for place, count in counts.items():
            shared[place] = max(shared[place], count)
    return exact, shared


def words_of(prompt: Prompt) -> Words:
    """A prompt's words, folded as they are compared."""
    text = (
        prompt
        if isinstance(prompt, str)
        else "\n".join(str(message.get("content") or "") for message in prompt)
    )
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _grams(words: Words) -> set[Words]:
    return {words[start : start + NGRAM] for start in range(len(words) - NGRAM + 1)}
