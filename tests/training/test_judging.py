"""What is judged after training is what was saved."""

import numpy as np
import pytest
import torch
from helpers import tiny_data, tiny_models

from trueward.models import load_reward_model, score_sequences
from trueward.training import RewardConfig, RewardTrainer
from trueward.training.judging import EncodedPrompts, judge_pairs


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_after_training_in_sixteen_bits_the_saved_model_is_judged(kind, tmp_path, monkeypatch):
    configs = {**tiny_models.DECODERS, **tiny_models.ENCODERS}
    base = tiny_models.save_base(configs[kind], str(tmp_path / "base"))
    trainer = RewardTrainer(
        base,
        RewardConfig(
            str(tmp_path / "run"), bf16=True, max_steps=2, report_to="none", disable_tqdm=True
        ),
        train_dataset=tiny_data.pairs(16),
        processing_class=tiny_data.tokenizer(),
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "rm"))
    sequences = tiny_models.sequences([9, 14, 20, 5, 6, 30])
    pairs = EncodedPrompts(
        [list(p) for p in zip(sequences[:3], sequences[3:], strict=True)], ["a", "b", "c"]
    )
    layouts = []

    def watched(*args, **kwargs):
        layouts.append(found := settle(*args, **kwargs))
        return found

    from trueward.models import scoring

    settle = scoring.settle_layout
    monkeypatch.setattr(scoring, "settle_layout", watched)
    judged = judge_pairs(trainer.finished_model(), pairs, 0).scalars["margin"]
    saved = load_reward_model(str(tmp_path / "rm"), dtype=torch.float32)
    alone = [score_sequences(saved, [s], pad_token_id=0, layout="padded") for s in sequences]
    rewards = np.array([float(one.rewards[0]) for one in alone])
    assert judged == pytest.approx((rewards[:3] - rewards[3:]).mean(), abs=1e-5 * rewards.std())
    assert layouts == ["tree" if kind == "llama" else "padded"]
