"""A tiny policy, prompts for it and a reward model, on disk."""

from datasets import Dataset

from helpers import checkpoints, tiny_data, tiny_models


def save(folder):
    """The settings of a run that name them; 38 prompts."""
    tiny_models.save_base(tiny_models.DECODERS["llama"], str(folder / "policy"))
    tiny_data.tokenizer().save_pretrained(folder / "policy")
    rows = [{"prompt": f"w{i} w{i // 2 + 1} "} for i in range(38)]
    Dataset.from_list(rows).to_json(folder / "prompts.jsonl")
    return {
        "policy": str(folder / "policy"),
        "prompts": str(folder / "prompts.jsonl"),
        "reward_models": (checkpoints.save(folder, seed=3, chat=None),),
    }
