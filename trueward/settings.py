"""Settings of scoring, sampling and policy training.

A field with a help is a flag of that name: `trueward.cli.flags` reads its type, default, choices
and help here. Nothing here imports torch before a model is loaded, so that `--help` is quick.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from trueward.errors import InputError

if TYPE_CHECKING:
    from trueward.scorer import Scorer

ALGORITHMS = ("rloo", "grpo", "ppo")
DTYPES = ("float32", "bfloat16", "float16")
ENSEMBLES = ("mean", "worst", "uncertainty")
TRUNCATIONS = ("error", "truncate_left", "truncate_right")


def setting(default: Any, meaning: str, **flag: Any) -> Any:
    """Return a dataclass field with a default, and what its flag says: help, choices, metavar."""
    return field(default=default, metadata={"help": meaning, **flag})


@dataclass(frozen=True)
class ScoreSettings:
    """The settings of a model's scores; None leaves one to what the model was trained with."""

    max_length: int | None = setting(None, "longest sequence in tokens (as trained)")
    truncation: str | None = setting(
        None,
        "what becomes of longer ones; always counted (as trained, else error)",
        choices=TRUNCATIONS,
    )
    text: bool | None = setting(
        None, "join prompt and response as text, even where there is a chat template"
    )
    dtype: str = setting("float32", "of the weights", choices=DTYPES)
    batch_tokens: int = setting(8192, "tokens in a batch")
    """At most; changes speed and memory only."""
    device: str | None = setting(None, "cpu, cuda, cuda:1, … (the accelerator, if any)")

    def identity(self) -> dict[str, Any]:
        """Return what two sittings that write the same scores must share."""
        return {n: getattr(self, n) for n in ("max_length", "truncation", "text", "dtype")}

    def load(self, path: str) -> "Scorer":
        """Load the model in a folder or on the hub, ready to score.

        Raises:
            ModelError: it is no reward model, or its tokenizer cannot be read.
            InputError: a setting that cannot be.
        """
        import torch

        from trueward.scorer import Scorer

        chosen = {n: getattr(self, n) for n in ("max_length", "truncation", "text")}
        given = {name: value for name, value in chosen.items() if value is not None}
        try:
            device = str(torch.device(self.device)) if self.device else None
        except RuntimeError as error:
            raise InputError(
                f"device {self.device!r}: no such device; give cpu, cuda or cuda:1"
            ) from error
        dtype = getattr(torch, self.dtype)
        return Scorer.from_pretrained(
            path, device=device, dtype=dtype, batch_tokens=self.batch_tokens, **given
        )


@dataclass(frozen=True)
class SamplingSettings:
    """The settings that responses depend on, beside the policy and the prompt.

    Raises:
        InputError: a number out of its range.
    """

    samples: int = setting(16, "responses a prompt")
    max_new_tokens: int = setting(256, "of a response")
    temperature: float = setting(1.0, "of the policy")
    """Logits are divided by it; 1 is the policy itself, of which KL(n) speaks."""
    seed: int = setting(0, "of samples and intervals")
    text: bool | None = None
    """Prompts as text even where there is a chat template; None: where there is none."""
    dtype: str = "float32"
    batch: int = 64
    """Samples generated at a time; the draws depend on it."""

    def __post_init__(self) -> None:
        for name in ("samples", "max_new_tokens", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"--temperature: expected above 0, got {self.temperature:g}")


@dataclass(frozen=True)
class Shaping:
    """The steps from scores to rewards, in the order they are taken; all are off by default.

    1. `center`: r_m ← r_m(x, y) − r_m(x, reference answer), each reward model m by itself.
    2. `ensemble`, of several models: `mean`; `worst` = min_m r_m; `uncertainty` = mean_m r_m −
       λ·var_m r_m, population variance. Models of different scales must be made alike first.
    3. `normalize`: (r − μ)/σ with the mean and standard deviation of all rewards seen so far.
    4. `clip`: r ← min(max(r, −clip), clip).

    RLOO and GRPO compare answers to one prompt, so a constant per prompt (1., and μ of 3.) cancels
    there unless 4. follows; PPO feels it. Source of 2.: Coste et al. (2024), Reward Model
    Ensembles Help Mitigate Overoptimization.

    Apart from these, `kl_target` makes the KL penalty's coefficient β follow the KL (`KlControl`).

    Raises:
        InputError: an unknown ensemble, a negative λ, or a bound, target or horizon not above 0.
    """

    center: bool = setting(False, "subtract the reward of the row's reference answer")
    ensemble: str = setting("mean", "", choices=ENSEMBLES)
    penalty: float = setting(0.5, "λ of uncertainty: mean − λ·variance")
    """Per logit."""
    normalize: bool = setting(False, "by the mean and deviation of all rewards so far")
    clip: float | None = setting(None, "bound of the reward, last of all")
    kl_target: float | None = setting(None, "adapt β to hold this KL an answer", metavar="NATS")
    kl_horizon: float = setting(10_000.0, "answers over which β adapts")
    """Answers over which β moves by the clipped error; TRL's former default."""

    def __post_init__(self) -> None:
        if self.ensemble not in ENSEMBLES:
            raise InputError(f"ensemble={self.ensemble!r} is unknown; valid: {ENSEMBLES}")
        if self.penalty < 0:
            raise InputError(f"penalty: expected λ of at least 0, got {self.penalty:g}")
        for name in ("clip", "kl_target", "kl_horizon"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name}: expected a number above 0, got {value:g}")


@dataclass(frozen=True)
class AlignSettings:
    """One run of a policy against one reward model or an ensemble of them.

    Raises:
        InputError: a number out of its range, or no reward model.
    """

    policy: str = field(
        metadata={"help": "causal language model to train; also the reference", "metavar": "PATH"}
    )
    reward_models: tuple[str, ...]
    prompts: str = field(
        metadata={"help": "rows {prompt}, and {reference} for --center", "metavar": "FILE"}
    )
    output_dir: str
    algorithm: str = setting("rloo", "", choices=ALGORITHMS)
    gold: str | None = setting(
        None, "goldworld, or a reward model that stands for the truth", metavar="PATH"
    )
    """Looked at, never trained on."""
    shaping: Shaping = field(default_factory=Shaping)
    watch_prompts: int = setting(64, "prompts held out")
    watch_every: int = setting(20, "optimiser steps between looks")
    norm_data: str | None = setting(
        None, "the reward model's training pairs, for usual norms", metavar="FILE"
    )
    stop_on_overoptimization: bool = setting(
        False, "halt at the first alarm; the best policy is kept either way"
    )
    max_length: int | None = setting(
        None, "of the reward model's sequences, in tokens (as trained)"
    )
    truncation: str | None = setting(
        None, "what becomes of longer ones (as trained, else error)", choices=TRUNCATIONS
    )
    seed: int = setting(0, "of everything")
    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of TRL's configuration."""

    def __post_init__(self) -> None:
        if not self.reward_models:
            raise InputError("expected at least one reward model, got none")
        for name, least in (("watch_prompts", 10), ("watch_every", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}, got {getattr(self, name)}")

    def identity(self) -> dict[str, Any]:
        """Return the settings that two sittings of one run must share."""
        free = ("output_dir", "stop_on_overoptimization")
        return {name: v for name, v in asdict(self).items() if name not in free}
