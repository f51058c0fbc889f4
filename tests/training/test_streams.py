"""A stream trains as the same rows of a data set do, and what it leaves out is said."""

import numpy as np
import pytest
from datasets import Dataset, IterableDataset
from helpers import tiny_data, tiny_models
from safetensors.torch import load_file

from trueward.errors import DataError, ObjectiveError
from trueward.models import load_for_training
from trueward.training import RewardConfig, RewardTrainer

QUICK = {
    "per_device_train_batch_size": 4,
    "max_steps": 6,
    "learning_rate": 1e-2,
    "report_to": "none",
    "disable_tqdm": True,
    "logging_steps": 1,
    "save_strategy": "no",
    "gradient_checkpointing": False,
    "train_sampling_strategy": "sequential",
    "use_cpu": True,
    "bf16": False,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.save_base(
        tiny_models.DECODERS["llama"], str(tmp_path_factory.mktemp("base"))
    )


def rows():
    """Pairs, some of which are alike, and some too long for 12 tokens."""
    for number, row in enumerate(tiny_data.pairs(40)):
        yield row | ({"rejected": row["chosen"]} if number % 9 == 4 else {})


def lists():
    for row in tiny_data.pairs(40):
        yield {"prompt": row["prompt"], "responses": [row["chosen"], row["rejected"]]}


def trainer(base, folder, data, objective="bt", **changes):
    return RewardTrainer(
        load_for_training(base, seed=5).model,
        RewardConfig(str(folder), **{**QUICK, **changes}),
        train_dataset=data,
        processing_class=tiny_data.tokenizer(),
        objective=objective,
    )


def losses(run):
    return [row["loss"] for row in run.state.log_history if "loss" in row]


@pytest.mark.parametrize("policy", ["drop", "truncate_left"])
@pytest.mark.parametrize("made", [rows, lists])
def test_a_stream_trains_as_the_data_set_does(base, tmp_path, made, policy):
    changes = {"max_length": 12, "truncation": policy}
    whole = trainer(base, tmp_path / "a", Dataset.from_generator(made), **changes)
    stream = trainer(base, tmp_path / "b", IterableDataset.from_generator(made), **changes)
    whole.train()
    stream.train()
    assert np.allclose(losses(stream), losses(whole), rtol=1e-5)
    said = stream.notices[-1]
    assert said.startswith("train: read so far: ")
    assert ("dropped as over-length" if policy == "drop" else "truncated") in said
    assert ("rows with identical responses" in said) == (made is rows)
    assert stream.record()["text"] is True


def test_a_stream_that_ends_is_read_again_and_counted_once(base, tmp_path):
    run = trainer(base, tmp_path, IterableDataset.from_generator(rows), max_steps=20)
    run.train()
    assert "36 pairs from 40 rows (pairs); left out: 4 rows with identical" in run.notices[-1]


def test_training_on_a_stream_goes_on_where_it_stopped(base, tmp_path):
    def data():
        return IterableDataset.from_generator(rows)

    changes = {"save_strategy": "steps", "save_steps": 3}
    whole = trainer(base, tmp_path / "a", data(), **changes)
    whole.train()
    again = trainer(base, tmp_path / "a2", data(), **changes)
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-3"))
    first, second = (
        load_file(folder / "checkpoint-6" / "model.safetensors")
        for folder in (tmp_path / "a", tmp_path / "a2")
    )
    assert all((first[name] - second[name]).abs().max() < 1e-6 for name in first)


def test_evaluation_may_be_a_stream_too(base, tmp_path):
    run = trainer(base, tmp_path, tiny_data.pairs(24), max_steps=1)
    whole = run.evaluate(Dataset.from_generator(rows))
    stream = run.evaluate(IterableDataset.from_generator(rows))
    assert stream["eval_accuracy"] == whole["eval_accuracy"]
    mean = whole["eval_preference_loss"]
    assert stream["eval_preference_loss"] == pytest.approx(mean, rel=1e-5)


def test_contrast_lends_prompts_within_a_stream(base, tmp_path):
    run = trainer(base, tmp_path, IterableDataset.from_generator(rows), "contrast", max_steps=2)
    run.train()
    assert 0 <= run.state.log_history[0]["contrast_accuracy"] <= 1


@pytest.mark.parametrize("objective", ["bt", "contrast"])
def test_a_shuffled_stream_is_drawn_anew_each_epoch(base, tmp_path, objective):
    stream = IterableDataset.from_generator(rows).shuffle(seed=1, buffer_size=40)
    dataset = trainer(base, tmp_path, stream, objective).train_dataset
    orders = []
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        orders.append([tuple(row["chosen_ids"]) for row in dataset])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_workers_read_a_stream_and_keep_its_counts(base, tmp_path):
    run = trainer(
        base, tmp_path, IterableDataset.from_generator(rows), max_steps=2, dataloader_num_workers=1
    )
    run.train()
    assert "its counts stay in the loader's workers" in " ".join(run.notices)
    assert not any("read so far" in notice for notice in run.notices)


def test_a_bad_stream_fails_before_training(base, tmp_path):
    def alike():
        yield from ({"prompt": "w1 ", "chosen": "w2", "rejected": "w2"} for _ in range(3))

    with pytest.raises(DataError, match="train: no pairs left: 0 pairs from 3 rows"):
        trainer(base, tmp_path, IterableDataset.from_generator(alike))
    with pytest.raises(ObjectiveError, match="needs the column 'margin'"):
        trainer(base, tmp_path, IterableDataset.from_generator(rows), "margin_column")
