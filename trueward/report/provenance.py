"""The making of results: settings, versions and machine, exact commands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trueward.report.blocks import Block, Code, Facts, Group, Section
from trueward.report.material import Material
from trueward.report.policies import policy_settings
from trueward.report.training_runs import run_settings

DEMO = ("seeds", "algorithm", "training")
"""Settings of `trueward align --demo`."""


def provenance_sections(material: Material) -> Iterator[Section]:
    """Yield settings, environments and commands, those that there are."""
    label = "The exact command"
    parts: dict[str, Sequence[Block]] = {
        "Settings": settings(material),
        "Environment": environments(material),
        "Command": [Code(text, label) for text in commands(material)],
    }
    for title, blocks in parts.items():
        if blocks:
            yield Section(title.lower(), title, blocks)


def settings(material: Material) -> list[Block]:
    """Return what was configured, part by part."""
    parts: dict[str, Block] = {}
    for path, results in material.studies.items():
        name = f"{results.name} ({path})" if path != results.name else path
        parts[name] = Facts(results.settings)
    for one in material.diagnoses:
        about = {name: one.document.get(name) for name in ("settings", "train", "reference")}
        parts[one.source] = Facts(about)
    scored = ((name, record.get("settings") or {}) for name, record in material.records.items())
    parts |= _together(scored)
    for path, document in material.optimizations.items():
        parts[path] = Facts(document.get("settings", {}))
    for run in material.runs:
        parts[run.folder] = run_settings(run)
    for path, demo in material.demos.items():
        parts[path] = Facts({name: value for name, value in demo.items() if name in DEMO})
    parts |= {one.source: policy_settings(one) for one in material.policies if one.whole}
    return _named(parts)


def environments(material: Material) -> list[Block]:
    """Return versions and machine; parts that share them are named together."""
    others = (*material.records.items(), *material.optimizations.items())
    found: list[tuple[str, Mapping[str, Any]]] = [
        *((results.name, results.environment) for results in material.studies.values()),
        *((one.source, one.document.get("environment") or {}) for one in material.diagnoses),
        *((name, document.get("environment") or {}) for name, document in others),
        *((one.label, one.document.get("environment") or {}) for one in material.policies),
        *((run.label, run.result.get("environment") or {}) for run in material.runs),
    ]
    return _named(_together(found))


def commands(material: Material) -> list[str]:
    """Return the exact commands, where results tell theirs; each once."""
    documents: list[Mapping[str, Any]] = [one.document for one in material.diagnoses]
    documents += [*material.records.values(), *material.optimizations.values()]
    found = [results.command for results in material.studies.values()]
    found += [str(document.get("command") or "") for document in documents]
    found += [run.command for run in material.runs]
    return list(dict.fromkeys(command for command in found if command))


def _together(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Block]:
    """Return facts by names, joined where what they name is the same; without empty ones."""
    known: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, items in parts:
        same = next((names for names, others in known if others == items), None)
        if same is not None:
            same.append(name)
        elif items:
            known.append(([name], items))
    return {", ".join(names): Facts(items) for names, items in known}


def _named(parts: Mapping[str, Block]) -> list[Block]:
    """Return each part under its name, where there are several."""
    if len(parts) < 2:
        return list(parts.values())
    return [Group([block], name, "part") for name, block in parts.items()]
