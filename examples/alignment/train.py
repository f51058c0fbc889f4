"""A policy trained by TRL on a Trueward reward model, here or behind a server.

accelerate launch --config_file examples/alignment/fsdp2.yaml examples/alignment/train.py rloo \
    --config examples/alignment/rloo.yaml

Every flag is TRL's, save `reward_model` and `reward_url`. Without `reward_url` the reward model
lies whole on every rank under FSDP2; one that does not fit is served. Under ZeRO-3 (`zero3.yaml`)
give a `reward_url`: what is loaded there is split over the ranks.
"""

import sys
from dataclasses import dataclass, field

import trl
from datasets import load_dataset

from trueward import Scorer
from trueward.alignment import RemoteReward, reward_function

TRAINERS = {
    "rloo": (trl.RLOOTrainer, trl.RLOOConfig),
    "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
}


@dataclass
class RewardArguments:
    """The reward model, loaded here or served."""

    reward_model: str = field(metadata={"help": "folder, hub name, or the server's name for it"})
    reward_url: str | None = field(default=None, metadata={"help": "a server's .../classify"})


def parse(algorithm, argv):
    """The groups of settings, from a YAML file and flags."""
    kinds = (trl.ScriptArguments, RewardArguments, TRAINERS[algorithm][1], trl.ModelConfig)
    return trl.TrlParser(kinds).parse_args_and_config(argv)


def main(algorithm, argv):
    """Train, then save the policy."""
    script, judge, args, model = parse(algorithm, argv)
    if judge.reward_url:
        reward = RemoteReward(judge.reward_url, judge.reward_model)
    else:
        scorer = Scorer.from_pretrained(judge.reward_model, device=str(args.device))
        reward = reward_function(scorer)
    args.model_init_kwargs = {
        "dtype": model.dtype,
        "attn_implementation": model.attn_implementation,
    }
    trainer = TRAINERS[algorithm][0](
        model=model.model_name_or_path,
        reward_funcs=reward,
        args=args,
        train_dataset=load_dataset(script.dataset_name, split=script.dataset_train_split),
        peft_config=trl.get_peft_config(model),
    )
    trainer.train()
    trainer.save_model(args.output_dir)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
