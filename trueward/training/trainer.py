"""`RewardTrainer`: TRL's, with any objective, the right read-out, and nothing dropped silently."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import trl
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

import trueward
from trueward.data import Encoder, encode_pairs, to_pairs
from trueward.models import (
    freeze_bias,
    head_modules,
    head_name,
    prepare,
    read_out,
    unwrap,
)
from trueward.objectives import Objective
from trueward.training.batch import batch_metrics, pair_scores
from trueward.training.collator import COLUMNS, PairCollator
from trueward.training.config import RewardConfig
from trueward.training.setup import (
    check_columns,
    first_row,
    fit_length,
    fit_pad_token,
    fit_template,
    load_model,
    load_tokenizer,
    own_config,
    resolve_objective,
    with_head,
)
from trueward.types import ObjectiveOutput, PairScores

logger = logging.getLogger(__name__)

RECORD_FILE = "trueward.json"
STATE_FILE = "objective_state.safetensors"


class RewardTrainer(trl.RewardTrainer):
    """A drop-in for `trl.RewardTrainer` that minimises any Trueward objective.

    Takes TRL's arguments and columns, and `objective`: a string such as `"aplot + bsr"`, or an
    `Objective`. Without it `args.objective` counts; without that, what TRL does: Bradley–Terry,
    less the `margin` column where the data has one.

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
        args: trl.RewardConfig | None = None,
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
        args = own_config(args)
        self.notices: list[str] = []
        first = first_row(train_dataset)
        self.objective = resolve_objective(objective, args, first, self._say)
        self.objective_state: dict[str, Tensor] = {}
        if isinstance(model, str):
            processing_class = processing_class or load_tokenizer(model, args)
            model = load_model(model, args, quantization_config)
        prepare(model)
        if processing_class is None:
            processing_class = load_tokenizer(model.config._name_or_path, args)
        peft_config = with_head(peft_config, model, args.pooling)
        self._pad_before = processing_class.pad_token
        fit_template(processing_class, first, args, self._say)
        fit_pad_token(processing_class, model, train_dataset, args, self._say)
        fit_length(model, args, self._say)
        super().__init__(
            model,
            args,
            data_collator
            or PairCollator(
                processing_class.pad_token_id,
                foreign="foreign" in self.objective.needs,
                max_length=args.max_length,
                pad_to_multiple_of=args.pad_to_multiple_of,
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
        self._recheck_pad_token()

    def _recheck_pad_token(self) -> None:
        """Once more, now that TRL has set the chat template and the data is encoded."""
        before = self.processing_class.pad_token_id
        fit_pad_token(
            self.processing_class, unwrap(self.model), self.train_dataset, self.args, self._say
        )
        collator: Any = self.data_collator
        if self.processing_class.pad_token_id != before and isinstance(collator, PairCollator):
            pad = self.processing_class.pad_token_id
            self.data_collator: Any = replace(collator, pad_token_id=pad)

    def _say(self, line: str) -> None:
        self.notices.append(line)
        if self.__dict__.get("accelerator") is None or self.is_world_process_zero():
            logger.warning(line)

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
            check_columns(self.objective, encoded.column_names)
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
            if hasattr(self.model, "peft_config"):
                unwrap(self.model).config.save_pretrained(path)
            if self.objective_state:
                state = {k: v.detach().cpu().contiguous() for k, v in self.objective_state.items()}
                save_file(state, path / STATE_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        state = Path(checkpoint) / STATE_FILE if checkpoint else None
        if state is not None and state.is_file():
            self.objective_state = load_file(state, device=str(self.args.device))
