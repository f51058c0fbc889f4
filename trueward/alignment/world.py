"""The embedded world as a source: its held-out prompts, its writers as a policy, its gold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trueward.errors import DataError
from trueward.goldworld import (
    WorldConfig,
    format_prompt,
    held_out_tasks,
    sample_responses,
    score_text,
    train_writers,
)


def world_prompts(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows `{prompt_id, prompt}` of held-out prompts.

    Raises:
        DataError: a count that the world cannot draw.
    """
    config = WorldConfig(seed=seed, eval_prompts=count, train_prompts=max(count, 2000))
    return [
        {"prompt_id": name, "prompt": format_prompt(task)}
        for name, task in held_out_tasks(config).items()
    ]


def written_by_writers(count: int, samples: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Rows of held-out prompts with responses of the training writers, and their gold scores."""
    config = WorldConfig(seed=seed, eval_prompts=count, train_prompts=max(count, 2000))
    writers = train_writers(config.cue_strength)
    for name, task in held_out_tasks(config).items():
        responses = [text for text, _ in sample_responses(task, samples, seed, writers)]
        row = {"prompt_id": name, "prompt": format_prompt(task), "responses": responses}
        yield row | {"gold": world_gold(row, responses, name)}


def world_gold(row: Mapping[str, Any], responses: Sequence[Any], where: str) -> list[float]:
    """The gold score of every response.

    Raises:
        DataError: the row has gold already, the prompt is none of the world's, or no text.
    """
    if row.get("gold") is not None:
        raise DataError(
            f"{where}: field 'gold' is there already; drop it, or leave out --gold_world"
        )
    if not isinstance(row["prompt"], str) or not all(isinstance(r, str) for r in responses):
        raise DataError(f"{where}: --gold_world reads prompts and responses as plain text")
    try:
        return [score_text(row["prompt"], response) for response in responses]
    except DataError as error:
        raise DataError(f"{where}, field 'prompt': {error}") from error
