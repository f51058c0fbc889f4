"""Configs and tokenizers of transformers 5 in the form of transformers 4, which 5 reads too.

Other programs render the chat template, then tokenize the text, which puts the tokenizer's own
special tokens ([CLS] … [SEP], BOS) around it. Several forms of template and tokenizer are tried
until one gives the ids that the model was trained on.
"""

import copy
import json
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from trueward.errors import ModelError
from trueward.scorer import Scorer
from trueward.types import Message

ROPE_NAMES = {
    "gpt_neox": {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"},
}
"""Names of rotary parameters in version 4, of models that have their own."""
ROPE_NAMES_BY_LAYER = {
    "modernbert": {
        "full_attention": "global_rope_theta",
        "sliding_attention": "local_rope_theta",
    },
}
"""Names in version 4 of the rotary base of each kind of layer."""
INPUTS = ["input_ids", "attention_mask"]
TEXT_TEMPLATE = """\
{%- set prompt = messages[:-1] %}
{%- if prompt | length == 1 %}
    {{- prompt[0]['content'] }}
{%- else %}
    {%- for message in prompt %}
        {{- '\\n\\n' + message['role'] | capitalize + ': ' + message['content'] }}
    {%- endfor %}
{%- endif %}
{{- messages[-1]['content'] }}
"""
"""For models trained on text: prompt and response joined, several turns as a transcript."""
CLOSED_BY_EOS = """\
{%- if not messages[-1]['content'].endswith(eos_token) %}
    {{- eos_token }}
{%- endif %}
"""
PROBES: tuple[list[str], ...] = (
    ["What is it?", "It is this."],
    ["two  spaces \n\nand lines: ", " 1 + 1 = 2\n"],
    ["First.", "Second.", "Third?", "Fourth."],
)
"""Turns of the user and the assistant in alternation."""


def save_tokenizer(scorer: Scorer, folder: Path) -> list[str]:
    """Save the tokenizer for transformers 4; return its changes, a line each.

    Raises:
        ModelError: it has no `tokenizer.json`, or no form of it gives our ids.
    """
    tokenizer = copy.deepcopy(scorer.encoder.tokenizer)
    for template, own_tokens in _forms(scorer):
        tokenizer.chat_template = template
        _save(tokenizer, folder, own_tokens=own_tokens)
        if _same_ids(PreTrainedTokenizerFast.from_pretrained(folder), scorer):
            return _changes(scorer, template, own_tokens=own_tokens)
    raise ModelError(
        "the chat template's text, tokenized, does not give the ids that the model was trained "
        "on, with or without the tokenizer's own special tokens; change the chat template"
    )


def _forms(scorer: Scorer) -> list[tuple[str, bool]]:
    """Return chat templates, each with whether the tokenizer puts its own tokens around it."""
    tokenizer = scorer.encoder.tokenizer
    if scorer.text:
        closed = [TEXT_TEMPLATE + CLOSED_BY_EOS] if tokenizer.eos_token else []
        return [(template, True) for template in (*closed, TEXT_TEMPLATE)]
    template = tokenizer.get_chat_template()
    ids = tokenizer("a")["input_ids"]
    head, tail = scorer.encoder.frame(ids)
    start, end = (
        "".join(tokenizer.convert_ids_to_tokens(part))
        for part in (ids[:head], ids[len(ids) - tail :])
    )
    halves = [f"{{{{- {start!r} }}}}{template}", f"{template}{{{{- {end!r} }}}}"]
    return [(template, True), (template, False), *((half, False) for half in halves)]


def _save(tokenizer: PreTrainedTokenizerBase, folder: Path, *, own_tokens: bool) -> None:
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise ModelError(
            f"{type(tokenizer).__name__} has no tokenizer.json, which transformers 4 needs for "
            "the same ids; convert the tokenizer to a fast one first"
        )
    if not own_tokens:
        write_plain(file, read_plain(file) | {"post_processor": None})
    config = folder / "tokenizer_config.json"
    write_plain(config, tokenizer_config_4(read_plain(config)))


def _same_ids(tokenizer: Any, scorer: Scorer) -> bool:
    for texts in PROBES:
        turns = zip(cycle(("user", "assistant")), texts, strict=False)
        messages: list[Message] = [{"role": role, "content": text} for role, text in turns]
        ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False))["input_ids"]
        if ids != scorer.encode(messages[:-1], messages[-1:]):
            return False
    return True


def _changes(scorer: Scorer, template: str, *, own_tokens: bool) -> list[str]:
    changes = ["tokenizer_config.json: tokenizer_class PreTrainedTokenizerFast, no token_type_ids"]
    if scorer.text:
        changes.append("chat_template.jinja: joins prompt and response as text, as in training")
    elif template != scorer.encoder.tokenizer.get_chat_template():
        changes.append("chat_template.jinja: writes the special token that the tokenizer added")
    if not own_tokens:
        changes.append("tokenizer.json: no post_processor, the chat template writes special tokens")
    return changes


def config_4(config: dict[str, Any]) -> dict[str, Any]:
    """Return `config.json` for transformers 4.

    `dtype` becomes `torch_dtype`; `rope_parameters` becomes `rope_theta` and, where positions are
    scaled, `rope_scaling`.

    Raises:
        ModelError: version 4 cannot express the rotary positions.
    """
    config = dict(config)
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    rope = config.pop("rope_parameters", None)
    return config | (_rope_4(config["model_type"], dict(rope)) if rope else {})


def tokenizer_config_4(config: dict[str, Any]) -> dict[str, Any]:
    """Return `tokenizer_config.json` with the class that takes `tokenizer.json` as it is.

    No `token_type_ids`; the list `extra_special_tokens` becomes `additional_special_tokens`.
    """
    config = dict(config)
    for key in ("backend", "is_local", "auto_map"):
        config.pop(key, None)
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    return config | {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": INPUTS}


def _rope_4(kind: str, rope: dict[str, Any]) -> dict[str, Any]:
    if kind in ROPE_NAMES_BY_LAYER:
        return {name: _base(kind, rope[layer]) for layer, name in ROPE_NAMES_BY_LAYER[kind].items()}
    if any(isinstance(value, dict) for value in rope.values()):
        raise ModelError(
            f"the rotary positions of {kind} differ by layer ({', '.join(rope)}), which "
            "transformers 4 cannot express; this model cannot be exported"
        )
    names = ROPE_NAMES.get(kind, {})
    plain = {
        names.get(key, key): rope.pop(key)
        for key in ("rope_theta", "partial_rotary_factor")
        if key in rope
    }
    scaled = rope.get("rope_type", "default") != "default"
    return plain | ({"rope_scaling": rope} if scaled else {})


def _base(kind: str, rope: dict[str, Any]) -> float:
    if rope.get("rope_type", "default") != "default":
        raise ModelError(f"{kind} scales its rotary positions by layer: it cannot be exported")
    return float(rope["rope_theta"])


def read_plain(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def write_plain(file: Path, document: Mapping[str, object]) -> None:
    """Write a JSON object as `transformers` does."""
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
