"""`RewardTrainer`: TRL's trainer with any objective and the model's own read-out."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import trl
from accelerate import PartialState
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

import trueward
from trueward.data import Encoder, encode_pairs, to_pairs
from trueward.models import ReadOut, freeze_bias, head_modules, head_name, prepare, unwrap
from trueward.objectives import Objective
from trueward.results import FullCheckpointRecord
from trueward.training.batch import (
    COLUMNS,
    BatchReader,
    PairBatch,
    PairCollator,
    batch_metrics,
    pair_columns,
    pair_scores,
    row_tokens,
)
from trueward.training.callbacks import Probe, probe_rows
from trueward.training.config import RewardConfig
from trueward.training.prepare import (
    check_columns,
    first_row,
    fit_length,
    fit_pad_token,
    fit_template,
    is_exact,
    load_model,
    load_tokenizer,
    longest_pair,
    own_config,
    resolve_objective,
    running_state,
    trained_on_text,
    with_head,
    write_checkpoint_record,
)
from trueward.training.step import ExactStep
from trueward.types import ObjectiveOutput, PairScores

logger = logging.getLogger(__name__)


class RewardTrainer(trl.RewardTrainer):
    """A drop-in for `trl.RewardTrainer` that minimises any Trueward objective.

    Takes TRL's arguments and columns, and `objective`: a string such as `"aplot + bsr"`, or an
    `Objective`. The default is `args.objective`, or else TRL's: Bradley–Terry, less the `margin`
    column where the data has one.

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
        self._losses: Iterator[Tensor] | None = None
        self._pairs: Dataset | None = None
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
                trees=args.packing in ("auto", "tree"),
                row_tokens=row_tokens(args),
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
        self._read = self._reader()
        self._watch_probe()
        self._exact = is_exact(self.args.batch_objective, self.objective, self.accelerator)

    def _reader(self) -> BatchReader:
        args, own = self.args, isinstance(self.data_collator, PairCollator)
        pairs = longest_pair(self.train_dataset) if own else []
        return BatchReader(
            packing=args.packing if own else "off",
            longest=self._prepare_inputs(self.data_collator(pairs)) if pairs else None,
            half=bool(args.bf16 or args.fp16),
            ranks=args.world_size,
            all_agree=self._all_agree,
            say=self._say,
        )

    def _watch_probe(self) -> None:
        rows = probe_rows(self.eval_dataset, self.train_dataset)
        if self.args.probe_steps and rows and isinstance(self.data_collator, PairCollator):
            batch = self._prepare_inputs(replace(self.data_collator, foreign=False)(rows))
            self.add_callback(Probe(self.args.probe_steps, batch, self._read, self._keep))

    def _keep(self, name: str, value: Tensor) -> None:
        self._metrics["train"][name].append(value)

    def _all_agree(self, yes: bool) -> bool:
        votes = torch.tensor([yes], device=self.args.device)
        return bool(self.accelerator.gather(votes).all())

    def _recheck_pad_token(self) -> None:
        """Check the pad token again, after TRL has set the chat template and encoded the data."""
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
        if PartialState().is_main_process:
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
        self._pairs = pairs if dataset_name == "train" else self._pairs
        encoder = Encoder(processing_class, args.max_length, args.truncation)
        encoded, lengths = encode_pairs(pairs, encoder, num_proc=args.dataset_num_proc)
        for report in (pairing, lengths):
            self._say(f"{dataset_name}: {report}")
        encoded.info.description = "prepared_by_trueward"
        if dataset_name == "train":
            check_columns(self.objective, encoded.column_names)
        return encoded

    def prepare(self, dataset: Dataset, name: str) -> Dataset:
        """Encode another set of pairs as the training pairs were."""
        return self._prepare_dataset(dataset, self.processing_class, self.args, name)

    def _set_signature_columns_if_needed(self) -> None:
        columns = ["chosen_ids", "rejected_ids", "prompt_length", *COLUMNS]
        self._signature_columns: list[str] = columns

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """Return a step's micro-batches; with an exact objective, prepare their losses."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._losses = None
        if self._exact and len(batches) * self.accelerator.num_processes > 1:
            step = ExactStep(
                lambda batch: self._scores(self.model_wrapped, self._prepare_inputs(batch))[0],
                self.objective,
                self.objective_state,
                self.accelerator,
                partial(self._finish, batches),
            )
            self._losses = step.losses(batches)
        return batches, items

    def compute_loss(
        self,
        model: nn.Module,
        inputs: PairBatch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the loss in nats, of this micro-batch or of the effective batch.

        With an exact objective (`batch_objective`) every micro-batch returns the loss of the
        effective batch, with its own part of the gradient.
        """
        training = self.model.training
        if training and self._losses is not None:
            return next(self._losses)
        scores, read = self._scores(model, inputs)
        out = self.objective(scores, self.objective_state)
        if training:
            self.objective_state = dict(out.state)
            self._count_tokens([inputs])
        # while training, gather_for_metrics would cut every micro-batch of an epoch's last step
        gather = self.accelerator.gather if training else self.accelerator.gather_for_metrics
        self._record("train" if training else "eval", gather(pair_columns(scores)), out)
        if return_outputs:
            return out.loss, SequenceClassifierOutput(logits=read.rewards.unsqueeze(-1))
        return out.loss

    def _scores(self, model: nn.Module, inputs: PairBatch) -> tuple[PairScores, ReadOut]:
        read = self._read(model, inputs)
        return pair_scores(read, inputs, foreign="foreign" in self.objective.needs), read

    def _finish(self, batches: list[PairBatch], out: ObjectiveOutput, rows: Tensor) -> None:
        self.objective_state = dict(out.state)
        self._count_tokens(batches)
        self._record("train", rows, out)

    def _count_tokens(self, batches: list[PairBatch]) -> None:
        count = torch.stack([batch["attention_mask"].sum() for batch in batches]).sum()
        tokens = self.accelerator.gather(count.to(self.args.device)).sum().item()
        self._total_train_tokens += int(tokens) // self._tp_size

    def _record(self, mode: str, rows: Tensor, out: ObjectiveOutput) -> None:
        metrics = self._metrics[mode]
        metrics["num_tokens"] = [self._total_train_tokens]
        for name, value in batch_metrics(rows, self.model).items():
            metrics[name].append(value)
        for name, scalar in out.metrics.items():
            metrics[name].append(torch.as_tensor(scalar, dtype=torch.float32).reshape(1))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as TRL does, with every metric averaged over pairs rather than over batches."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, values in metrics.items():
            if values and isinstance(values[0], Tensor):
                metrics[name] = [torch.cat([v.cpu() for v in values]).mean().item()]
        super().log(logs, start_time)

    def record(self) -> FullCheckpointRecord:
        """Return the record of the training, with the settings that scoring needs."""
        return {
            "trueward": trueward.__version__,
            "objective": str(self.objective),
            "head": head_name(self.model).split(".")[0],
            "max_length": self.args.max_length,
            "truncation": self.args.truncation,
            "text": trained_on_text(self._pairs),
            "pad_token": {"before": self._pad_before, "now": self.processing_class.pad_token},
            "notices": self.notices,
        }

    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None
    ) -> None:
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            path = Path(output_dir or self.args.output_dir)
            write_checkpoint_record(path, self.record(), self._pairs, self.objective_state)
            if hasattr(self.model, "peft_config"):
                unwrap(self.model).config.save_pretrained(path)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint:
            state = running_state(Path(checkpoint), str(self.args.device))
            self.objective_state = self.objective_state if state is None else state
