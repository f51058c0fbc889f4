"""Tiny reward models on disk, and what their plain class says of one sequence."""

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from helpers import tiny_data, tiny_models
from trueward.models import load_for_training

CHAT = "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' <eos> ' }}{% endfor %}"


def save(folder, *, kind="llama", seed=3, chat=CHAT):
    """A random reward model and its tokenizer; `chat=None` for one without a template."""
    config = {**tiny_models.DECODERS, **tiny_models.ENCODERS}[kind]
    base = tiny_models.save_base(config, str(folder / "base"))
    load_for_training(base, seed=seed).model.save_pretrained(folder / "model")
    tokenizer = tiny_data.tokenizer()
    tokenizer.chat_template = chat
    tokenizer.save_pretrained(folder / "model")
    return str(folder / "model")


def plain_scores(path, texts):
    """Each text by itself through the plain class."""
    model = AutoModelForSequenceClassification.from_pretrained(path, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    with torch.no_grad():
        return [float(model(**tokenizer(t, return_tensors="pt")).logits[0, 0]) for t in texts]


def chat_text(prompt, response):
    """One turn each, as `CHAT` writes them."""
    return f"user {prompt} <eos> assistant {response} <eos> "
