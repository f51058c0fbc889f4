"""Prompts: there and back, and what held-out ones may share with training."""

from random import Random

import pytest

from trueward.errors import DataError
from trueward.goldworld import VALUES, Task, draw_task, format_prompt, parse_prompt
from trueward.goldworld.words import KEY_BY_NAME, TOPICS


@pytest.mark.parametrize("held_out", [False, True])
def test_a_prompt_tells_its_task(held_out: bool) -> None:
    rng = Random("there and back")
    for _ in range(300):
        task = draw_task(rng, held_out=held_out)
        prompt = format_prompt(task)
        assert parse_prompt(prompt) == task
        spaced = prompt.lower().replace(".", " .").replace(",", " ,").replace(":", " :")
        assert parse_prompt(spaced) == task


def test_prompt_reads_as_stated() -> None:
    task = Task("describe", "mill", (("price", "forty"), ("owner", "anna")), "lovely", "list", 12)
    assert format_prompt(task) == (
        "Describe the mill as a list in at most 12 words, without the word lovely. "
        "Facts: price forty, owner anna. Answer:\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "What is the price of the mill?",
        "Describe the mill as a list in at most 12 words, without the word cheap. "
        "Facts: weight ten. Answer:",
        "Describe the mill as a list in at most 12 words, without the word cheap. "
        "Facts: price. Answer:",
        "Describe the mill in verse in at most 12 words, without the word cheap. "
        "Facts: price ten. Answer:",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected"):
        parse_prompt(text)


def test_held_out_tasks_have_unseen_topics_and_partly_unseen_values() -> None:
    rng = Random("held out")
    tasks = [draw_task(rng, held_out=True) for _ in range(500)]
    assert {task.topic for task in tasks} == set(TOPICS.held_out)
    facts = [fact for task in tasks for fact in task.facts]
    unseen = [value in VALUES[KEY_BY_NAME[key].kind].held_out for key, value in facts]
    assert sum(unseen) / len(unseen) == pytest.approx(0.5, abs=0.05)


def test_train_tasks_have_seen_topics_and_values() -> None:
    rng = Random("seen")
    for _ in range(500):
        task = draw_task(rng, held_out=False)
        assert task.topic in TOPICS.train
        assert all(value in VALUES[KEY_BY_NAME[key].kind].train for key, value in task.facts)
        assert len({value for _, value in task.facts}) == len(task.facts)
