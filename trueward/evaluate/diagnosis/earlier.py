"""An earlier `diagnostics.json`: replaced where nothing of it is lost, else refused."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trueward.errors import OutputExistsError
from trueward.evaluate.diagnosis.beside import Beside
from trueward.evaluate.diagnosis.contestant import Contestant
from trueward.files import JsonField, read_json

SCHEMA = "trueward.diagnostics/1"
SCORED = ("max_length", "truncation", "text", "dtype", "probed")
"""Settings on which the numbers depend."""


def check_kept(
    file: Path,
    models: Mapping[str, Contestant],
    sets: Iterable[str],
    settings: Mapping[str, Any],
    beside: Beside,
) -> None:
    """Refuse to replace a document by one that leaves out or changes what it holds.

    Further models and sets may come: the scores of the others are kept, and read again.

    Raises:
        OutputExistsError: naming what would be lost.
    """
    if not file.exists():
        return
    earlier = read_json(file)
    if not isinstance(earlier.value, dict) or earlier.value.get("schema") != SCHEMA:
        raise OutputExistsError(
            f"{file} is there and is no {SCHEMA}; choose another output, or --overwrite"
        )
    lost = [
        *_models(earlier, models),
        *_sets(earlier, set(sets)),
        *_settings(earlier, settings),
        *_beside(earlier, beside),
    ]
    if lost:
        raise OutputExistsError(
            f"{file} would lose what it holds: {'; '.join(lost)}; give that again beside what is "
            "to be added, choose another output, or --overwrite"
        )


def _models(earlier: JsonField, models: Mapping[str, Contestant]) -> Iterator[str]:
    for model in earlier["models"].items():
        label, digest = model["model"].text(), model["digest"].text()
        now = models[label].digest if label in models else "not given"
        if now != digest:
            yield f"model {label!r} was {digest}, now {now}"


def _sets(earlier: JsonField, sets: set[str]) -> Iterator[str]:
    blocks = [block for model in earlier["models"].items() for block in model["sets"].items()]
    names = dict.fromkeys(block["name"].text() for block in blocks)
    yield from (f"set {name!r} is not given" for name in names if name not in sets)


def _settings(earlier: JsonField, settings: Mapping[str, Any]) -> Iterator[str]:
    for name, was in earlier["settings"].members().items():
        if name in SCORED and was.value != settings[name]:
            yield f"{name} was {_said(was.value)}, now {_said(settings[name])}"


def _beside(earlier: JsonField, beside: Beside) -> Iterator[str]:
    was, now = earlier["reference"].value, beside.reference and beside.reference[0]
    if was not in (None, now):
        yield f"reference was {was}, now {_said(now)}"
    if not earlier["label_noise"].is_null and not beside.flip_rates:
        yield "flip rates are not given"


def _said(value: Any) -> str:
    return "not given" if value is None else str(value)
