"""A tokenizer that gives, from a chat template's text, the very ids that the model was trained on.

Others render the chat template, then tokenize the text, and so put the tokenizer's own special
tokens ([CLS] … [SEP], BOS) around what the template wrote. Which of the tokenizer's forms gives
our ids is found by trying, not by rule.
"""

import copy
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from trueward.errors import ModelError
from trueward.export.folder import read, write
from trueward.export.transformers_4 import tokenizer_config_4
from trueward.scorer import Scorer
from trueward.types import Message

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
    """Save the tokenizer for transformers 4; returns what was changed, one line each.

    Raises:
        ModelError: it has no `tokenizer.json`, or no form of it gives our ids.
    """
    tokenizer = copy.deepcopy(scorer.encoder.tokenizer)
    for template, own_tokens in _forms(scorer):
        tokenizer.chat_template = template
        _save(tokenizer, folder, own_tokens=own_tokens)
        if _same_ids(PreTrainedTokenizerFast.from_pretrained(folder), scorer):
            return _said(scorer, template, own_tokens=own_tokens)
    raise ModelError(
        "the chat template's text, tokenized, does not give the ids that the model was trained "
        "on, with or without the tokenizer's own special tokens; change the chat template"
    )


def _forms(scorer: Scorer) -> list[tuple[str, bool]]:
    """Chat templates, and whether the tokenizer puts its own special tokens around their text."""
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
        write(file, read(file) | {"post_processor": None})
    config = folder / "tokenizer_config.json"
    write(config, tokenizer_config_4(read(config)))


def _same_ids(tokenizer: Any, scorer: Scorer) -> bool:
    for turns in PROBES:
        messages = as_turns(turns)
        ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False))["input_ids"]
        if ids != scorer.encode(messages[:-1], messages[-1:]):
            return False
    return True


def as_turns(texts: list[str]) -> list[Message]:
    """Texts as turns of the user and the assistant in alternation."""
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def _said(scorer: Scorer, template: str, *, own_tokens: bool) -> list[str]:
    said = ["tokenizer_config.json: tokenizer_class PreTrainedTokenizerFast, no token_type_ids"]
    if scorer.text:
        said.append("chat_template.jinja: joins prompt and response as text, as in training")
    elif template != scorer.encoder.tokenizer.get_chat_template():
        said.append("chat_template.jinja: writes the special token that the tokenizer added")
    if not own_tokens:
        said.append("tokenizer.json: no post_processor, the chat template writes special tokens")
    return said
