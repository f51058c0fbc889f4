"""Many sequences scored without gradient: which share a batch, and in which layout.

Each gets the score that the plain class gives it alone, whatever else is in the call.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from trueward.errors import ModelError
from trueward.models.head import unwrap
from trueward.models.readout import (
    ReadOut,
    TokenMatrix,
    class_difference,
    evaluating,
    joined,
    layout_difference,
    pad_right,
    read_out,
    read_trees,
)
from trueward.models.trees import plan_rows, tree_batches
from trueward.models.width import check_repeatable, forget_lengths, length_kind

CPU_TOKENS = 1024
"""Of padded rows in a batch on a CPU: more only adds padding, and memory that is mapped anew."""
LAYOUTS = ("tree", "padded", "equal", "alone")
"""Fastest first: shared starts once, rows sorted by length, rows of one length, one row a batch."""
PROVEN_ON = 3
"""Rows of a training batch that are also read one by one."""


def score_sequences(
    model: nn.Module,
    sequences: Sequence[Sequence[int]],
    *,
    pad_token_id: int,
    groups: Sequence[int] | None = None,
    batch_tokens: int = 4096,
    states: bool = False,
    layout: str | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> ReadOut:
    """Return rewards of token-id sequences, without gradient, in float32 on the CPU.

    With `states` hidden states come too, as read by the head and before the final norm; without,
    the hidden states have no columns.

    Sequences of one group share what they have in common at their start: it is computed once.
    `layout` is one of `LAYOUTS`; without it `settle_layout` chooses. A batch holds at most
    `batch_tokens` tokens; a longer sequence goes alone. `advance` is told the number of sequences
    after each batch.

    Raises:
        ModelError: as `settle_layout`.
    """
    groups = range(len(sequences)) if groups is None else groups
    layout = settle_layout(model, sequences, pad_token_id) if layout is None else layout
    if layout != "tree" and _input_device(model).type == "cpu":
        batch_tokens = min(batch_tokens, CPU_TOKENS)
    with evaluating(model), torch.no_grad():
        return _read_all(
            model, layout, sequences, groups, batch_tokens, pad_token_id, states, advance
        )


def settle_layout(model: nn.Module, sequences: Sequence[Sequence[int]], pad_token_id: int) -> str:
    """Return the first of `LAYOUTS` that gives this model the scores of sequences read alone.

    Tried on the longest sequence and on others made of its parts, which begin and end as it does;
    four lengths in a row, since some classes pool blocks of two or four tokens.

    Raises:
        ModelError: the class's logits are not what is read, or change from time to time.
    """
    check_repeatable(unwrap(model).config)
    whole = list(sequences[max(range(len(sequences)), key=lambda i: len(sequences[i]))])
    half, quarter = len(whole) // 2, len(whole) // 4
    rows = [whole, whole[:quarter] + whole[half:]]
    rows += [whole[: max(half - less, 0)] + whole[-1:] for less in range(4)]
    groups, tokens = [0] * len(rows), len(rows) * len(whole)
    with evaluating(model), torch.no_grad():
        _check_class(model, whole, pad_token_id)
        plain = _read_all(model, "alone", rows, groups, tokens, pad_token_id, True)
        if not torch.isfinite(plain.hidden).all() or not torch.isfinite(plain.rewards).all():
            return "alone"  # there is nothing to compare
        for layout in LAYOUTS:
            try:
                read = _read_all(model, layout, rows, groups, tokens, pad_token_id, True)
            except Exception:  # noqa: BLE001 (whatever a foreign model's code raises)
                continue
            if layout_difference(plain, read, half=_half(model)) is None:
                return layout
    raise ModelError(f"{type(unwrap(model)).__name__} scores a sequence anew each time it reads it")


def _check_class(model: nn.Module, sequence: Sequence[int], pad_token_id: int) -> None:
    forget_lengths(model)
    ids, mask = (matrix.to(_input_device(model)) for matrix in pad_right([sequence], pad_token_id))
    reason = class_difference(model, ids, mask)
    if reason is not None:
        raise ModelError(f"the model's rewards cannot be read: {reason}")


@torch.no_grad()
def width_dependence(
    model: nn.Module, input_ids: TokenMatrix, attention_mask: TokenMatrix, *, half: bool
) -> str | None:
    """Return in words why scores of a padded batch are not those of its rows alone, or None.

    `half` as in `layout_difference`.
    """
    lengths = attention_mask.sum(dim=1).tolist()
    shortest = sorted(range(len(lengths)), key=lambda i: lengths[i])
    some = [shortest[i % len(shortest)] for i in range(PROVEN_ON)]  # as many passes on all ranks
    alone = [
        read_out(model, input_ids[[i], : lengths[i]], attention_mask[[i], : lengths[i]])
        for i in some
    ]
    together = read_out(model, input_ids, attention_mask)
    kind = length_kind(model)
    if kind(max(lengths)) != kind(1):
        return f"its rotary frequencies follow the longest row, here {max(lengths)} tokens"
    plain = joined(alone, torch.arange(len(some), device=input_ids.device))
    padded = ReadOut(together.rewards[some], together.hidden[some])
    return layout_difference(plain, padded, half=half)


def _read_all(
    model: nn.Module,
    layout: str,
    sequences: Sequence[Sequence[int]],
    groups: Sequence[int],
    batch_tokens: int,
    pad_token_id: int,
    states: bool,
    advance: Callable[[int], object] = lambda count: None,
) -> ReadOut:
    batches = list(_batches(model, layout, sequences, groups, batch_tokens))
    reads: list[ReadOut] = []
    for batch in batches:
        rows, of = [sequences[i] for i in batch], [groups[i] for i in batch]
        reads.append(_on_cpu(_read_rows(model, layout, rows, of, pad_token_id, states), states))
        advance(len(batch))
    order = [i for batch in batches for i in batch]
    return joined(reads, torch.argsort(torch.tensor(order, dtype=torch.long)))


def _batches(
    model: nn.Module,
    layout: str,
    sequences: Sequence[Sequence[int]],
    groups: Sequence[int],
    batch_tokens: int,
) -> Iterator[list[int]]:
    """Yield indices in batches, none of which holds sequences that would change each other."""
    kind = length_kind(model)
    together: dict[tuple[int, ...], list[int]] = {}
    for index, sequence in enumerate(sequences):
        apart = {"equal": (len(sequence),), "alone": (index,)}.get(layout, kind(len(sequence)))
        together.setdefault(apart, []).append(index)
    cut = tree_batches if layout == "tree" else length_batches
    for indices in together.values():
        rows, of = [sequences[i] for i in indices], [groups[i] for i in indices]
        for batch in cut(rows, of, batch_tokens):
            yield [indices[i] for i in batch]


def _read_rows(
    model: nn.Module,
    layout: str,
    rows: Sequence[Sequence[int]],
    groups: Sequence[int],
    pad_token_id: int,
    before_norm: bool,
) -> ReadOut:
    forget_lengths(model)
    device = _input_device(model)
    if layout == "tree":
        return read_trees(model, plan_rows(rows, groups).to(device), before_norm=before_norm)
    ids, mask = pad_right(rows, pad_token_id)
    return read_out(model, ids.to(device), mask.to(device), before_norm=before_norm)


def _on_cpu(read: ReadOut, states: bool) -> ReadOut:
    if not states:
        return ReadOut(read.rewards.cpu(), torch.empty(len(read.rewards), 0), None)
    before_norm = None if read.before_norm is None else read.before_norm.float().cpu()
    return ReadOut(read.rewards.cpu(), read.hidden.float().cpu(), before_norm)


def _input_device(model: nn.Module) -> torch.device:
    """Return the device that token ids go to: the embedding's, where parts lie on several."""
    plain = unwrap(model)
    spread = getattr(plain, "hf_device_map", None) is not None
    weight = plain.get_input_embeddings().weight if spread else next(model.parameters())
    return torch.device("cpu") if weight.is_meta and spread else weight.device


def _half(model: nn.Module) -> bool:
    return any(parameter.dtype.itemsize == 2 for parameter in model.parameters())


def length_batches(
    sequences: Sequence[Sequence[int]], _groups: Sequence[int], batch_tokens: int
) -> Iterator[list[int]]:
    """Yield indices by falling length, cut where width times rows would pass the budget."""
    batch: list[int] = []
    for index in sorted(range(len(sequences)), key=lambda i: -len(sequences[i])):
        if batch and (len(batch) + 1) * len(sequences[batch[0]]) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
