import json

import numpy as np
import pytest
import torch
from helpers import checkpoints
from transformers import AutoTokenizer

from trueward import Scorer
from trueward.alignment import Shaping, reward_function
from trueward.errors import DataError, InputError, RunError

PROMPTS = ["w1 w2 ", "w1 w2 ", "w3 "]
ANSWERS = ["w4", "w5 w6 w7", "w8 w9"]
IDS = [[9], [9, 9], [9]]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return [checkpoints.save(tmp_path_factory.mktemp("rm"), seed=seed) for seed in (3, 4)]


@pytest.fixture
def scorers(paths):
    return [Scorer.from_pretrained(path, text=True) for path in paths]


def plain(path):
    texts = [f"{p}{a} <eos>" for p, a in zip(PROMPTS, ANSWERS, strict=True)]
    return np.array(checkpoints.plain_scores(path, texts))


def test_rewards_are_the_plain_classes(paths, scorers):
    got = reward_function(scorers[0])(prompts=PROMPTS, completions=ANSWERS, completion_ids=IDS)
    assert all(type(reward) is float for reward in got)
    assert got == pytest.approx(plain(paths[0]), abs=1e-5)


def test_messages_go_through_the_reward_models_template(paths):
    prompts = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    answers = [[{"role": "assistant", "content": answer}] for answer in ANSWERS]
    texts = [checkpoints.chat_text(p, a) for p, a in zip(PROMPTS, ANSWERS, strict=True)]
    got = reward_function(Scorer.from_pretrained(paths[0]))(prompts, answers, IDS, other=[1, 2, 3])
    assert got == pytest.approx(checkpoints.plain_scores(paths[0], texts), abs=1e-5)


def test_all_steps_together(paths, scorers):
    shaping = Shaping(center=True, ensemble="uncertainty", penalty=0.3, normalize=True, clip=1.2)
    reward = reward_function(scorers, shaping)
    references = ["w11", "w11", "w12 w13"]
    got = reward(PROMPTS, ANSWERS, IDS, reference=references)
    texts = [f"{p}{r} <eos>" for p, r in zip(PROMPTS, references, strict=True)]
    raw = [plain(path) - np.array(checkpoints.plain_scores(path, texts)) for path in paths]
    combined = np.mean(raw, axis=0) - 0.3 * np.var(raw, axis=0)
    expected = np.clip((combined - combined.mean()) / combined.std(), -1.2, 1.2)
    assert got == pytest.approx(expected, abs=1e-4)
    later = reward_function(scorers, shaping)
    later.restore(json.loads(json.dumps(reward.state())))
    again = reward(PROMPTS, ANSWERS, IDS, reference=references)
    assert later(PROMPTS, ANSWERS, IDS, reference=references) == again


def test_centring_wants_references(scorers):
    with pytest.raises(DataError, match="'reference'"):
        reward_function(scorers, Shaping(center=True))(PROMPTS, ANSWERS, IDS)


def test_no_reward_model():
    with pytest.raises(InputError, match="at least one"):
        reward_function([])


def test_a_reward_that_is_no_number_saves_its_batch(paths, tmp_path):
    scorer = Scorer.from_pretrained(paths[0], text=True)
    with torch.no_grad():
        scorer.model.score.weight.fill_(float("nan"))
    with pytest.raises(RunError, match=r"offending_batch\.json"):
        reward_function(scorer, folder=tmp_path)(PROMPTS, ANSWERS, IDS)
    saved = json.loads((tmp_path / "offending_batch.json").read_text())
    assert saved == {"prompts": PROMPTS, "completions": ANSWERS}


def test_the_policys_tokenizer_does_not_matter(paths, scorers):
    """Ids that only the policy understands change nothing: text is what is scored."""
    assert AutoTokenizer.from_pretrained(paths[0]).vocab_size < 10_000
    first = reward_function(scorers[0])(PROMPTS, ANSWERS, [[10_000]] * 3)
    assert first == reward_function(scorers[0])(PROMPTS, ANSWERS, None)
