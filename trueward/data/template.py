"""The chat template to fall back on where a tokenizer brings none, and a row's arguments to one."""

import json
from collections.abc import Mapping
from typing import Any

from trueward.data.messages import without_nulls
from trueward.errors import DataError

DEFAULT_CHAT_TEMPLATE = """\
{%- if bos_token is defined and bos_token %}{{- bos_token }}{% endif %}
{%- for message in messages %}
    {{- '' if loop.first else '\\n\\n' }}
    {{- message['role'] | capitalize + ': ' }}
    {%- if message['content'] is string %}
        {{- message['content'] }}
    {%- else %}
        {%- for part in message['content'] or [] %}{{- part['text'] }}{% endfor %}
    {%- endif %}
    {%- if message['role'] == 'assistant' and eos_token is defined and eos_token %}
        {{- eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '\\n\\nAssistant:' }}
{%- endif %}
"""
"""Plain turns: `User: …`, a blank line, `Assistant: …`, and the EOS token after each answer."""


def template_arguments(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A row's `tools` (a list, or its JSON) and `chat_template_kwargs`, for the chat template.

    Raises:
        DataError: `tools` is text but no JSON.
    """
    arguments = dict(without_nulls(row.get("chat_template_kwargs") or {}))
    tools = row.get("tools")
    if isinstance(tools, str):
        try:
            tools = json.loads(tools)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}, field 'tools': not valid JSON ({error.msg})") from error
    return arguments | ({"tools": without_nulls(tools)} if tools else {})
