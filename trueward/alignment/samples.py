"""Samples to be judged, as JSONL rows `{prompt, responses, gold}`; written as they come."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueward.alignment.kept_rows import ready, write_rows
from trueward.alignment.policy import Policy, SamplingSettings
from trueward.alignment.world import world_gold
from trueward.data.messages import checked_turns
from trueward.errors import DataError
from trueward.evaluate.fingerprint import model_digest
from trueward.evaluate.rewarded_rows import reward_file
from trueward.runs import Begin, rows_digest


@dataclass(frozen=True)
class Sampler:
    """Draws the responses of rows that have a prompt."""

    path: str
    settings: SamplingSettings
    device: str | None = None
    gold_world: bool = False

    def identity(self) -> dict[str, Any]:
        """What two sittings must share."""
        return {
            "policy": model_digest(self.path),
            **self.settings.identity(),
            "gold_world": self.gold_world,
        }

    def rows(
        self, prompts: list[dict[str, Any]], done: int, advance: Callable[[int], object]
    ) -> Iterator[dict[str, Any]]:
        """The rows after the first `done`, each with its responses."""
        policy = Policy(self.path, self.settings, self.device)
        turns = [_prompt(policy, row, number) for number, row in enumerate(prompts)]
        for number in range(done, len(prompts)):
            drawn = policy.sample(turns[number], number)
            row = {**prompts[number], "responses": list(drawn.texts), "cut": drawn.cut}
            if self.gold_world:
                row["gold"] = world_gold(prompts[number], drawn.texts, f"row {number}")
            advance(len(drawn.texts))
            yield row


def sample_rows(
    sampler: Sampler, prompts: list[dict[str, Any]], path: Path, *, overwrite: bool, begin: Begin
) -> Path:
    """Sample every prompt into `path`; a finished file of the same policy and prompts is kept.

    Raises:
        OutputExistsError: what is there was made of something else.
        DataError: a row without a prompt, with responses already, or too long for the policy.
        ModelError: the policy cannot be read.
    """
    for number, row in enumerate(prompts):
        if taken := {"responses", "cut"} & row.keys():
            raise DataError(
                f"row {number}: field {min(taken)!r} is there already; leave out --policy to "
                "judge the responses that are there"
            )
    identity = {"data": rows_digest(prompts), **sampler.identity()}
    out = reward_file(path)
    if ready(out, identity, overwrite):
        return path
    done = out.resume(chunk=1)
    total = len(prompts) * sampler.settings.samples
    advance = begin(path.name, total, done * sampler.settings.samples)
    write_rows(out, identity, sampler.rows(prompts, done, advance))
    return path


def _prompt(policy: Policy, row: Mapping[str, Any], number: int) -> Any:
    where = f"row {number}"
    if row.get("prompt") is None:
        raise DataError(f"{where}: expected a field 'prompt'; got {', '.join(row) or 'nothing'}")
    turns = checked_turns(row["prompt"], f"{where}, field 'prompt'")
    try:
        policy.encode(turns)
    except DataError as error:
        raise DataError(f"{where}, field 'prompt': {error}") from error
    return turns
