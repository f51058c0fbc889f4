"""Export for the official `rewardbench` package 0.1.4, which pins transformers 4.51.0."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from trueward.data import PairingReport, load_rows, to_messages, to_pairs
from trueward.errors import DataError, ModelError, reason
from trueward.export.transformers_4 import config_4, read_plain, save_tokenizer, write_plain
from trueward.models import ADAPTER_FILE, checkpoint_file, pooling_of, read_object
from trueward.runs import Run, RunKind, written_aside
from trueward.scorer import RECORD_FILE, Scorer
from trueward.types import Message, Row, Turns

Pair = dict[str, list[Message]]

PAIRS_FILE = "pairs.jsonl"
MARK = "exported_for"
"""The key of `trueward.json` that only exports have."""
EXPORT_RUN = RunKind(
    foreign="is not empty; choose another, or give --overwrite",
    marks=((RECORD_FILE, MARK),),
    irremovable="holds no export of ours; --overwrite will not remove it; choose another",
)
_MODEL_TYPES = """
albert bart bert big_bird bigbird_pegasus biogpt bloom camembert code_llama convbert ctrl
data2vec-text deberta deberta-v2 diffllama distilbert electra ernie esm falcon flaubert fnet
funnel gemma gemma2 glm gpt-sw3 gpt2 gpt_bigcode gpt_neo gpt_neox gptj helium ibert jamba
jetmoe layoutlm led lilt llama longformer luke markuplm mbart megatron-bert mistral mixtral
mobilebert modernbert mpnet mpt mra mt5 mvp nemotron nystromformer openai-gpt opt persimmon phi
phi3 phimoe plbart qwen2 qwen2_moe qwen3 qwen3_moe reformer rembert roberta
roberta-prelayernorm roc_bert roformer squeezebert stablelm starcoder2 t5 umt5 xlm xlm-roberta
xlm-roberta-xl xlnet xmod yoso zamba zamba2
"""
MODEL_TYPES = frozenset(_MODEL_TYPES.split())
"""Text models with a `*ForSequenceClassification` class in transformers 4.51.0."""


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    folder: Path
    changes: tuple[str, ...]
    """Differences from the checkpoint and notices, a line each."""
    command: str
    """The shell line that runs the target on it."""
    pairs: int | None = None
    """The number of pairs converted; None without data."""


def export_for_rewardbench(
    checkpoint: str,
    folder: Path,
    *,
    data: str | None = None,
    overwrite: bool = False,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Exported:
    """Write a checkpoint that `rewardbench` scores as `Scorer` does on the same messages.

    An adapter is merged, in float32, so that merging rounds nothing. `data` becomes the JSONL file
    that `--load_json` reads. The package truncates nothing, so over-length sequences get other
    scores. `revision` is that of a hub name.

    Raises:
        OutputExistsError: the folder holds something.
        ModelError: no reward model, one that transformers 4.51 lacks, or no pad token.
        DataError: pairs that the package would change.
    """
    run = Run(folder, EXPORT_RUN)
    if overwrite and run.occupied():
        read_object(str(folder), RECORD_FILE)  # ModelError for a damaged one
    run.claim(overwrite=overwrite)
    code: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    _check_model(checkpoint, code)
    read_in, report = read_pairs(data) if data is not None else (None, None)
    adapter = checkpoint_file(checkpoint, ADAPTER_FILE, revision=revision) is not None
    scorer = Scorer.from_pretrained(
        checkpoint, device="cpu", dtype="float32" if adapter else "auto", **code
    )
    changes = ["adapter merged into its base, in float32"] if adapter else []
    if adapter:
        scorer.model = scorer.model.merge_and_unload()
    with written_aside(folder) as aside:
        changes += _save_model(scorer.model, aside) + save_tokenizer(scorer, aside)
        record = read_object(checkpoint, RECORD_FILE, revision=revision) | {MARK: "rewardbench"}
        write_plain(aside / RECORD_FILE, record)
        if read_in is not None:
            lines = (json.dumps(pair, ensure_ascii=False) + "\n" for pair in read_in)
            (aside / PAIRS_FILE).write_text("".join(lines), encoding="utf-8")
    if report is not None:
        changes.append(f"{PAIRS_FILE}: {report}")
    changes += _over_length(scorer, read_in or [])
    command = _command(scorer.model, folder, with_data=data is not None)
    return Exported(folder, tuple(changes), command, None if read_in is None else len(read_in))


def _check_model(checkpoint: str, code: dict[str, Any]) -> None:
    try:
        config = AutoConfig.from_pretrained(checkpoint, **code)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read a model at {checkpoint!r}: {reason(error)}") from error
    if config.model_type not in MODEL_TYPES:
        raise ModelError(
            f"{checkpoint} is a {config.model_type}, for which transformers 4.51.0, pinned by "
            "rewardbench 0.1.4, has no ForSequenceClassification class; score it with Trueward's "
            "suites"
        )
    if config.pad_token_id is None:
        raise ModelError(
            f"{checkpoint} has no pad_token_id in its config: rewardbench would pad with EOS and "
            "read one token early; set one that no response ends with (training does)"
        )


def _save_model(model: Any, folder: Path) -> list[str]:
    model.save_pretrained(folder)
    file = folder / "config.json"
    before = read_plain(file)
    after = config_4(before)
    write_plain(file, after)
    old, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    return [f"config.json: {', '.join(old)} became {', '.join(new)}"] if old else []


def _over_length(scorer: Scorer, pairs: list[Pair]) -> list[str]:
    sides: list[Turns] = [pair[side] for pair in pairs for side in ("chosen", "rejected")]
    over = sum(scorer.encoder.excess(scorer.encode(side[:-1], side[-1:])) > 0 for side in sides)
    if not over:
        return []
    return [
        f"{over:,} of {len(sides):,} sequences are longer than max_length="
        f"{scorer.encoder.max_length}: rewardbench does not truncate them"
    ]


def _command(model: Any, folder: Path, *, with_data: bool) -> str:
    """Return the shell line; with batches of one where left padding would change the scores."""
    rotary = getattr(model.config, "rope_parameters", None) is not None
    words = ["rewardbench", f"--model={folder}"]
    if with_data:
        words += [f"--dataset={folder / PAIRS_FILE}", "--load_json"]
    words += ["--not_quantized", "--torch_dtype=float32"]
    if not rotary or pooling_of(model) != "last":
        words.append("--batch_size=1")
    return shlex.join(words)


def read_pairs(source: str) -> tuple[list[Pair], PairingReport]:
    """Return `{"chosen": messages, "rejected": messages}` of each pair; texts become messages.

    The package calls the turns of a prompt user and assistant in alternation, whatever their
    roles, takes one response message, and knows no tools. Other conversations, which it would
    change, are refused.

    Raises:
        DataError: no pairs there, or a conversation that the package would change.
    """
    pairs, report = to_pairs(load_rows(source))
    if "chosen" not in pairs.column_names:
        raise DataError(f"{source}: expected text or messages, got tokens; give the text itself")
    rows = to_messages(pairs)
    return [_pair(row, f"{source}, pair {i}") for i, row in enumerate(rows)], report


def _pair(row: Row, where: str) -> Pair:
    for field in ("tools", "chat_template_kwargs"):
        if row.get(field):
            raise DataError(f"{where}, field {field!r}: rewardbench cannot take it; leave it out")
    prompt = _turns(row["prompt"], where, "prompt")
    roles = [message["role"] for message in prompt]
    expected = [("user", "assistant")[i % 2] for i in range(len(roles))]
    if roles != expected or len(roles) % 2 == 0:
        raise DataError(
            f"{where}, field 'prompt': expected turns of user and assistant in alternation that "
            f"end with the user, got {', '.join(roles) or 'none'}; rewardbench takes no other"
        )
    return {side: prompt + _response(row[side], where, side) for side in ("chosen", "rejected")}


def _response(turns: list[Message], where: str, field: str) -> list[Message]:
    response = _turns(turns, where, field)
    roles = [message["role"] for message in response]
    if roles != ["assistant"]:
        raise DataError(
            f"{where}, field {field!r}: expected one message of the assistant, "
            f"got {', '.join(roles) or 'none'}; rewardbench takes no other"
        )
    return response


def _turns(turns: list[Message], where: str, field: str) -> list[Message]:
    for message in turns:
        if not isinstance(message["content"], str):
            raise DataError(
                f"{where}, field {field!r}: expected text as content, got "
                f"{type(message['content']).__name__}; rewardbench takes text only"
            )
    return [{"role": m["role"], "content": m["content"]} for m in turns]
