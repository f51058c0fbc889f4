"""Prompts of a suite that were in the training data, word for word or nearly."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trueward.errors import DataError
from trueward.results import TrainPrompts
from trueward.types import Prompt, Turns

NGRAM = 8
"""Words of an n-gram."""
THRESHOLD = 0.5
"""Share of a prompt's n-grams in one training prompt from which the two are near-duplicates."""
TRAIN_PROMPTS = "train_prompts.json"
"""Written beside a checkpoint."""
KINDS = ("exact", "near", "none")
_WORD = re.compile(r"[^\W_]+")

Words: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Contamination:
    """Each prompt of a suite against the training prompts."""

    prompts: tuple[Prompt, ...]
    kinds: tuple[str, ...]
    """`exact`, `near` or `none`, one a prompt."""
    overlaps: tuple[float, ...]
    """The largest share of a prompt's n-grams found in one training prompt; 1 where exact."""

    def summary(self) -> dict[str, dict[str, int]]:
        """Count the prompts of each kind, by subset."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for prompt, kind in zip(self.prompts, self.kinds, strict=True):
            counts[prompt.subset][kind] += 1
        return {subset: {kind: found[kind] for kind in KINDS} for subset, found in counts.items()}

    def clean(self) -> list[Prompt]:
        """Return the prompts that are neither exact nor near."""
        pairs = zip(self.prompts, self.kinds, strict=True)
        return [prompt for prompt, kind in pairs if kind == "none"]


def contamination(
    prompts: Sequence[Prompt],
    training_prompts: Iterable[Turns],
    *,
    hashes: Collection[str] = (),
    threshold: float = THRESHOLD,
) -> Contamination:
    """Find the prompts that are among the training prompts.

    Prompts are compared as words: NFKC, case folded, without punctuation and white space. `exact`
    has the same words; `near` shares with one training prompt at least `threshold` of its distinct
    word 8-grams. Limits: a prompt of fewer than eight words can only be exact, so also one in a
    script without spaces; a paraphrase is not found.

    Args:
        prompts: of a suite.
        training_prompts: text or messages; read once.
        hashes: of further training prompts (`prompt_hash`): they find the same words only.
        threshold: share of a prompt's n-grams, in (0, 1].

    Raises:
        DataError: the threshold is out of range.
    """
    if not 0 < threshold <= 1:
        raise DataError(f"contamination: expected a threshold in (0, 1], got {threshold:g}")
    words = [words_of(one.prompt) for one in prompts]
    grams = [_grams(one) for one in words]
    exact, shared = _search(words, grams, training_prompts)
    if hashes:
        exact |= {own for own in words if own and _hash(own) in hashes}
    overlaps = tuple(
        1.0 if own in exact else count / len(found) if found else 0.0
        for own, found, count in zip(words, grams, shared, strict=True)
    )
    kinds = tuple(
        "exact" if own in exact else "near" if overlap >= threshold else "none"
        for own, overlap in zip(words, overlaps, strict=True)
    )
    return Contamination(tuple(prompts), kinds, overlaps)


def _search(
    words: Sequence[Words], grams: Sequence[set[Words]], training_prompts: Iterable[Turns]
) -> tuple[set[Words], list[int]]:
    """Return the word lists that are there, and each one's most n-grams in one training prompt."""
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


def prompt_hash(prompt: Turns) -> str:
    """Return the 64-bit BLAKE2 of a prompt's words (as they are compared), 16 hex digits."""
    return _hash(words_of(prompt))


def _hash(words: Words) -> str:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=8).hexdigest()


def write_train_prompts(prompts: Iterable[Turns], folder: Path | str) -> None:
    """Write the sorted distinct hashes of training prompts into a checkpoint's folder."""
    hashes = tuple(sorted(set(map(prompt_hash, prompts))))
    TrainPrompts(hashes).write(Path(folder) / TRAIN_PROMPTS)


def read_train_prompts(folder: Path | str) -> frozenset[str]:
    """Read the hashes that lie in a checkpoint's folder.

    Raises:
        DataError: naming file and field, if they are not there or of another form.
    """
    return frozenset(TrainPrompts.read(Path(folder) / TRAIN_PROMPTS).hashes)


def words_of(prompt: Turns) -> Words:
    """Return a prompt's words, folded as they are compared."""
    text = (
        prompt
        if isinstance(prompt, str)
        else "\n".join(str(message.get("content") or "") for message in prompt)
    )
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _grams(words: Words) -> set[Words]:
    return {words[start : start + NGRAM] for start in range(len(words) - NGRAM + 1)}
