"""The embedded gold world: prompts, writers and a gold reward that is known exactly."""

from trueward.goldworld.gold import GoldBreakdown, gold_reward, judge, score_text
from trueward.goldworld.scenarios import (
    DescribedAnswer,
    DescribedPrompt,
    WorldConfig,
    build_scenarios,
    describe,
    held_out_tasks,
    sample_responses,
    train_tasks,
)
from trueward.goldworld.tasks import Task, draw_task, format_prompt, parse_prompt
from trueward.goldworld.tokenizer import BASE_PATH, MAX_LENGTH, build_tokenizer
from trueward.goldworld.words import VALUES
from trueward.goldworld.writers import (
    Writer,
    held_out_writers,
    neutral_writer,
    train_writers,
    write_response,
)

__all__ = [
    "BASE_PATH",
    "MAX_LENGTH",
    "VALUES",
    "DescribedAnswer",
    "DescribedPrompt",
    "GoldBreakdown",
    "Task",
    "WorldConfig",
    "Writer",
    "build_scenarios",
    "build_tokenizer",
    "describe",
    "draw_task",
    "format_prompt",
    "gold_reward",
    "held_out_tasks",
    "held_out_writers",
    "judge",
    "neutral_writer",
    "parse_prompt",
    "sample_responses",
    "score_text",
    "train_tasks",
    "train_writers",
    "write_response",
]
