"""The pad token: one that no sequence ends with."""

import sys
from collections.abc import Collection, Iterable

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trueward.errors import ModelError

PAD_NAMES = ("<|pad|>", "<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>")
NEW_PAD = "<|pad|>"
SPACES = ("Ġ", "▁")
"""Written by tokenizers for the space before a word, and found in no text."""


def ensure_distinct_pad(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    *,
    endings: Collection[int] = (),
    grow: bool = True,
) -> str | None:
    """Give tokenizer and model a pad token that no sequence ends with; return what was done.

    `AutoModelForSequenceClassification` reads a decoder at the last token that is not
    `pad_token_id`. If pad is also EOS, or whatever closes an answer, that class reads one token
    early and scores differently from training.

    Args:
        tokenizer: changed in place where another pad token is needed.
        model: its `pad_token_id` is set, and its embedding grown if the new token needs a row.
        endings: token ids that the data is known to end with, beyond EOS and the template's end.
        grow: False for an adapter, whose base keeps its embedding: the pad token is then one that
            has a row there. Padding is masked, so its row never counts.

    Returns:
        One line for people when the pad token was chosen or replaced, else None.

    Raises:
        ModelError: every token that could be one is taken.
    """
    taken = _possible_endings(tokenizer, model) | set(endings)
    before, known = tokenizer.pad_token, tokenizer.pad_token_id
    rows = _embedding_rows(model)
    lacks_row = not grow and known is not None and known >= rows
    if before is None or known in taken or lacks_row:
        tokenizer.pad_token = _spare_token(tokenizer, taken, sys.maxsize if grow else rows)
    config = model.config.get_text_config()
    config.pad_token_id = tokenizer.pad_token_id
    if tokenizer.pad_token_id >= rows:
        model.resize_token_embeddings(tokenizer.pad_token_id + 1, mean_resizing=False)
    if tokenizer.pad_token == before:
        return None
    why = f"{before!r} {'has no row in the base' if lacks_row else 'can end a response'}"
    why = "there was none" if before is None else why
    kept = "" if grow else "; an adapter adds no token to its base, so one that ends nothing is it"
    return f"pad token is now {tokenizer.pad_token!r} (id {tokenizer.pad_token_id}): {why}{kept}"


def _embedding_rows(model: PreTrainedModel) -> int:
    """Return the number of token ids that the model knows; Canine, which hashes them, takes any."""
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return sys.maxsize
    # not its weight's length: ZeRO-3 leaves none on a rank
    rows: int = table.num_embeddings if hasattr(table, "num_embeddings") else len(table.weight)
    return rows


def _possible_endings(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> set[int]:
    eos = getattr(model.config.get_text_config(), "eos_token_id", None)
    ids = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])}
    if tokenizer.chat_template is not None:
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        ids.add(tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)[-1])
    return {i for i in ids if i is not None}


def _spare_token(tokenizer: PreTrainedTokenizerBase, taken: set[int], rows: int) -> str:
    """Return a token with an id below `rows` that no sequence ends with."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()

    def free(tokens: Iterable[str]) -> str | None:
        ids = ((token, vocabulary.get(token, rows)) for token in tokens)
        return next((token for token, id in ids if id < rows and id not in taken), None)

    reserved = sorted(t for t in vocabulary if t.startswith(("<|reserved", "<unused", "<|extra_")))
    named = free((*PAD_NAMES, *reserved))
    if named is not None:
        return named
    if max(vocabulary.values()) + 1 < rows:
        if tokenizer.add_special_tokens({"pad_token": NEW_PAD}) != 1:
            raise ModelError(
                f"could not add the pad token {NEW_PAD!r}; set tokenizer.pad_token yourself"
            )
        return NEW_PAD
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    special.sort(key=lambda t: (t == tokenizer.bos_token) - (t == tokenizer.unk_token))
    rarest_first = sorted(vocabulary, key=lambda token: -vocabulary[token])
    # not any word: as a special token it would be cut out of longer ones
    stand_in = free((*special, *(token for token in rarest_first if token.startswith(SPACES))))
    if stand_in is None:
        raise ModelError(
            "an adapter needs a pad token among the base's own, and sequences end with each that "
            "could be one; add a pad token to the base and its tokenizer, or train without adapter"
        )
    return stand_in
