"""How everything was made: settings, versions and machine, exact commands."""

from collections.abc import Mapping
from typing import Any

from trueward.report.html import Html, element
from trueward.report.material import Material
from trueward.report.runs_page import run_settings
from trueward.report.tables import facts


def settings(material: Material) -> list[Html]:
    """What was configured, part by part."""
    parts: dict[str, Html] = {}
    for path, results in material.studies.items():
        parts[f"{results.name} ({path})" if path != results.name else path] = facts(
            results.settings
        )
    for one in material.diagnoses:
        about = {name: one.document.get(name) for name in ("settings", "train", "reference")}
        parts[one.source] = facts(about)
    for path, document in material.optimizations.items():
        parts[path] = facts(document.get("settings", {}))
    for run in material.runs:
        parts[run.folder] = run_settings(run)
    return _named(parts)


def environments(material: Material) -> list[Html]:
    """Versions and machine; parts that share them are named together."""
    known: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, found in _environments(material):
        same = next((names for names, facts_ in known if facts_ == found), None)
        if same is None:
            known.append(([name], found))
        else:
            same.append(name)
    return _named({", ".join(names): facts(found) for names, found in known})


def _environments(material: Material) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = [
        (results.name, results.environment) for results in material.studies.values()
    ]
    found += [(one.source, one.document.get("environment") or {}) for one in material.diagnoses]
    found += [(run.label, run.result.get("environment", {})) for run in material.runs]
    return [(name, facts_) for name, facts_ in found if facts_]


def told_commands(material: Material) -> list[str]:
    """The exact commands, where results tell theirs."""
    told = [results.command for results in material.studies.values()]
    told += [str(one.document.get("command") or "") for one in material.diagnoses]
    return [command for command in told if command]


def commands(material: Material) -> list[Html]:
    """The same, each in a box."""
    return [
        element(
            "pre",
            element("code", command),
            tabindex="0",
            role="region",
            aria_label="The exact command",
        )
        for command in told_commands(material)
    ]


def _named(parts: Mapping[str, Html]) -> list[Html]:
    """Each under its name, where there are several."""
    if len(parts) < 2:
        return list(parts.values())
    return [
        element("div", element("h3", name), part, class_="part") for name, part in parts.items()
    ]
