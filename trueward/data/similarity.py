"""The likeness of two responses, by one stated measure that no model enters."""

import math
import re
from collections import Counter
from itertools import pairwise

from datasets import Dataset

from trueward.data.messages import plain_text

_WORD = re.compile(r"\w+|[^\w\s]")


def bigram_cosine(first: str, second: str) -> float:
    """Return the cosine of the counts of word bigrams, in [0, 1].

    Words are lower-cased runs of letters and digits, or single marks; the text's beginning and end
    count as words, so that every text has a bigram.

        cos = Σ_g a_g b_g / √(Σ_g a_g² · Σ_g b_g²)
    """
    a, b = _bigrams(first), _bigrams(second)
    product = sum(count * b[bigram] for bigram, count in a.items())
    return product / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))


def most_similar(pairs: Dataset, share: float = 0.25) -> Dataset:
    """Return the share of pairs whose responses are most alike, at least one, in their order.

    Measured by `bigram_cosine` of `chosen` and `rejected`; of equals the earlier goes first.
    """
    likeness = [
        bigram_cosine(plain_text(chosen), plain_text(rejected))
        for chosen, rejected in zip(pairs["chosen"], pairs["rejected"], strict=True)
    ]
    count = max(1, int(share * len(pairs)))
    ranked = sorted(range(len(pairs)), key=lambda row: (-likeness[row], row))
    return pairs.select(sorted(ranked[:count]))


def _bigrams(text: str) -> Counter[tuple[str, str]]:
    return Counter(pairwise(["", *_WORD.findall(text.lower()), ""]))
