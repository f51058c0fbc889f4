"""Responses that are sampled: from a local policy, or from the embedded world's writers."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from trueward.data import Encoder
from trueward.data.messages import as_messages, as_text, checked_turns
from trueward.errors import DataError, ModelError, reason
from trueward.evaluate.scoring import model_digest
from trueward.goldworld import (
    Task,
    WorldConfig,
    format_prompt,
    held_out_tasks,
    sample_responses,
    score_text,
    train_writers,
)
from trueward.models import position_limit
from trueward.runs import Advance
from trueward.settings import SamplingSettings
from trueward.types import Row, Turns


class Policy:
    """A causal language model, sampled from its whole distribution (no top-k, no top-p).

    The same seed gives the same responses, row by row.

    Raises:
        ModelError: there is no causal language model or no tokenizer at `path`.
    """

    def __init__(self, path: str, settings: SamplingSettings, device: str | None = None) -> None:
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            model = AutoModelForCausalLM.from_pretrained(
                path, dtype=settings.dtype, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot read a policy at {path!r}: {reason(error)}") from error
        accelerator = torch.accelerator.current_accelerator()
        self.model = model.to(device or accelerator or "cpu").eval()
        self.settings = settings
        self.encoder = Encoder(self.tokenizer)
        self.text = self.tokenizer.chat_template is None if settings.text is None else settings.text
        eos = model.generation_config.eos_token_id
        ends = (*(eos if isinstance(eos, list) else [eos]), self.tokenizer.eos_token_id)
        self._ends = {token for token in ends if token is not None}
        # the checkpoint's own would fill in penalties and cut-offs, and KL(n) would not hold
        self.model.generation_config = self._generation_config()

    def encode(self, prompt: Turns) -> list[int]:
        """Return the token ids that a response is drawn after.

        Raises:
            DataError: no tokens, messages that cannot be encoded, or no room for a response.
        """
        turns = as_text(prompt) if self.text else as_messages(prompt, "user")
        ids = self.encoder.encode_prompt(turns)
        limit = position_limit(self.model)
        longest = len(ids) + self.settings.max_new_tokens
        if not ids:
            raise DataError("the prompt has no tokens")
        if limit is not None and longest > limit:
            raise DataError(
                f"{len(ids)} tokens and --max_new_tokens {self.settings.max_new_tokens} are "
                f"more than the policy's {limit} positions; lower --max_new_tokens"
            )
        return ids

    def sample(self, prompt: Turns, row: int) -> tuple[list[str], int]:
        """Draw a row's responses; return them, and how many ended at `max_new_tokens`.

        They depend on settings, prompt and row number alone.

        Raises:
            DataError: as `encode`.
        """
        ids = torch.tensor([self.encode(prompt)], device=self.model.device)
        devices = [] if self.model.device.type == "cpu" else [self.model.device]
        texts: list[str] = []
        cut = 0
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(_row_seed(self.settings.seed, row))
            while len(texts) < self.settings.samples:
                count = min(self.settings.batch, self.settings.samples - len(texts))
                copies = ids.repeat(count, 1)
                out = self.model.generate(copies, attention_mask=torch.ones_like(copies))
                drawn = out[:, ids.shape[1] :].tolist()
                cut += sum(self._ends.isdisjoint(response) for response in drawn)
                texts += self.tokenizer.batch_decode(drawn, skip_special_tokens=True)
        return texts, cut

    def _generation_config(self) -> GenerationConfig:
        ends = sorted(self._ends)
        pad = self.tokenizer.pad_token_id
        return GenerationConfig(
            do_sample=True,
            temperature=self.settings.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=self.settings.max_new_tokens,
            eos_token_id=ends or None,
            pad_token_id=pad if pad is not None else (ends or [0])[0],
            use_cache=True,
        )


def _row_seed(seed: int, row: int) -> int:
    digest = hashlib.sha256(f"bon/{seed}/{row}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


@dataclass(frozen=True)
class Sampler:
    """A policy that answers rows of prompts."""

    path: str
    settings: SamplingSettings
    device: str | None = None
    gold_world: bool = False

    def identity(self) -> dict[str, object]:
        """Return what two sittings that sample from it must share."""
        return {
            "policy": model_digest(self.path),
            **asdict(self.settings),
            "gold_world": self.gold_world,
        }

    def answers(self, prompts: Sequence[Row]) -> Callable[[Sequence[int], Advance], list[Row]]:
        """Check all rows; return a function from row numbers to those rows with responses.

        Raises:
            DataError: a row without a prompt, or too long for the policy.
            ModelError: the policy cannot be read.
        """
        policy = Policy(self.path, self.settings, self.device)
        turns = [_prompt(policy, row, number) for number, row in enumerate(prompts)]

        def answer(numbers: Sequence[int], advance: Advance) -> list[Row]:
            rows: list[Row] = []
            for number in numbers:
                texts, cut = policy.sample(turns[number], number)
                row = {**prompts[number], "responses": texts, "cut": cut}
                if self.gold_world:
                    row["gold"] = world_gold(prompts[number], texts, f"row {number}")
                advance(len(texts))
                rows.append(row)
            return rows

        return answer


def _prompt(policy: Policy, row: Row, number: int) -> Turns:
    where = f"row {number}"
    if row.get("prompt") is None:
        raise DataError(f"{where}: expected a field 'prompt'; got {', '.join(row) or 'nothing'}")
    turns = checked_turns(row["prompt"], f"{where}, field 'prompt'")
    try:
        policy.encode(turns)
    except DataError as error:
        raise DataError(f"{where}, field 'prompt': {error}") from error
    return turns


@dataclass(frozen=True)
class WorldSource:
    """The embedded world's held-out prompts, answered by its training writers or by a policy."""

    prompts: int = 150
    samples: int = 16
    """Responses a prompt, where writers answer."""
    seed: int = 0

    def prompt_rows(self) -> list[Row]:
        """Return rows `{prompt_id, prompt}`; DataError for fewer than one prompt."""
        tasks = self._tasks().items()
        return [{"prompt_id": name, "prompt": format_prompt(task)} for name, task in tasks]

    def written_rows(self) -> Iterator[Row]:
        """Yield rows with responses of the training writers, and their gold scores."""
        writers = train_writers(WorldConfig.cue_strength)
        for name, task in self._tasks().items():
            drawn = sample_responses(task, self.samples, self.seed, writers)
            responses = [text for text, _ in drawn]
            row = {"prompt_id": name, "prompt": format_prompt(task), "responses": responses}
            yield row | {"gold": world_gold(row, responses, name)}

    def _tasks(self) -> Mapping[str, Task]:
        least = max(self.prompts, 2000)
        config = WorldConfig(seed=self.seed, eval_prompts=self.prompts, train_prompts=least)
        return held_out_tasks(config)


def world_gold(row: Row, responses: Sequence[Turns], where: str) -> list[float]:
    """Return the embedded world's gold score of every response.

    Raises:
        DataError: the row has gold already, the prompt is none of the world's, or no text.
    """
    if row.get("gold") is not None:
        raise DataError(
            f"{where}: field 'gold' is there already; drop it, or leave out --gold_world"
        )
    prompt, texts = row["prompt"], [text for text in responses if isinstance(text, str)]
    if not isinstance(prompt, str) or len(texts) < len(responses):
        raise DataError(f"{where}: --gold_world reads prompts and responses as plain text")
    try:
        return [score_text(prompt, text) for text in texts]
    except DataError as error:
        raise DataError(f"{where}, field 'prompt': {error}") from error
