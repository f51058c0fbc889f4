"""What it costs to prepare pairs for training, beside TRL: first run, repeat, and memory.

    python benchmarks/data_preparation.py [--pairs 20000] [--messages] [--long] [--json out.json]

Each run is a process of its own on one core, with a cache of its own that its repeat finds. Pairs
are AlpacaEval's answers to one instruction (`TRUEWARD_DATA`), numbered so that they differ, or with
`--long` words drawn at random, two kilobytes a pair. The tokenizer is a byte-level BPE trained on
them. Memory is above the process's own after its imports: all of it, and the anonymous part, which
leaves out pages of mapped files.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet
from common import environment, write
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

DATA = Path(os.environ.get("TRUEWARD_DATA", Path(__file__).parents[2] / "shared" / "data"))
END = "<|im_end|>"
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MAX_LENGTH = 2048
CANDIDATES = ("ours", "trl")


def alpaca_pairs(count: int) -> Iterator[dict[str, Any]]:
    """Yield pairs of neighbouring answers to an instruction, over and over, each numbered."""
    table = pyarrow.parquet.read_table(DATA / "alpaca_eval" / "responses.parquet")
    rows = table.sort_by("prompt_id").to_pylist()
    made = [
        (first["instruction"], first["output"], second["output"])
        for first, second in pairwise(rows)
        if first["prompt_id"] == second["prompt_id"] and first["output"] != second["output"]
    ]
    for number in range(count):
        prompt, chosen, rejected = made[number % len(made)]
        yield {"prompt": f"{number}. {prompt}\n\n", "chosen": chosen, "rejected": rejected}


def long_pairs(count: int) -> Iterator[dict[str, Any]]:
    """Yield pairs of two kilobytes of words."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(5000)]
    for number in range(count):
        texts = [" ".join(draw.choices(words, k=k)) for k in (80, 100, 100)]
        yield {"prompt": f"{number} {texts[0]}\n", "chosen": texts[1], "rejected": texts[2]}


def as_messages(pair: dict[str, str]) -> dict[str, Any]:
    """Return the pair as messages."""
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return {key: [{"role": roles[key], "content": text}] for key, text in pair.items()}


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE of up to 32,000 tokens, with ChatML."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|im_start|>", END]
    trainer = trainers.BpeTrainer(
        vocab_size=32_000, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, pad_token=END)
    tokenizer.chat_template = CHATML
    return tokenizer


class Memory:
    """Samples the memory of this process above what it was at the start, in MiB."""

    def __init__(self) -> None:
        self.start = self.most = self._now()
        threading.Thread(target=self._watch, daemon=True).start()

    def above(self) -> dict[str, float]:
        """Return the greatest resident and the greatest anonymous memory so far."""
        return {key: self.most[key] - self.start[key] for key in self.start}

    def _watch(self) -> None:
        while True:
            self.most = {key: max(self.most[key], value) for key, value in self._now().items()}
            time.sleep(0.02)

    def _now(self) -> dict[str, float]:
        lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
        kib = {words[0]: words[1] for words in lines if len(words) > 1}
        return {"resident": int(kib["VmRSS:"]) / 1024, "anonymous": int(kib["RssAnon:"]) / 1024}


def prepare(who: str, file: Path, tokenizer_path: Path) -> dict[str, float]:
    """Read and prepare the pairs as a trainer does; return seconds and MiB."""
    import trl
    from datasets import load_dataset

    from trueward.data import Encoder, encode_pairs, load_rows, to_pairs

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
    args = trl.RewardConfig("unused", max_length=MAX_LENGTH, use_cpu=True, bf16=False)
    memory = Memory()
    start, cpu = time.perf_counter(), time.process_time()
    if who == "trl":
        rows = load_dataset("json", data_files=str(file), split="train")
        loaded = time.perf_counter()
        made = trl.RewardTrainer._prepare_dataset(None, rows, tokenizer, args, "train")
    else:
        rows = load_rows(file)
        loaded = time.perf_counter()
        pairs, _ = to_pairs(rows)
        made, _ = encode_pairs(pairs, Encoder(tokenizer, MAX_LENGTH))
    end = time.perf_counter()
    seconds = {"read": loaded - start, "prepare": end - loaded, "cpu": time.process_time() - cpu}
    return {"pairs": len(made), **seconds, **memory.above()}


def main() -> None:
    """Prepare the same pairs twice by each, in turn; print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--messages", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", choices=CANDIDATES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps(prepare(args.child[0], *map(Path, args.child[1:]))))
        return
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        file, tokenizer = Path(folder) / "pairs.jsonl", Path(folder) / "tokenizer"
        sample: list[str] = []
        with file.open("w", encoding="utf-8") as lines:
            for pair in (long_pairs if args.long else alpaca_pairs)(args.pairs):
                sample += pair.values() if len(sample) < 9_000 else ()
                row = as_messages(pair) if args.messages else pair
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        train_tokenizer(sample).save_pretrained(tokenizer)
        for turn in ("first", "repeat"):
            for who in (args.only,) if args.only else CANDIDATES:
                cache = {"HF_DATASETS_CACHE": f"{folder}/{who}", "TOKENIZERS_PARALLELISM": "false"}
                command = [sys.executable, __file__, "--child", who, str(file), str(tokenizer)]
                done = subprocess.run(
                    command, env=os.environ | cache, stdout=subprocess.PIPE, check=True, text=True
                )
                results[f"{who}, {turn}"] = json.loads(done.stdout.splitlines()[-1])
    rows = [
        [who, f"{r['pairs']:,}", *(f"{r[k]:.1f}" for k in ("read", "prepare", "cpu"))]
        + [f"{r[k]:,.0f}" for k in ("resident", "anonymous")]
        for who, r in results.items()
    ]
    header = ["run", "pairs", "read, s", "prepare, s", "both, CPU s", "peak, MiB", "anonymous, MiB"]
    write(args.json, {"settings": vars(args) | {"json": None}, "runs": results}, header, rows)
    print(environment())


if __name__ == "__main__":
    main()
