"""What flipped training labels cost, over the models of one call."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from trueward.diagnostics import noise_sensitivity
from trueward.errors import DataError


def label_noise(
    models: Sequence[Mapping[str, Any]], rates: Mapping[str, float]
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """By set: the slope of accuracy on the rate of flipped labels, and what is retained."""
    if not rates:
        return None, {}
    found: dict[str, Any] = {}
    needs = {}
    for place, block in enumerate(models[0]["sets"]):
        chosen = [m for m in models if m["model"] in rates and m["sets"][place]["accuracy"]]
        scores = [m["sets"][place]["accuracy"]["value"] for m in chosen]
        try:
            found[block["name"]] = asdict(
                noise_sensitivity([rates[m["model"]] for m in chosen], scores)
            )
        except DataError as error:
            needs[f"label noise on {block['name']}"] = str(error)
    return found, needs
