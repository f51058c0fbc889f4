"""Which prompts, sources and responses are held out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trueward.data.cells import check_sources
from trueward.data.groups import Group
from trueward.errors import DataError

_PROMPTS, _SOURCES, _HALVES = range(3)
"""Separate random streams of one seed, so that one number asked for does not move the rest."""


@dataclass(frozen=True)
class Partition:
    """Five disjoint sets of (prompt, source) cells, each in the same random order of prompts."""

    train: list[Group]
    in_domain: list[Group]
    """Training prompts and sources: the half of the cells that training does not use."""
    prompt_disjoint: list[Group]
    response_disjoint: list[Group]
    mutual_disjoint: list[Group]
    train_sources: tuple[str, ...]
    held_out_sources: tuple[str, ...]


def partition(
    groups: Sequence[Group],
    prompts: float | int,
    sources: float | int | Sequence[str],
    seed: int,
    name: str,
) -> Partition:
    """Hold out prompts and sources, and half of the training sources on each training prompt.

    Raises:
        DataError: a share that leaves nothing on one side, or an unknown source.
    """
    order = np.random.default_rng([seed, _PROMPTS]).permutation(len(groups))
    count = _count(prompts, len(groups), "prompts", name)
    held_out, shared = ([groups[i] for i in part] for part in (order[:count], order[count:]))
    present = sorted({r.source for group in groups for r in group.responses if r.source})
    held_out_sources = _held_out_sources(present, sources, seed, name)
    train_sources = tuple(source for source in present if source not in held_out_sources)
    known = [_restricted(group, train_sources) for group in shared]
    halves = [_half(group, seed, number) for number, group in enumerate(known)]
    return Partition(
        train=[_restricted(g, half) for g, half in zip(known, halves, strict=True)],
        in_domain=[_without(g, half) for g, half in zip(known, halves, strict=True)],
        prompt_disjoint=[_restricted(group, train_sources) for group in held_out],
        response_disjoint=[_restricted(group, held_out_sources) for group in shared],
        mutual_disjoint=[_restricted(group, held_out_sources) for group in held_out],
        train_sources=train_sources,
        held_out_sources=held_out_sources,
    )


def _held_out_sources(
    present: Sequence[str], asked: float | int | Sequence[str], seed: int, name: str
) -> tuple[str, ...]:
    if isinstance(asked, int | float):
        count = _count(asked, len(present), "sources", name)
        drawn = np.random.default_rng([seed, _SOURCES]).permutation(len(present))[:count]
        return tuple(sorted(present[i] for i in drawn))
    check_sources(asked, present, name)
    _count(len(set(asked)), len(present), "sources", name)
    return tuple(sorted(set(asked)))


def _count(asked: float | int, total: int, what: str, name: str) -> int:
    """A share (float) or a number (int) of `total`, leaving at least one on both sides."""
    count = round(asked * total) if isinstance(asked, float) else asked
    if not 0 < count < total:
        raise DataError(
            f"{name}: holding out {asked:g} of {total} {what} leaves nothing on one side; "
            "expected a share between 0 and 1 (as 0.25) or a smaller number (as 10)"
        )
    return count


def _half(group: Group, seed: int, number: int) -> set[str]:
    """The sources whose responses to this prompt may train: a random half, the odd one included."""
    sources = sorted({r.source for r in group.responses if r.source})
    order = np.random.default_rng([seed, _HALVES, number]).permutation(len(sources))
    return {sources[i] for i in order[: (len(sources) + 1) // 2]}


def _restricted(group: Group, sources: Collection[str]) -> Group:
    return replace(group, responses=tuple(r for r in group.responses if r.source in sources))


def _without(group: Group, sources: Collection[str]) -> Group:
    return replace(group, responses=tuple(r for r in group.responses if r.source not in sources))
