"""Sequences padded on the right: the pad token, and batches and chunks that waste little on it.

`AutoModelForSequenceClassification` reads a decoder at the last token that is not `pad_token_id`.
If pad is also EOS, or whatever closes an answer, that class reads one token early and scores
differently from training. So such a pad token is replaced, said and recorded.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trueward.errors import ModelError

PAD_NAMES = ("<|pad|>", "<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>")
NEW_PAD = "<|pad|>"
_PASS = 64
"""Padded tokens that cost about what one more forward pass costs."""


def ensure_distinct_pad(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    *,
    endings: Collection[int] = (),
) -> str | None:
    """Give tokenizer and model a pad token that no sequence ends with; return what was done.

    Args:
        tokenizer: changed in place where a new pad token is needed.
        model: its `pad_token_id` is set, and its embedding grown if the new token needs a row.
        endings: token ids that the data is known to end with, beyond EOS and the template's end.

    Returns:
        One line for people when the pad token was chosen or replaced, else None.
    """
    taken = _possible_endings(tokenizer, model) | set(endings)
    before = tokenizer.pad_token
    if before is None or tokenizer.pad_token_id in taken:
        tokenizer.pad_token = _spare_token(tokenizer, taken)
    config = model.config.get_text_config()
    config.pad_token_id = tokenizer.pad_token_id
    rows = model.get_input_embeddings().num_embeddings
    if tokenizer.pad_token_id >= rows:
        model.resize_token_embeddings(tokenizer.pad_token_id + 1, mean_resizing=False)
    if tokenizer.pad_token == before:
        return None
    why = "there was none" if before is None else f"{before!r} can end a response"
    return f"pad token is now {tokenizer.pad_token!r} (id {tokenizer.pad_token_id}): {why}"


def _possible_endings(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> set[int]:
    eos = model.config.get_text_config().eos_token_id
    ids = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])}
    if tokenizer.chat_template is not None:
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        ids.add(tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)[-1])
    return {i for i in ids if i is not None}


def _spare_token(tokenizer: PreTrainedTokenizerBase, taken: set[int]) -> str:
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    reserved = sorted(t for t in vocabulary if t.startswith(("<|reserved", "<unused", "<|extra_")))
    for token in (*PAD_NAMES, *reserved):
        if token in vocabulary and vocabulary[token] not in taken:
            return token
    if tokenizer.add_special_tokens({"pad_token": NEW_PAD}) != 1:
        raise ModelError(
            f"could not add the pad token {NEW_PAD!r}; set tokenizer.pad_token yourself"
        )
    return NEW_PAD


def pad_right(
    sequences: Sequence[Sequence[int]], pad_token_id: int, multiple: int = 1
) -> tuple[Int[Tensor, "sequences tokens"], Int[Tensor, "sequences tokens"]]:
    """Return token ids and mask, padded on the right to the longest, rounded up to a multiple."""
    width = -(-max(len(s) for s in sequences) // multiple) * multiple
    ids = torch.full((len(sequences), width), pad_token_id, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(list(sequence), dtype=torch.long)
        mask[row, : len(sequence)] = 1
    return ids, mask


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


def length_chunks(lengths: Sequence[int], most: int, *, exactly: bool = False) -> list[list[int]]:
    """Return indices in chunks that waste the least padding.

    Solved by dynamic programming over sorted lengths. At most `most` chunks, a further one only
    where it spares `_PASS` tokens; with `exactly`, that many whatever they spare.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    ordered = np.asarray([lengths[i] for i in order])
    most = min(most, len(order))
    cost = np.full((most + 1, len(order) + 1), np.inf)
    cost[0, 0] = 0
    cut = np.zeros((most + 1, len(order) + 1), dtype=np.int64)
    for count in range(1, most + 1):
        for stop in range(count, len(order) + 1):
            starts = np.arange(stop)
            tries = cost[count - 1, :stop] + (stop - starts) * ordered[:stop]
            cut[count, stop] = tries.argmin()
            cost[count, stop] = tries.min()
    counts = np.arange(most + 1)
    best = most if exactly else int((cost[:, -1] + _PASS * counts).argmin())
    edges = [len(order)]
    for left in range(best, 0, -1):
        edges.append(int(cut[left, edges[-1]]))
    return [order[start:stop] for start, stop in pairwise(edges[::-1])]
