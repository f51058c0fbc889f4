"""The world's word-level tokenizer, and the path of the packaged base model."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trueward.goldworld import words
from trueward.goldworld.writers import CORRECTION, train_writers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BASE_PATH: Final = Path(__file__).parent / "base"
"""The packaged base model and its tokenizer, in `save_pretrained` form."""
PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
MAX_LENGTH: Final = 160
"""Tokens of the longest prompt with the longest response, <eos> included."""
_PROMPT_WORDS: Final = "the as a in list prose at most words without word facts answer"


def build_tokenizer() -> "PreTrainedTokenizerFast":
    """Build a lower-casing word-level tokenizer that knows every word of the world.

    A prompt ends in a newline, and white space separates tokens, so prompt + response has the
    tokens of the prompt followed by those of the response. <eos> is not added by itself.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate([PAD, EOS, UNKNOWN, *vocabulary_words()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_LENGTH,
    )


def vocabulary_words() -> list[str]:
    """Return every word and mark, sorted: ids never depend on the order of drawing."""
    phrases = (words.PHRASINGS, words.OPENERS, words.FILLERS, words.CLOSERS)
    pools = (words.TOPICS, words.ADJECTIVES, *phrases, *words.VALUES.values())
    parts = [
        *(phrase for pool in pools for phrase in pool.all),
        *words.VERBS,
        *words.KEY_BY_WORD,
        CORRECTION,
        *map(str, words.BUDGETS),
        _PROMPT_WORDS,
        *(writer.name for writer in train_writers(0.0)),
        "- : , .",
    ]
    text = re.sub(r"\{\w+\}", " ", " ".join(parts)).lower()
    return sorted(set(re.findall(r"\w+|[^\w\s]", text)))
