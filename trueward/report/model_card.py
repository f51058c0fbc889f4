"""A model card for a trained reward model: what it is, how good, how to use it, how it was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trueward.errors import DataError
from trueward.metrics import metric
from trueward.report.diagnosis_lines import number
from trueward.report.findings import findings
from trueward.report.markdown import diagnosis_tables, suites_table, table
from trueward.report.material import Material, TrainedRun
from trueward.report.numbers import fixed, short, spaced
from trueward.report.reading import read_material
from trueward.report.runs_page import SETTINGS

_USE = """```python
from trueward import Scorer

scorer = Scorer.from_pretrained({path!r})
scorer.score(["What is 2 + 2?"], ["4"])  # rewards in logits
```

It is a plain `AutoModelForSequenceClassification` with one label; any program that loads one gives
the same rewards."""


def model_card(folder: Path | str, beside: Material | None = None) -> str:
    """The text of `README.md` for the folder of a finished `trueward train`, front matter and all.

    Args:
        folder: it holds `train.json`.
        beside: results of evaluations and diagnoses of the model, to put on the card.

    Raises:
        DataError: the folder holds no finished run.
    """
    (run,) = read_material([Path(folder) / "train.json"]).runs
    if not run.finished:
        raise DataError(f"{folder}: the run is not finished, so there is nothing to put on a card")
    matter = yaml.safe_dump(_front_matter(run), sort_keys=False, allow_unicode=True)
    said = findings(Material(runs=(run,))).said[0].verdict
    parts = [
        f"---\n{matter}---",
        f"# {run.label}",
        f"A reward model. {said.findings[0]}",
        "## Use",
        _USE.format(path=run.label),
        "## Held-out results",
        _held_out(run.result),
        *_evidence(beside),
        "## Training",
        _training(run),
        *_notices(run.result),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(run: TrainedRun) -> dict[str, Any]:
    base, data = run.job.get("model_name_or_path"), run.job.get("dataset_name")
    return {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["reward-model", "trueward", "rlhf"],
        **({"base_model": base} if isinstance(base, str) and not Path(base).exists() else {}),
        **({"datasets": [data]} if isinstance(data, str) and not Path(data).exists() else {}),
    }


def _held_out(result: Mapping[str, Any]) -> str:
    counts = result.get("counts", {})
    rows = [
        [
            metric(name).title,
            fixed(number(one, "value")),
            f"{fixed(number(one, 'low'))} to {fixed(number(one, 'high'))}",
            f"{counts[name]:,}" if name in counts else "",
        ]
        for name, one in result.get("held_out", {}).items()
    ]
    rows += [
        [spaced(name), short(number(result, "scalars", name)), "", ""]
        for name in result.get("scalars", {})
    ]
    return table(["Measure", "Value", "95 % interval", "Items"], rows)


def _evidence(beside: Material | None) -> list[str]:
    if beside is None:
        return []
    parts = ["## Benchmark suites", suites_table(beside)] if beside.suites else []
    for one in beside.diagnoses:
        parts += ["## Diagnostics", *diagnosis_tables(one)]
    return parts


def _training(run: TrainedRun) -> str:
    told = {name: run.job[name] for name in SETTINGS if run.job.get(name) is not None}
    told |= run.result.get("environment", {})
    return table(["Setting", "Value"], [[name, str(value)] for name, value in told.items()])


def _notices(result: Mapping[str, Any]) -> list[str]:
    notices = result.get("notices") or []
    return ["## Notices", "\n".join(f"- {one}" for one in notices)] if notices else []
