"""`RewardTrainer`: TRL's, with any objective, the right read-out, and nothing dropped silently."""

import copy
import json
import logging
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

import trueward
from trueward.data import DEFAULT_CHAT_TEMPLATE, Encoder, encode_pairs, to_pairs
from trueward.errors import ModelError, ObjectiveError
from trueward.models import (
    ensure_distinct_pad,
    freeze_bias,
    head_modules,
    head_name,
    load_for_training,
    outer_modules,
    position_limit,
    prepare,
    read_out,
)
from trueward.objectives import Objective, objective
from trueward.training.batch import batch_metrics, pair_scores
from trueward.training.collator import COLUMNS, PairCollator
from trueward.training.config import RewardConfig
from trueward.types import ObjectiveOutput, PairScores

logger = logging.getLogger(__name__)

RECORD_FILE = "trueward.json"
STATE_FILE = "objective_state.safetensors"


class RewardTrainer(trl.RewardTrainer):
    """A drop-in for `trl.RewardTrainer` that minimises any Trueward objective.

    Takes TRL's arguments and columns, and `objective`: a string such as `"aplot + bsr"`, or an
    `Objective`. Without it `args.objective` counts, whose default is Bradley–Terry.

    Raises:
        ModelError: the model has no head, two labels, or a PEFT wrapper that would lose the head.
        DataError: the data has no pairs, or a row is not what it must be.
        ObjectiveError: the objective is unknown, or needs a column that the data lacks.
    """

    args: RewardConfig
    _tag_names = ("trueward", "trl", "reward-trainer")

    def __init__(
        self,
        model: Any,
        args: RewardConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: PreTrainedTokenizerBase | None = None,
        *others: Any,
        objective: str | Objective | None = None,
        peft_config: Any = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        args = copy.copy(args) if args is not None else RewardConfig("reward-model")
        self.notices: list[str] = []
        self.objective = _objective(objective, args)
        self.objective_state: dict[str, Tensor] = {}
        if isinstance(model, str):
            processing_class = processing_class or _tokenizer(model, args)
            model = _load(model, args, quantization_config)
        prepare(model)
        if processing_class is None:
            processing_class = _tokenizer(model.config._name_or_path, args)
        peft_config = _with_head(peft_config, model, args.pooling)
        self._fit_tokenizer(processing_class, model, train_dataset, args)
        super().__init__(
            model,
            args,
            data_collator
            or PairCollator(
                processing_class.pad_token_id,
                foreign="foreign" in self.objective.needs,
                max_length=args.max_length,
            ),
            train_dataset,
            eval_dataset,
            processing_class,
            *others,
            peft_config=peft_config,
            **kwargs,
        )
        for head in head_modules(self.model):
            freeze_bias(head)

    def _say(self, line: str) -> None:
        self.notices.append(line)
        if self.__dict__.get("accelerator") is None or self.is_world_process_zero():
            logger.warning(line)

    def _fit_tokenizer(
        self,
        tokenizer: PreTrainedTokenizerBase,
        model: PreTrainedModel,
        data: Any,
        args: RewardConfig,
    ) -> None:
        """A chat template where messages need one, a pad token that nothing ends with."""
        first: dict[str, Any] = next(iter(data), {}) if data is not None else {}
        messages = isinstance(first.get("chosen"), list)
        if messages and tokenizer.chat_template is None and args.chat_template_path is None:
            tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
            self._say("the tokenizer has no chat template: a plain one is used and saved with it")
        endings = _endings(data) if "chosen_ids" in first else set()
        self._pad_before = tokenizer.pad_token
        for name in ("eos_token", "pad_token"):
            _set_token(tokenizer, name, getattr(args, name))
        said = ensure_distinct_pad(tokenizer, model, endings=endings)
        if said is not None:
            self._say(said)
        args.pad_token = tokenizer.pad_token  # TRL sets it once more
        limit = position_limit(model)
        if limit is not None and (args.max_length is None or args.max_length > limit):
            if args.max_length is not None:
                self._say(f"max_length is now {limit}, the model's limit (was {args.max_length})")
            args.max_length = limit

    def _prepare_dataset(
        self, dataset: Any, processing_class: Any, args: RewardConfig, dataset_name: str
    ) -> Any:
        if not isinstance(dataset, Dataset):
            self._say(f"{dataset_name}: a stream; over-length pairs are dropped and not counted")
            return super()._prepare_dataset(dataset, processing_class, args, dataset_name)
        if "prepared_by_trueward" in (dataset.info.description or ""):
            return dataset
        pairs, pairing = to_pairs(dataset)
        encoder = Encoder(processing_class, args.max_length, args.truncation)
        encoded, lengths = encode_pairs(pairs, encoder, num_proc=args.dataset_num_proc)
        for report in (pairing, lengths):
            self._say(f"{dataset_name}: {report}")
        encoded.info.description = "prepared_by_trueward"
        if dataset_name == "train":
            _check_columns(self.objective, encoded)
        return encoded

    def prepare(self, dataset: Dataset, name: str) -> Dataset:
        """Encode another set of pairs just as the training pairs were."""
        return self._prepare_dataset(dataset, self.processing_class, self.args, name)

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns: list[str] = [
            "chosen_ids",
            "rejected_ids",
            "prompt_length",
            *COLUMNS,
        ]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The objective's loss of one batch, in nats."""
        training = self.model.training
        read = read_out(model, inputs["input_ids"], inputs["attention_mask"])
        scores = pair_scores(read, inputs, foreign="foreign" in self.objective.needs)
        out = self.objective(scores, self.objective_state)
        if training:
            self.objective_state = dict(out.state)
        self._record("train" if training else "eval", scores, out, inputs)
        if return_outputs:
            return out.loss, SequenceClassifierOutput(logits=read.rewards.unsqueeze(-1))
        return out.loss

    def _record(
        self, mode: str, scores: PairScores, out: ObjectiveOutput, inputs: dict[str, Tensor]
    ) -> None:
        if mode == "train":
            tokens = self.accelerator.gather(inputs["attention_mask"].sum()).sum().item()
            self._total_train_tokens += int(tokens) // self._tp_size
        metrics = self._metrics[mode]
        metrics["num_tokens"] = [self._total_train_tokens]
        # while training, gather_for_metrics would cut every micro-batch of an epoch's last step
        gather = self.accelerator.gather if mode == "train" else self.accelerator.gather_for_metrics
        for name, value in batch_metrics(scores, self.model, gather).items():
            metrics[name].append(value)
        for name, scalar in out.metrics.items():
            metrics[name].append(torch.as_tensor(scalar, dtype=torch.float32).reshape(1))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """TRL's log, with every metric averaged over pairs rather than over batches."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, values in metrics.items():
            if values and isinstance(values[0], Tensor):
                metrics[name] = [torch.cat([v.cpu() for v in values]).mean().item()]
        super().log(logs, start_time)

    def record(self) -> dict[str, Any]:
        """How the model was trained, in the words needed to score with it again."""
        return {
            "trueward": trueward.__version__,
            "objective": str(self.objective),
            "head": head_name(self.model).split(".")[0],
            "max_length": self.args.max_length,
            "truncation": self.args.truncation,
            "pad_token": {"before": self._pad_before, "now": self.processing_class.pad_token},
            "notices": self.notices,
        }

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            path = Path(output_dir or self.args.output_dir)
            text = json.dumps(self.record(), indent=2, ensure_ascii=False)
            (path / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
            if self.objective_state:
                state = {k: v.detach().cpu().contiguous() for k, v in self.objective_state.items()}
                save_file(state, path / STATE_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        state = Path(checkpoint) / STATE_FILE if checkpoint else None
        if state is not None and state.is_file():
            self.objective_state = load_file(state, device=str(self.args.device))


def _objective(given: str | Objective | None, args: RewardConfig) -> Objective:
    spec = given if given is not None else args.objective
    if args.center_rewards_coefficient is not None:
        spec = f"{objective(spec)} + centering(weight={args.center_rewards_coefficient})"
    built = objective(spec)
    args.objective = str(built)
    return built


def _tokenizer(path: str, args: RewardConfig) -> PreTrainedTokenizerBase:
    revision = (args.model_init_kwargs or {}).get("revision")
    try:
        return AutoTokenizer.from_pretrained(
            path, revision=revision, trust_remote_code=args.trust_remote_code
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"no tokenizer found with {path!r}: {reason}; pass processing_class"
        ) from error


def _set_token(tokenizer: PreTrainedTokenizerBase, name: str, token: str | None) -> None:
    if token is None:
        return
    if token not in tokenizer.get_vocab():
        raise ModelError(f"{name}={token!r} is not in the tokenizer's vocabulary; name one that is")
    setattr(tokenizer, name, token)


def _load(path: str, args: RewardConfig, quantization_config: Any) -> PreTrainedModel:
    kwargs = dict(args.model_init_kwargs or {})
    kwargs.setdefault("trust_remote_code", args.trust_remote_code)
    if quantization_config is not None:
        kwargs["quantization_config"] = quantization_config
    args.model_init_kwargs = None  # spent here; TRL warns of any left beside a loaded model
    return load_for_training(path, pooling=args.pooling, seed=args.seed, **kwargs).model


def _with_head(peft_config: Any, model: Any, pooling: str) -> Any:
    """The same PEFT config with the head, and what leads to it, trained and saved whole."""
    if peft_config is None:
        heads = head_modules(model)
        if hasattr(model, "peft_config") and not any(h.weight.requires_grad for h in heads):
            raise ModelError(
                f"the PEFT model would not train its head; build it with "
                f"modules_to_save=[{head_name(model).split('.')[0]!r}]"
            )
        return None
    peft_config = copy.deepcopy(peft_config)
    peft_config.task_type = "SEQ_CLS"
    if pooling == "mean" and getattr(model.config, "trueward_mean_pooling", False):
        raise ModelError(
            "pooling='mean' adds a layer that an adapter does not save; "
            "use pooling='auto', or train without PEFT"
        )
    if hasattr(peft_config, "modules_to_save"):
        given = peft_config.modules_to_save or []
        peft_config.modules_to_save = sorted({*given, *outer_modules(model)})
    return peft_config


def _endings(data: Any) -> set[int]:
    if not isinstance(data, Dataset):
        return set()
    return {
        ids[-1] for name in ("chosen_ids", "rejected_ids") for ids in data[name] if len(ids) > 0
    }


def _check_columns(wanted: Objective, data: Any) -> None:
    columns = getattr(data, "column_names", None) or []
    for name in ("margin", "target"):
        if name in wanted.needs and columns and name not in columns:
            raise ObjectiveError(
                f"objective {str(wanted)!r} needs the column {name!r}, which the training data "
                f"lacks (it has {', '.join(columns)})"
            )
