"""The verdicts over everything in a report, and the comparisons that they rest on."""

from dataclasses import dataclass

from trueward.report.blocks import Verdict
from trueward.report.diagnosis import diagnosis_verdict
from trueward.report.material import Material
from trueward.report.policies import policies_verdict
from trueward.report.studies import study_verdict
from trueward.report.suites import suites_verdict
from trueward.report.training_runs import runs_verdict
from trueward.suites import Compared, SuiteDifference, compare_models


@dataclass(frozen=True)
class Findings:
    """What is found, subject by subject."""

    verdicts: tuple[Verdict, ...]
    differences: tuple[SuiteDifference, ...]
    """Of suites, corrected for all at once."""


def findings(material: Material) -> Findings:
    """Return a verdict a subject, the surest kind of evidence first."""
    compared = compare_models(material.suites) if material.suites else Compared((), ())
    verdicts = [study_verdict(results) for results in material.studies.values()]
    if material.suites:
        verdicts.append(suites_verdict(material.suites, compared))
    verdicts += [diagnosis_verdict(one) for one in material.diagnoses]
    if material.runs:
        verdicts.append(runs_verdict(material.runs))
    if material.policies:
        verdicts.append(policies_verdict(material.policies, list(material.demos.values())))
    return Findings(tuple(verdicts), compared.differences)
