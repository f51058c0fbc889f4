"""The page's sections in their order; a section without material is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trueward.report.alignment_page import alignment_section
from trueward.report.bars import scenario_bars
from trueward.report.curves import training_curves
from trueward.report.diagnosis_page import diagnosis_sections
from trueward.report.differences import difference_plot
from trueward.report.distributions import norm_distributions
from trueward.report.findings import POLICIES, Findings, Said
from trueward.report.html import Html, element
from trueward.report.judges import hidden_table, scalars_table
from trueward.report.material import Material
from trueward.report.numbers import percent
from trueward.report.optimization_page import curves_of, optimization_section
from trueward.report.provenance import commands, environments, settings
from trueward.report.runs_page import runs_section
from trueward.report.scatter import reward_against_gold
from trueward.report.suite_page import suite_sections
from trueward.report.tables import comparison_table, seeds_table
from trueward.results import StudyResults


@dataclass(frozen=True)
class Section:
    """What a heading stands over."""

    identifier: str
    title: str
    children: list[Html]


def sections(material: Material, told: Findings) -> list[Section]:
    """Verdict, scenarios, suites, diagnostics, training, policies, how it was made."""
    found = [Section("verdict", "Verdict", _verdict(told))]
    several = len(material.studies) > 1
    for place, results in enumerate(material.studies.values()):
        found += [_of_study(one, results, place, several) for one in _scenarios(results)]
    if material.suites:
        parts = suite_sections(material.suites, told.differences)
        found.append(Section("suites", "Benchmark suites", parts))
    for place, one in enumerate(material.diagnoses):
        number = f"-{place + 1}" if place else ""
        name = f": {one.source}" if len(material.diagnoses) > 1 else ""
        found.append(Section(f"diagnostics{number}", f"Diagnostics{name}", diagnosis_sections(one)))
    for place, results in enumerate(material.studies.values()):
        found += [_of_study(one, results, place, several) for one in _trained(results)]
    if material.runs:
        found.append(Section("runs-of-train", "Training runs", runs_section(material.runs)))
    curves = curves_of(material)
    if curves:
        title = "Over-optimization"
        found.append(Section("over-optimization", title, optimization_section(curves)))
    if material.policies:
        found.append(Section("policies", POLICIES, alignment_section(material.policies)))
    return [*found, *_provenance(material)]


def _verdict(told: Findings) -> list[Html]:
    if len(told.said) == 1:
        return _said(told.said[0])
    return [
        element("div", element("h3", one.about), *_said(one), class_="said") for one in told.said
    ]


def _said(one: Said) -> list[Html]:
    told = one.verdict
    return [
        element("p", told.headline, class_="headline"),
        *_list(told.findings, "findings"),
        *([element("p", "Warnings", class_="label")] if told.warnings else []),
        *_list(told.warnings, "findings"),
        *(element("p", sentence, class_="note") for sentence in told.caveats),
    ]


def _list(sentences: Sequence[str], class_: str) -> list[Html]:
    found = [element("li", sentence) for sentence in sentences]
    return [element("ul", *found, class_=class_)] if found else []


def _scenarios(results: StudyResults) -> Iterator[Section]:
    comparison = [comparison_table(results), _legend(results)]
    if len(results.comparison.objectives) > 1:
        comparison.append(difference_plot(results))
    yield Section("comparison", "Comparison", comparison)
    yield Section("scenarios", "Scenarios", [scenario_bars(results)])
    yield Section("norms", "Norms of hidden states", [norm_distributions(results)])
    yield Section("gold", "Reward against gold", [reward_against_gold(results)])


def _trained(results: StudyResults) -> Iterator[Section]:
    yield Section("training", "Training", [training_curves(results)])
    runs = [seeds_table(results), scalars_table(results), hidden_table(results)]
    yield Section("runs", "Runs", runs)


def _of_study(one: Section, results: StudyResults, place: int, several: bool) -> Section:
    """Named after its study where there are several."""
    if not several:
        return one
    number = f"-{place + 1}" if place else ""
    return replace(one, identifier=one.identifier + number, title=f"{one.title}: {results.name}")


def _provenance(material: Material) -> Iterator[Section]:
    for identifier, title, children in (
        ("settings", "Settings", settings(material)),
        ("environment", "Environment", environments(material)),
        ("command", "Command", commands(material)),
    ):
        if children:
            yield Section(identifier, title, children)


def _legend(results: StudyResults) -> Html:
    comparison = results.comparison
    level = percent(comparison.confidence)
    return element(
        "p",
        f"Each cell: mean and {level} interval; below, the difference to "
        f"{results.labels[comparison.baseline]} and its interval. * the interval of the difference "
        "excludes zero; ** it also holds after Holm's correction. Length alone is a scorer that "
        "only counts words; the gold score is the best there is.",
        class_="note",
    )
