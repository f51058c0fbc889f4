"""A word-level tokenizer over forty words, and pairs of them."""

import random

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

WORDS = [f"w{i}" for i in range(40)]


def tokenizer(*, pad: str | None = "<pad>") -> PreTrainedTokenizerFast:
    """Ids 0 to 3 are <pad>, <bos>, <eos>, <unk>; `pad=None` sets none, "<eos>" is the bad habit."""
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<bos>", "<eos>", "<unk>", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        pad_token=pad,
        model_max_length=64,
    )


def pairs(count: int, seed: int = 0, longest: int = 8) -> Dataset:
    """Chosen responses hold only even words, rejected ones only odd ones: learnable."""
    rng = random.Random(seed)

    def text(words: list[str]) -> str:
        return " ".join(rng.choice(words) for _ in range(rng.randint(1, longest)))

    return Dataset.from_dict(
        {
            "prompt": [text(WORDS) + " " for _ in range(count)],
            "chosen": [text(WORDS[::2]) for _ in range(count)],
            "rejected": [text(WORDS[1::2]) for _ in range(count)],
        }
    )
