"""A served reward model as the reward function of TRL's trainers."""

import json
import math
from collections.abc import Sequence
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from trueward.data.messages import as_messages
from trueward.errors import RunError
from trueward.types import Turns


class RemoteReward:
    """Raw rewards from a server that speaks vLLM's `POST /classify`, one answer a request.

    Text is sent as `{"model", "input": prompt + completion, "use_activation": false}`, messages as
    `{"model", "messages", "use_activation": false}`, to be put in the reward model's own template.
    Limits: no retry; a server that ignores `use_activation` applies a sigmoid, which is not seen;
    text goes as it is, and vLLM closes it with no EOS token, where models that were trained on text
    read their reward. For those, score with `Scorer` or train on messages.
    """

    __name__ = "trueward"

    def __init__(self, url: str, model: str, *, timeout: float = 180.0) -> None:
        self.url, self.model, self.timeout = url, model, timeout

    def __call__(
        self, prompts: Sequence[Turns], completions: Sequence[Turns], **columns: Any
    ) -> list[float]:
        """One reward a completion, in logits.

        Raises:
            RunError: no answer, or none with a finite number at `data[0].probs[0]`.
        """
        return [self._one(p, c) for p, c in zip(prompts, completions, strict=True)]

    def _one(self, prompt: Turns, completion: Turns) -> float:
        if isinstance(prompt, str) and isinstance(completion, str):
            given: dict[str, Any] = {"input": prompt + completion}
        else:
            turns = as_messages(prompt, "user") + as_messages(completion, "assistant")
            given = {"messages": turns}
        body = {"model": self.model, **given, "use_activation": False}
        reply = self._post(json.dumps(body).encode())
        try:
            reward = float(json.loads(reply)["data"][0]["probs"][0])
        except (ValueError, KeyError, IndexError, TypeError) as error:
            said = reply.decode("utf-8", "replace")[:80]
            raise RunError(
                f"{self.url}: expected a reply with data[0].probs[0], got {said!r}"
            ) from error
        if not math.isfinite(reward):
            raise RunError(f"{self.url}: the reward is {reward}; check the served checkpoint")
        return reward

    def _post(self, body: bytes) -> bytes:
        request = Request(self.url, body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=self.timeout) as reply:
                return bytes(reply.read())
        except (URLError, TimeoutError, ValueError) as error:
            raise RunError(
                f"{self.url}: no reward ({error}); check that the server is up"
            ) from error
