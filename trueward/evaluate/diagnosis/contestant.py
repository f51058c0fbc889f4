"""A model that is diagnosed, loaded when it is first needed."""

from functools import cached_property
from pathlib import Path
from typing import Any

from trueward.data.encode import shared_length
from trueward.data.messages import as_messages, as_text
from trueward.evaluate.diagnosis.questions import Question
from trueward.evaluate.fingerprint import model_digest
from trueward.evaluate.judging import slug
from trueward.evaluate.settings import ScoreSettings
from trueward.scorer import Scorer
from trueward.types import Turns


class Contestant:
    """A label, a checkpoint, and how it scores."""

    def __init__(self, label: str, path: str, settings: ScoreSettings) -> None:
        self.label, self.path, self.settings = label, path, settings
        self.digest = model_digest(path)

    @cached_property
    def scorer(self) -> Scorer:
        """The model, loaded. Raises ModelError if it is no reward model."""
        return self.settings.load(self.path)

    def release(self) -> None:
        """Give the model's memory back."""
        self.__dict__.pop("scorer", None)

    def folder(self, output: Path) -> Path:
        """Where its scores go."""
        return output / slug(self.label)

    def identity(self) -> dict[str, Any]:
        """What two sittings must share."""
        return {"model": self.digest, **self.settings.identity()}

    def response_tokens(self, prompt: Turns, response: Turns) -> int:
        """Tokens of the response alone, with what closes it, before any truncation."""
        encoder, text = self.scorer.encoder, self.scorer.text
        known = as_text(prompt) if text else as_messages(prompt, "user")
        whole = self.scorer.encode(prompt, response)
        return len(whole) - shared_length(encoder.encode_prompt(known), whole)

    def turns(self, question: Question, responses: list[Turns]) -> tuple[Turns, list[Turns]]:
        """A prompt and responses as the scorer takes them."""
        return question.prompt, responses
