"""The world's data: training pairs and the four scenarios, each a function of the config."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Final

from trueward.goldworld.config import WorldConfig
from trueward.goldworld.gold import gold_reward
from trueward.goldworld.pairs import Pair, similar_pair, two_writers_pair
from trueward.goldworld.tasks import Task, draw_task, format_prompt
from trueward.goldworld.writers import Writer, held_out_writers, train_writers, write
from trueward.types import Scenarios

if TYPE_CHECKING:
    from datasets import Dataset

RESPONSES_A_PROMPT: Final = 4
Tasks = dict[str, Task]


def build_scenarios(config: WorldConfig | None = None) -> Scenarios:
    """Draw the world's data. Every part has a random stream of its own, so that changing one
    dial leaves the other parts as they were.
    """
    config = config or WorldConfig()
    train, strangers = train_writers(config.cue_strength), held_out_writers(config.cue_strength)
    seen = train_tasks(config)
    unseen = held_out_tasks(config)
    known = dict(list(seen.items())[: config.eval_prompts])
    return Scenarios(
        train=_dataset(_train_pairs(config, seen, train)),
        in_domain_pairs=_dataset(_in_domain_pairs(config, seen, train)),
        in_domain=_groups(config, "in_domain", known, train),
        prompt_disjoint=_groups(config, "prompt_disjoint", unseen, train),
        response_disjoint=_groups(config, "response_disjoint", known, strangers),
        mutual_disjoint=_groups(config, "mutual_disjoint", unseen, strangers),
        similar_pairs=_dataset(_similar_pairs(config, unseen, train)),
    )


def train_tasks(config: WorldConfig) -> Tasks:
    """The training prompts by id."""
    return _tasks(config, "train", config.train_prompts, held_out=False)


def held_out_tasks(config: WorldConfig) -> Tasks:
    """The held-out prompts by id: unseen topics, partly unseen values."""
    return _tasks(config, "held_out", config.eval_prompts, held_out=True)


def sample_responses(
    task: Task, count: int, seed: int, writers: Sequence[Writer]
) -> list[tuple[str, str]]:
    """A policy to choose from: `count` of (text, writer's name), each by a random writer."""
    rng = Random(f"responses/{seed}/{format_prompt(task)}")
    drawn = [rng.choice(list(writers)) for _ in range(count)]
    return [(write(rng, task, writer), writer.name) for writer in drawn]


def _tasks(config: WorldConfig, name: str, count: int, *, held_out: bool) -> Tasks:
    rng = _stream(config, f"tasks/{name}")
    distinct: dict[Task, None] = {}
    while len(distinct) < count:
        distinct[draw_task(rng, held_out=held_out)] = None
    return {f"{name}_{i:05d}": task for i, task in enumerate(distinct)}


def _train_pairs(config: WorldConfig, tasks: Tasks, writers: Sequence[Writer]) -> list[Pair]:
    draw, labels = _stream(config, "train"), _stream(config, "labels")
    near = round(config.train_pairs * config.near_duplicate_share)

    def one(i: int, name: str, task: Task) -> Pair:
        if i < near:
            return similar_pair(draw, name, task, writers)
        return two_writers_pair(draw, name, task, writers, config.min_gap)

    pairs = _cycle(config.train_pairs, tasks, one)
    flipped = set(labels.sample(range(len(pairs)), round(config.label_noise * len(pairs))))
    pairs = [pair.flip() if i in flipped else pair for i, pair in enumerate(pairs)]
    labels.shuffle(pairs)
    return pairs


def _in_domain_pairs(config: WorldConfig, tasks: Tasks, writers: Sequence[Writer]) -> list[Pair]:
    rng = _stream(config, "in_domain_pairs")
    return _cycle(
        config.in_domain_pairs,
        tasks,
        lambda _, name, task: two_writers_pair(rng, name, task, writers, config.min_gap),
    )


def _similar_pairs(config: WorldConfig, tasks: Tasks, writers: Sequence[Writer]) -> list[Pair]:
    rng = _stream(config, "similar_pairs")
    return _cycle(
        config.similar_pairs, tasks, lambda _, name, task: similar_pair(rng, name, task, writers)
    )


def _cycle(count: int, tasks: Tasks, draw: Callable[[int, str, Task], Pair]) -> list[Pair]:
    items = list(tasks.items())
    return [draw(i, *items[i % len(items)]) for i in range(count)]


def _groups(
    config: WorldConfig, scenario: str, tasks: Tasks, writers: Sequence[Writer]
) -> "Dataset":
    rng = _stream(config, scenario)
    rows = []
    for name, task in tasks.items():
        drawn = rng.sample(list(writers), RESPONSES_A_PROMPT)
        texts = [write(rng, task, writer) for writer in drawn]
        rows.append(
            {
                "prompt": format_prompt(task),
                "prompt_id": name,
                "responses": texts,
                "sources": [writer.name for writer in drawn],
                "scores": [gold_reward(task, text) for text in texts],
            }
        )
    return _rows(rows)


def _stream(config: WorldConfig, name: str) -> Random:
    return Random(f"goldworld/{config.seed}/{name}")


def _dataset(pairs: Sequence[Pair]) -> "Dataset":
    return _rows([pair.row() for pair in pairs])


def _rows(rows: list[dict[str, Any]]) -> "Dataset":
    from datasets import Dataset

    return Dataset.from_list(rows)
