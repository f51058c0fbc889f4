"""How everything was made: settings, versions and machine, exact commands."""

from collections.abc import Iterable, Mapping
from typing import Any

from trueward.report.alignment_page import policy_settings
from trueward.report.html import Html, element
from trueward.report.material import Material
from trueward.report.runs_page import run_settings
from trueward.report.tables import facts

DEMO = ("seeds", "algorithm", "training")
"""Settings of `trueward align --demo`."""


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
    judged = [(name, told.get("settings") or {}) for name, told in material.records.items()]
    parts |= {names: facts(found) for names, found in _together(judged).items()}
    for path, document in material.optimizations.items():
        parts[path] = facts(document.get("settings", {}))
    for run in material.runs:
        parts[run.folder] = run_settings(run)
    for path, demo in material.demos.items():
        parts[path] = facts({name: value for name, value in demo.items() if name in DEMO})
    parts |= {one.source: policy_settings(one) for one in material.policies if one.whole}
    return _named(parts)


def environments(material: Material) -> list[Html]:
    """Versions and machine; parts that share them are named together."""
    return _named({n: facts(found) for n, found in _together(_environments(material)).items()})


def _together(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """Names joined where what they name is the same; what is empty is left out."""
    known: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, found in parts:
        same = next((names for names, facts_ in known if facts_ == found), None)
        if same is not None:
            same.append(name)
        elif found:
            known.append(([name], found))
    return {", ".join(names): found for names, found in known}


def _environments(material: Material) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = [
        (results.name, results.environment) for results in material.studies.values()
    ]
    found += [(one.source, one.document.get("environment") or {}) for one in material.diagnoses]
    others = (*material.records.items(), *material.optimizations.items())
    found += [(name, told.get("environment") or {}) for name, told in others]
    found += [(one.label, one.document.get("environment") or {}) for one in material.policies]
    return found + [(run.label, run.result.get("environment") or {}) for run in material.runs]


def told_commands(material: Material) -> list[str]:
    """The exact commands, where results tell theirs; each once."""
    told = [results.command for results in material.studies.values()]
    told += [str(one.document.get("command") or "") for one in material.diagnoses]
    others = (*material.records.values(), *material.optimizations.values())
    told += [str(one.get("command") or "") for one in others]
    told += [run.command for run in material.runs]
    return list(dict.fromkeys(command for command in told if command))


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
