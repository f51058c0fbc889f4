"""A small Llama-type decoder with random weights and a tokenizer of its own, in the hub's format.

    python examples/make_small_decoder.py TEXTS.jsonl.gz OUT_DIR

The byte-level BPE tokenizer is trained on the texts; the model has learnt nothing. It serves to
show a whole path (conversations, chat template, padding, saving) where no hub is at hand.
"""

import argparse
from collections.abc import Iterator

import torch
from datasets import Dataset
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trueward.data import load_rows

SPECIAL = ["<|pad|>", "<|end|>"]


def texts(rows: Dataset) -> Iterator[str]:
    for row in rows:
        yield str(row["chosen"])
        yield str(row["rejected"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", help="pairs with the columns chosen and rejected")
    parser.add_argument("out", help="folder of the model and tokenizer")
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--hidden_size", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    args = parser.parse_args()

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        texts(load_rows(args.texts)), vocab_size=args.vocabulary, special_tokens=SPECIAL
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, pad_token=SPECIAL[0], eos_token=SPECIAL[1]
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=args.hidden_size,
        intermediate_size=3 * args.hidden_size,
        num_hidden_layers=args.layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)


if __name__ == "__main__":
    main()
