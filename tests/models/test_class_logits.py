"""What is read against what the model's own class says."""

import pytest
import torch
from helpers import tiny_data, tiny_models
from peft import PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from transformers import EuroBertConfig, Qwen2Config, Qwen2ForSequenceClassification

from trueward.errors import ModelError
from trueward.models import class_difference, load_for_training, pad_right, read_out
from trueward.training import RewardConfig, RewardTrainer

SEQUENCES = [[*one, 2] for one in tiny_models.sequences([9, 4, 13, 1])]


def model_of(config, tmp_path, **kwargs):
    path = tiny_models.save_base(config, str(tmp_path / "base"))
    return load_for_training(path, seed=3, **kwargs).model.eval()


@pytest.mark.parametrize("pooling", ["auto", "first", "mean"])
def test_eurobert_is_read_as_its_class_pools(pooling, tmp_path):
    model = model_of(EuroBertConfig(**tiny_models.COMMON), tmp_path, pooling=pooling)
    expected = {"auto": "late", "first": "bos", "mean": "mean"}[pooling]
    assert model.config.classifier_pooling == expected
    ids, mask = pad_right(SEQUENCES, 0)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits[:, 0]
    read = read_out(model, ids, mask)
    assert torch.allclose(read.rewards, logits, atol=1e-5 * float(logits.std()))
    assert torch.allclose(read.hidden @ model.classifier.weight[0], logits, atol=1e-5)
    assert class_difference(model, ids, mask) is None


@pytest.mark.parametrize("name", [*tiny_models.DECODERS, *tiny_models.ENCODERS])
def test_known_classes_agree(name, tmp_path):
    kinds = {**tiny_models.DECODERS, **tiny_models.ENCODERS}
    assert class_difference(model_of(kinds[name], tmp_path), *pad_right(SEQUENCES, 0)) is None


class Doubled(Qwen2ForSequenceClassification):
    """Does something to its logits after the head."""

    def forward(self, *args, **kwargs):
        out = super().forward(*args, **kwargs)
        out.logits = 2 * out.logits
        return out


class Early(Qwen2ForSequenceClassification):
    """Reads the first token."""

    def forward(self, input_ids, attention_mask, **kwargs):
        hidden = self.model(input_ids, attention_mask=attention_mask).last_hidden_state
        return (self.score(hidden)[:, 0],)


@pytest.mark.parametrize("kind", [Doubled, Early])
def test_another_reading_is_an_error_when_training_starts(kind, tmp_path):
    torch.manual_seed(0)
    model = kind(Qwen2Config(**tiny_models.COMMON, num_key_value_heads=2, num_labels=1))
    trainer = RewardTrainer(
        model,
        RewardConfig(str(tmp_path), report_to="none", use_cpu=True, save_strategy="no"),
        train_dataset=tiny_data.pairs(8),
        processing_class=tiny_data.tokenizer(),
    )
    with pytest.raises(ModelError, match=rf"the logits of {kind.__name__} differ by .* at the tok"):
        trainer.train()


@pytest.mark.parametrize(
    "config",
    [
        PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3),
        PromptEncoderConfig(task_type="SEQ_CLS", num_virtual_tokens=3, encoder_hidden_size=8),
        PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3),
    ],
    ids=lambda config: config.peft_type.value,
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_virtual_tokens_are_refused(config, wrapped, tmp_path):
    model = model_of(tiny_models.DECODERS["llama"], tmp_path)
    with pytest.raises(ModelError, match=f"{config.peft_type.value} puts virtual tokens"):
        RewardTrainer(
            get_peft_model(model, config) if wrapped else model,
            RewardConfig(str(tmp_path), report_to="none", use_cpu=True),
            train_dataset=tiny_data.pairs(8),
            processing_class=tiny_data.tokenizer(),
            peft_config=None if wrapped else config,
        )
