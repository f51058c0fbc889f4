"""Weights that are there only while their module runs: what ZeRO-3 and offloading do, by hooks."""

import pytest
import torch
from accelerate import cpu_offload
from helpers import tiny_models
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification
from transformers.utils import ModelOutput

from trueward.models import attend_over_trees, pad_right, plan_rows, read_out, read_trees


class Passed(torch.autograd.Function):
    """The identity, which reports that the gradient passes it."""

    @staticmethod
    def forward(ctx, tensor, report):
        ctx.report = report
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx, gradient):
        ctx.report()
        return gradient, None


class Scattered:
    """Takes every weight away except during its module's own forward and backward pass.

    As in DeepSpeed, the backward pass of a module begins with the gradient of its output and ends
    with that of its input, and must not end before it has begun.
    """

    def __init__(self, model):
        self.whole = {p: p.data for p in model.parameters()}
        self.running = set()
        for module in model.modules():
            module.register_forward_pre_hook(self.before)
            module.register_forward_hook(self.after)
            self.release(module)

    def fetch(self, module):
        for parameter in module.parameters(recurse=False):
            parameter.data = self.whole[parameter]

    def release(self, module):
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.new_empty(0)

    def before(self, module, inputs):
        self.fetch(module)
        return self.reporting(inputs, lambda: self.end(module))

    def after(self, module, inputs, output):
        self.release(module)
        many = output.values() if isinstance(output, ModelOutput) else output
        values = (output,) if isinstance(output, torch.Tensor) else tuple(many)
        passed = self.reporting(values, lambda: self.begin(module))
        if isinstance(output, ModelOutput):
            return type(output)(**dict(zip(output, passed, strict=True)))
        return passed if isinstance(output, tuple) else passed[0]

    def reporting(self, values, report):
        return tuple(
            Passed.apply(v, report) if isinstance(v, torch.Tensor) and v.requires_grad else v
            for v in values
        )

    def begin(self, module):
        self.running.add(module)
        self.fetch(module)

    def end(self, module):
        assert self.running, f"the gradient went around {type(module).__name__}"
        self.running.discard(module)
        self.release(module)


def build(name, *, adapter=False):
    config = {**tiny_models.DECODERS, **tiny_models.ENCODERS}[name]
    config.num_labels = 1
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    if adapter:
        lora = LoraConfig(r=2, task_type="SEQ_CLS", modules_to_save=["score"])
        model = get_peft_model(model, lora, autocast_adapter_dtype=False)
    return model


def gradients(model, *, trees):
    """Rewards, and the gradients of a sum that depends on rewards and hidden states."""
    rows = tiny_models.sequences([5, 9, 9, 7], seed=2)
    rows[2] = rows[1]
    if trees:
        attend_over_trees(model)
        read = read_trees(model, plan_rows(rows, [0, 1, 1, 2]))
    else:
        read = read_out(model, *pad_right(rows, tiny_models.PAD))
    loss = (read.rewards * torch.tensor([1.0, -2.0, 3.0, 0.5])).sum() + read.hidden.square().mean()
    loss.backward()
    return read.rewards.detach(), {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize(
    ("name", "adapter", "trees"),
    [
        ("llama", False, False),
        ("llama", False, True),
        ("llama", True, False),
        ("gpt2", False, True),
        ("bert", False, False),
        ("roberta", False, False),
    ],
)
def test_weights_may_be_away_between_passes(name, adapter, trees):
    rewards, expected = gradients(build(name, adapter=adapter), trees=trees)
    model = build(name, adapter=adapter)
    Scattered(model)
    scattered, found = gradients(model, trees=trees)
    assert torch.equal(scattered, rewards)
    assert found.keys() == expected.keys()
    for parameter, gradient in expected.items():
        assert torch.allclose(found[parameter], gradient, rtol=1e-5, atol=1e-7), parameter


def test_a_head_that_is_offloaded_is_read():
    ids, mask = pad_right(tiny_models.sequences([5, 9], seed=2), tiny_models.PAD)
    model = build("llama")
    with torch.no_grad():
        expected = read_out(model, ids, mask).rewards
        offloaded = cpu_offload(model, execution_device=torch.device("cpu"))
        assert offloaded.score.weight.is_meta
        assert torch.equal(read_out(offloaded, ids, mask).rewards, expected)
        logits = offloaded(ids, attention_mask=mask).logits[:, 0]  # the head is what it was
        assert torch.allclose(logits, expected)
