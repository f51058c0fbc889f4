"""A pad token that nothing can end with.

`AutoModelForSequenceClassification` reads a decoder at the last token that is not
`pad_token_id`. If pad is also EOS, or whatever closes an answer, that class reads one token early
and scores differently from training. So such a pad token is replaced, said and recorded.
"""

from collections.abc import Collection

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trueward.errors import ModelError

PAD_NAMES = ("<|pad|>", "<pad>", "[PAD]", "<|padding|>", "<|finetune_right_pad_id|>")
NEW_PAD = "<|pad|>"


def ensure_distinct_pad(
    tokenizer: PreTrainedTokenizerBase,
    model: PreTrainedModel,
    *,
    endings: Collection[int] = (),
) -> str | None:
    """Give tokenizer and model a pad token that no sequence ends with; returns what was done.

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
    vocabulary = tokenizer.get_vocab()
    reserved = sorted(t for t in vocabulary if t.startswith(("<|reserved", "<unused", "<|extra_")))
    for token in (*PAD_NAMES, *reserved):
        if token in vocabulary and vocabulary[token] not in taken:
            return token
    if tokenizer.add_special_tokens({"pad_token": NEW_PAD}) != 1:
        raise ModelError(
            f"could not add the pad token {NEW_PAD!r}; set tokenizer.pad_token yourself"
        )
    return NEW_PAD
