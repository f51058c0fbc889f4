"""The gold reward against responses worked by hand."""

import pytest

from trueward.goldworld import Task, format_prompt, gold_reward, judge, score_text

TASK = Task(
    verb="describe",
    topic="mill",
    facts=(("price", "forty"), ("owner", "anna")),
    banned="lovely",
    format="prose",
    budget=12,
)
LIST_TASK = Task("present", "tower", (("colour", "red"), *TASK.facts), "cheap", "list", 30)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        # both facts, 8 words
        ("The price is forty. Its owner is anna.", 4.0),
        # synonyms of both kinds of writers
        ("We note forty for the fee. Anna is its proprietor.", 4.0),
        # one of two
        ("The price is forty.", 2.0),
        # one right, one wrong: 2 - 1.25
        ("The price is forty. Its owner is bruno.", 0.75),
        # right and wrong about the same fact: 2 - 1.25
        ("The price is forty. The price is ten.", 0.75),
        # two distinct wrong values: 2 - 2.5
        ("The price is forty. Its owner is bruno. Its owner is clara.", -0.5),
        # unrequested
        ("The price is forty. Its owner is anna. The colour is red.", 4.0 - 0.5),
        # repetition, 12 words
        ("The price is forty. Its owner is anna. The cost is forty.", 4.0 - 0.5),
        # banned word, 12 words
        ("The price is forty. Its owner is anna. It is lovely.", 4.0 - 1.0),
        # list where prose was asked
        ("- The price is forty.\n- Its owner is anna.", 4.0 - 0.8),
        # a mixture is neither
        ("The price is forty.\n- Its owner is anna.", 4.0 - 0.8),
        # 14 words, two over budget
        ("Sure, happy to help. The price is forty. Its owner is anna. Enjoy it.", 4.0 - 0.08),
        # says nothing: has no format either
        ("Happy to help.", -0.8),
        ("", -0.8),
        # a value without its key states nothing
        ("Forty. Anna.", -0.8),
        # white space and case do not matter
        ("the PRICE is forty .   its owner is anna .", 4.0),
    ],
)
def test_each_term_by_hand(response: str, expected: float) -> None:
    assert gold_reward(TASK, response) == pytest.approx(expected, abs=1e-12)
    assert score_text(format_prompt(TASK), response) == pytest.approx(expected, abs=1e-12)


def test_list_with_style_around_it() -> None:
    response = "Great question.\n- The colour is red.\n- Its cost is forty.\nI hope this helps."
    assert gold_reward(LIST_TASK, response) == pytest.approx(4 * 2 / 3)


def test_decoded_text_without_newlines_scores_the_same() -> None:
    response = "great question . - the colour is red . - its cost is forty . i hope this helps ."
    assert gold_reward(LIST_TASK, response) == pytest.approx(4 * 2 / 3)


def test_values_of_one_kind_go_to_the_nearest_key_before_them() -> None:
    task = Task("describe", "mill", (("price", "ten"), ("height", "forty")), "cheap", "prose", 40)
    assert judge(task, "The price is ten and the height forty.").correct == 2
    assert judge(task, "The price is forty and the height ten.").wrong == 2


def test_terms_add_up_to_the_reward() -> None:
    found = judge(
        TASK, "- The price is ten. - The price is ten. - A lovely day, the colour is red."
    )
    terms = found.terms()
    assert terms == pytest.approx(
        {
            "correct": 0.0,
            "wrong": -1.25,
            "irrelevant": -0.5,
            "repeated": -0.5,
            "banned": -1.0,
            "wrong format": -0.8,
            "over length": -0.12,
        }
    )
    assert found.reward == pytest.approx(-4.17)
