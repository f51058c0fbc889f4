"""`RewardTrainer`: TRL's trainer with any objective and the model's own read-out."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import trl
from accelerate import DistributedType, PartialState
from accelerate.utils import send_to_device
from datasets import Dataset, IterableDataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.modeling_outputs import SequenceClassifierOutput

import trueward
from trueward.data import Encoder, StreamReport
from trueward.errors import ObjectiveError
from trueward.models import freeze_bias, head_modules, head_name, prepare, unwrap
from trueward.objectives import Objective
from trueward.results import FullCheckpointRecord
from trueward.training.batch import (
    COLUMNS,
    PairBatch,
    PairCollator,
    batch_metrics,
    evened,
    pair_columns,
    pair_scores,
    passes_of,
    read_passes,
)
from trueward.training.callbacks import PROBE_PAIRS, Probe, StreamCounts
from trueward.training.config import RewardConfig
from trueward.training.encoding import encode_dataset, encode_lazily
from trueward.training.layout import PROVEN_PAIRS, BatchReader, row_tokens
from trueward.training.order import (
    LENDER,
    BorrowingRows,
    evaluation_order,
    training_order,
)
from trueward.training.prepare import (
    check_columns,
    first_row,
    first_rows,
    fit_checkpointing,
    fit_length,
    fit_pad_token,
    fit_template,
    is_exact,
    keep_dtype_of_head,
    load_model,
    load_tokenizer,
    longest_pair,
    own_config,
    resolve_objective,
    revision_of,
    running_state,
    trained_on_text,
    with_head,
    write_base_config,
    write_checkpoint_record,
)
from trueward.training.step import ExactStep, SharedStep, parts_of
from trueward.types import ObjectiveOutput, PairScores, Row

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
        revision = revision_of(args) if isinstance(model, str) else None
        self._streams: dict[str, StreamReport] = {}
        if isinstance(model, str):
            processing_class = processing_class or load_tokenizer(model, args)
            model = load_model(model, args, quantization_config)
        prepare(model)
        if processing_class is None:
            processing_class = load_tokenizer(model.config._name_or_path, args)
        peft_config = with_head(peft_config, model, args.pooling, revision)
        self._pad_before = processing_class.pad_token
        fit_template(processing_class, first, args, self._say)
        adapter = peft_config is not None or hasattr(model, "peft_config")
        fit_pad_token(processing_class, model, train_dataset, args, self._say, adapter=adapter)
        fit_length(model, args, self._say)
        fit_checkpointing(model, args, self._say)
        super().__init__(
            model,
            args,
            data_collator
            or PairCollator(
                processing_class.pad_token_id,
                max_length=args.max_length,
                pad_to_multiple_of=args.pad_to_multiple_of,
                trees=args.packing in ("auto", "tree"),
                row_tokens=row_tokens(args),
                batch_tokens=args.batch_tokens,
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
        keep_dtype_of_head(self.model)
        if args.pad_to_multiple_of is not None and args.packing in ("auto", "tree"):
            self._say("pad_to_multiple_of acts on padded batches; rows of trees have no padding")
        self._recheck_pad_token()
        self._read = self._reader()
        self._watch_probe()
        if self._streams and not args.dataloader_num_workers:
            self.add_callback(StreamCounts(self._streams, self._say))
        self._exact = is_exact(self.args, self.objective, self.accelerator)

    def _reader(self) -> BatchReader:
        args, own = self.args, isinstance(self.data_collator, PairCollator)
        if self._borrows and not own:
            raise ObjectiveError(
                f"objective {str(self.objective)!r} reads responses under other prompts, which "
                f"{type(self.data_collator).__name__} leaves out; train it without a data_collator"
            )
        pairs = min(PROVEN_PAIRS, args.train_batch_size)  # no more than training itself holds
        first = self._fixed_batch(first_rows(self.train_dataset, pairs))
        return BatchReader(
            packing=args.packing if own else "off",
            first=passes_of(first)[-1] if first else None,
            longest=self._fixed_batch(longest_pair(self.train_dataset)),
            half=bool(args.bf16 or args.fp16),
            backward=self.accelerator.distributed_type != DistributedType.DEEPSPEED,
            say=self._say,
        )

    def _watch_probe(self) -> None:
        followed = isinstance(self.eval_dataset, Dataset)
        rows = self.eval_dataset if followed else self.train_dataset
        batch = self._fixed_batch(first_rows(rows, PROBE_PAIRS))
        if self.args.probe_steps and batch is not None:
            self.add_callback(Probe(self.args.probe_steps, batch, self._read, self._keep))

    def _fixed_batch(self, rows: list[Row]) -> PairBatch | None:
        """Return rows as one batch on the device; None without rows or with another collator."""
        if not rows or not isinstance(self.data_collator, PairCollator):
            return None
        batch: PairBatch = self._prepare_inputs(self.data_collator(rows))
        return batch

    def _prepare_input(self, data: Any) -> Any:
        """Move a batch, trees and all, to the device; numbers keep their types."""
        return send_to_device(data, self.args.device)

    def _keep(self, name: str, value: Tensor) -> None:
        self._metrics["train"][name].append(value)

    def _recheck_pad_token(self) -> None:
        """Check the pad token again, after TRL has set the chat template and encoded the data."""
        before = self.processing_class.pad_token_id
        fit_pad_token(
            self.processing_class,
            unwrap(self.model),
            self.train_dataset,
            self.args,
            self._say,
            adapter=hasattr(self.model, "peft_config"),
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
        encoder = Encoder(processing_class, args.max_length, args.truncation)
        if isinstance(dataset, IterableDataset):
            encoded = encode_lazily(
                dataset, encoder, dataset_name, args, self._say, borrows=self._borrows
            )
        else:
            encoded = encode_dataset(dataset, encoder, dataset_name, args, self._say)
        if encoded.stream is not None:
            self._streams[dataset_name] = encoded.stream
        if dataset_name == "train":
            self._pairs = encoded.pairs
            check_columns(self.objective, encoded.columns)
        return encoded.rows

    def prepare(self, dataset: Dataset, name: str) -> Dataset:
        """Encode another set of pairs as the training pairs were."""
        return self._prepare_dataset(dataset, self.processing_class, self.args, name)

    def _set_signature_columns_if_needed(self) -> None:
        columns = ["chosen_ids", "rejected_ids", "prompt_length", LENDER, *COLUMNS]
        self._signature_columns: list[str] = columns

    def _remove_unused_columns(self, dataset: Any, description: str | None = None) -> Any:
        kept = super()._remove_unused_columns(dataset, description)
        return BorrowingRows(kept) if self._borrows else kept

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        rows = self.train_dataset if train_dataset is None else train_dataset
        order = training_order(rows, self.args)
        return super()._get_train_sampler(train_dataset) if order is None else order

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        return evaluation_order(eval_dataset)

    @property
    def _borrows(self) -> bool:
        return "foreign" in self.objective.needs

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """Return a step's micro-batches, and prepare their losses."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.args.batch_tokens is not None:
            batches = [evened(batch) for batch in batches]
        if batches and self._read.layout is None:
            self._read.prove(self.model_wrapped, self._prepare_inputs(passes_of(batches[0])[0]))
        parts = parts_of(batches, self.accelerator)
        exact = self._exact and len(parts) * self.accelerator.num_processes > 1
        step = (ExactStep if exact else SharedStep)(
            read=lambda batch: self._scores(self.model_wrapped, self._prepare_inputs(batch)),
            objective=self.objective,
            state=self.objective_state,
            accelerator=self.accelerator,
            averaged=len(batches),
            finish=partial(self._finish, batches),
        )
        self._losses = step.losses(parts)
        return batches, items

    def training_step(self, model: nn.Module, inputs: PairBatch, *args: Any) -> Tensor:
        """Go forward and backward through each pass of a micro-batch; return their losses' sum."""
        passes = passes_of(inputs)
        if len(passes) == 1:
            loss: Tensor = super().training_step(model, inputs, *args)
            return loss
        synchronise = self.accelerator.sync_gradients
        quiet = self.accelerator.distributed_type == DistributedType.DEEPSPEED
        losses = []
        for left, one in zip(reversed(range(len(passes))), passes, strict=True):
            self.accelerator.gradient_state._set_sync_gradients(synchronise and not left)
            with self.accelerator.no_sync(model) if left and not quiet else nullcontext():
                losses.append(super().training_step(model, one, *args))
        return torch.stack(losses).sum()

    def compute_loss(
        self,
        model: nn.Module,
        inputs: PairBatch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return a loss in nats: in training the next one of the step, else that of the batch."""
        if self.model.training:
            assert self._losses is not None
            return next(self._losses)
        scores = read_passes(partial(self._read, model), inputs, foreign=self._borrows)
        out = self.objective(scores, self.objective_state)
        rows = self.accelerator.gather_for_metrics(pair_columns(scores))
        self._record("eval", rows, [out])
        if return_outputs:
            logits = torch.cat([scores.chosen, scores.rejected]).unsqueeze(-1)
            return out.loss, SequenceClassifierOutput(logits=logits)
        return out.loss

    def _scores(self, model: nn.Module, inputs: PairBatch) -> PairScores:
        return pair_scores(self._read(model, inputs), inputs, foreign=self._borrows)

    def _finish(
        self, batches: list[PairBatch], outs: Sequence[ObjectiveOutput], rows: Tensor
    ) -> None:
        if outs:
            self.objective_state = dict(outs[-1].state)
        self._count_tokens(batches)
        self._record("train", rows, outs)

    def _count_tokens(self, batches: list[PairBatch]) -> None:
        count = torch.stack([batch["attention_mask"].sum() for batch in batches]).sum()
        tokens = self.accelerator.gather(count.to(self.args.device)).sum().item()
        self._total_train_tokens += int(tokens) // self._tp_size

    def _record(self, mode: str, rows: Tensor, outs: Sequence[ObjectiveOutput]) -> None:
        metrics = self._metrics[mode]
        metrics["num_tokens"] = [self._total_train_tokens]
        for name, value in batch_metrics(rows, self.model).items():
            metrics[name].append(value)
        if self._borrows:
            metrics["foreign_responses"].append(torch.tensor([float(len(rows))]))
        for name, scalar in ((n, s) for out in outs for n, s in out.metrics.items()):
            metrics[name].append(torch.as_tensor(scalar, dtype=torch.float32).reshape(1))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log as TRL does, with every metric averaged over pairs rather than over batches."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, values in metrics.items():
            if values and isinstance(values[0], Tensor):
                metrics[name] = [torch.cat([v.cpu() for v in values]).mean().item()]
        super().log(logs, start_time)

    def finished_model(self) -> Any:
        """Return the trained model to judge: it computes as the saved one does, in 32 bits.

        Where its weights are sharded it stays in the precision and the wrapper of training.
        """
        return self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)

    def record(self) -> FullCheckpointRecord:
        """Return the record of the training, with the settings that scoring needs."""
        return {
            "trueward": trueward.__version__,
            "objective": str(self.objective),
            "head": head_name(self.model).split(".")[0],
            "max_length": self.args.max_length,
            "truncation": self.args.truncation,
            "text": trained_on_text(self._pairs, self._streams.get("train")),
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
                write_base_config(unwrap(self.model), path)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint:
            state = running_state(Path(checkpoint), str(self.args.device))
            self.objective_state = self.objective_state if state is None else state
