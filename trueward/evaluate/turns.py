"""Prompts and responses as the scorer takes them, and a look at their lengths before scoring."""

from collections.abc import Iterable
from dataclasses import dataclass

from trueward.data.messages import as_text
from trueward.errors import DataError
from trueward.scorer import Scorer
from trueward.types import Prompt, Turns

SEAM = "\n\n"
"""Between the texts of a benchmark's prompt and response where neither has white space there."""


@dataclass(frozen=True)
class Lengths:
    """Of the sequences that are to be scored."""

    responses: int
    truncated: int
    longest: int
    """In tokens, before any truncation."""


def item_turns(scorer: Scorer, item: Prompt) -> tuple[Turns, list[Turns]]:
    """An item's prompt and responses: messages for the chat template, or text with a seam."""
    if not scorer.text:
        return item.prompt, list(item.responses)
    prompt = as_text(item.prompt)
    ends = prompt[-1:].isspace() or not prompt
    return prompt, [
        r if ends or r[:1].isspace() else SEAM + r for r in map(as_text, item.responses)
    ]


def check_lengths(scorer: Scorer, groups: Iterable[tuple[str, Turns, list[Turns]]]) -> Lengths:
    """Count what will be truncated in groups of a name, a prompt and its responses.

    Raises:
        DataError: sequences are longer than `max_length` and the policy is `error`; or messages
            that cannot be encoded.
    """
    counted = over = longest = 0
    worst = ""
    for name, prompt, responses in groups:
        for response in responses:
            try:
                ids = scorer.encode(prompt, response)
            except DataError as error:
                raise DataError(f"{name}: {error}") from error
            counted += 1
            over += scorer.encoder.excess(ids) > 0
            if len(ids) > longest:
                longest, worst = len(ids), name
    if over and scorer.encoder.truncation == "error":
        raise DataError(
            f"{over:,} of {counted:,} sequences are longer than max_length="
            f"{scorer.encoder.max_length} tokens (the longest, {longest:,}, is of {worst}); raise "
            "--max_length as far as the model allows, or cut them with --truncation "
            "truncate_left or truncate_right"
        )
    return Lengths(counted, over, longest)
