"""Tokenizers and rows that the tests of `trueward.data` share."""

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

WORDS = ["a", "b", "c", "d", "e", "f", "g", "h", "user", "assistant", "system", ":", "hi", "yes"]
SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "<s>", "</s>"]
IDS = {token: i for i, token in enumerate([*SPECIAL, *WORDS])}

CHATML = (
    "{% for m in messages %}<s>{{ m['role'] }} {{ m['content'] }}</s> {% endfor %}"
    "{% if add_generation_prompt %}<s>assistant {% endif %}"
)
"""Opens and closes each turn by a token of its own."""


def words(frame: str = "", **special: Any) -> PreTrainedTokenizerFast:
    """A word-level tokenizer; `frame` is what it puts around text, as "[CLS] $A [SEP]"."""
    inner = Tokenizer(models.WordLevel(dict(IDS), unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    inner.add_special_tokens(SPECIAL)
    if frame:
        own = [(token, IDS[token]) for token in frame.split() if token in IDS]
        inner.post_processor = processors.TemplateProcessing(single=frame, special_tokens=own)
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", **special
    )


def decoder_words() -> PreTrainedTokenizerFast:
    """EOS known, nothing added by itself (as Qwen)."""
    return words(eos_token="</s>")


def bos_words() -> PreTrainedTokenizerFast:
    """BOS added by itself, EOS known (as Llama)."""
    return words("<s> $A", bos_token="<s>", eos_token="</s>")


def bert_words() -> PreTrainedTokenizerFast:
    """[CLS] … [SEP] added by itself, no EOS (as BERT)."""
    return words("[CLS] $A [SEP]", cls_token="[CLS]", sep_token="[SEP]")


def closing_words() -> PreTrainedTokenizerFast:
    """EOS added by itself (as T5)."""
    return words("$A </s>", eos_token="</s>")


def byte_bpe(*special: str, **names: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE with a merge across the end of "the" (as GPT-2); `special` come first."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("Ġ", "a"), ("the", "n")]
    tokens = [*(special or ["<eos>"]), *alphabet, *("".join(merge) for merge in merges)]
    inner = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<eos>", **names)


def ids(text: str) -> list[int]:
    """Ids of words and special tokens separated by spaces."""
    return [IDS[token] for token in text.split()]


def turns(*contents: str) -> list[dict[str, str]]:
    """Messages of user and assistant in turn."""
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


def scored_grid(prompts: int, sources: int) -> list[dict[str, Any]]:
    """One response a row; the score is the source's number and a tenth of the prompt's."""
    return [
        {
            "prompt_id": f"p{p}",
            "instruction": f"question {p}",
            "generator": f"m{s}",
            "output": f"answer {p} of {s}",
            "score": s + p / 10,
        }
        for p in range(prompts)
        for s in range(sources)
    ]
