"""Plain prompts and responses as conversations, for the chat template to mark who speaks."""

from typing import Any

from datasets import Dataset

from trueward.data.messages import as_messages
from trueward.data.tables import dataset_from_rows
from trueward.types import Message


def to_messages(rows: Dataset) -> Dataset:
    """Make text messages: `prompt` the user's turn; `chosen`, `rejected`, `responses` the answer.

    For data whose prompt and response are separate texts (an instruction and an output), which
    would otherwise be joined without a mark between them. Messages stay as they are.
    """
    return dataset_from_rows([_conversation(row) for row in rows], "conversation")


def _conversation(row: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, list[Message] | list[list[Message]]] = {
        column: as_messages(row[column], role) for column, role in _ROLES.items() if column in row
    }
    if "responses" in row:
        changed["responses"] = [as_messages(turns, "assistant") for turns in row["responses"]]
    return row | changed


_ROLES = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
