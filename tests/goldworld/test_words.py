"""The vocabulary's splits do not meet, and no word has two roles that gold could confuse."""

from itertools import chain

import pytest

from trueward.goldworld import words

POOLS = {
    "topics": words.TOPICS,
    "adjectives": words.ADJECTIVES,
    "phrasings": words.PHRASINGS,
    "openers": words.OPENERS,
    "fillers": words.FILLERS,
    "closers": words.CLOSERS,
    **words.VALUES,
}


@pytest.mark.parametrize("name", POOLS)
def test_splits_are_disjoint(name: str) -> None:
    pool = POOLS[name]
    assert pool.train
    assert pool.held_out
    assert not set(pool.train) & set(pool.held_out)


def test_a_word_has_one_role() -> None:
    roles = [
        *words.TOPICS.all,
        *words.ADJECTIVES.all,
        *words.KEY_BY_WORD,
        *chain.from_iterable(pool.all for pool in words.VALUES.values()),
    ]
    assert len(roles) == len(set(roles))
    style = " ".join(p for pool in (words.OPENERS, words.FILLERS, words.CLOSERS) for p in pool.all)
    plain = style.replace("{adjective}", "").replace(".", " ").replace(",", " ").split()
    assert not set(plain) & set(roles)
