"""What training wrote beside a checkpoint, and which of it scoring keeps to."""

from typing import Any

from trueward.evals.json_field import JsonField
from trueward.models import read_object

RECORD_FILE = "trueward.json"
"""What training wrote beside a checkpoint: how long sequences may be, and how they are cut."""
_READ = {
    "max_length": JsonField.integer,
    "truncation": JsonField.text,
    "text": JsonField.boolean,
}


def as_trained(path: str) -> dict[str, Any]:
    """The settings of `Scorer` that a checkpoint was trained with, as far as it says.

    Raises:
        InputError: the record is damaged.
    """
    record = read_object(path, RECORD_FILE)
    fields = JsonField(record, f"{path}: {RECORD_FILE}", remedy="mend the field")
    known = {
        name: read(fields[name]) for name, read in _READ.items() if record.get(name) is not None
    }
    if known.get("truncation") == "drop":  # a training pair may be left out, a response may not
        del known["truncation"]
    return known
