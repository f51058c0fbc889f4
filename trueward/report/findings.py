"""The verdict over everything in a report, and the comparisons that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass

from trueward.metrics import metric
from trueward.report.alignment_verdict import alignment_verdict
from trueward.report.diagnosis_lines import number
from trueward.report.material import Diagnosis, Material, TrainedRun
from trueward.report.numbers import count, fixed, listed, percent, signed, spaced
from trueward.report.verdict import Verdict, lower, verdict
from trueward.report.warnings_of import warnings_of
from trueward.suites import Compared, SuiteDifference, SuiteResult, compare_models

POLICIES = "Policies trained on reward models"
THUMB = (
    "Warnings are by rules of thumb; the firm reading of a diagnostic is against another model on "
    "the same items."
)


@dataclass(frozen=True)
class Said:
    """A verdict and what it is about."""

    about: str
    verdict: Verdict


@dataclass(frozen=True)
class Findings:
    """What is said, and the differences of suites, corrected for all at once."""

    said: tuple[Said, ...]
    differences: tuple[SuiteDifference, ...]


def findings(material: Material) -> Findings:
    """Read every part of the material aloud, the surest kind of evidence first."""
    compared = compare_models(material.suites) if material.suites else Compared((), ())
    said = [
        Said(f"Study {results.name}", verdict(results)) for results in material.studies.values()
    ]
    if material.suites:
        said.append(Said("Benchmark suites", _suites(material, compared)))
    said += [Said("Diagnostics", _diagnosis(one)) for one in material.diagnoses]
    if material.runs:
        said.append(Said("Training runs", _runs(material.runs)))
    if material.policies:
        told = alignment_verdict(material.policies, list(material.demos.values()))
        said.append(Said(POLICIES, told))
    return Findings(tuple(said), compared.differences)


def _suites(material: Material, compared: Compared) -> Verdict:
    first, differences = next(iter(material.suites)), compared.differences
    left_out = tuple(f"Not compared: {reason}." for reason in compared.left_out)
    if not differences:
        headline = "; ".join(_level(model, rows) for model, rows in material.suites.items()) + "."
        alone = "Only one model was judged, so there is nothing to compare it with."
        return Verdict(headline, (), left_out or (alone,))
    sure = [one for one in differences if one.significant_holm]
    headline = (
        "; ".join(_short(one) for one in sure) + "."
        if sure
        else f"Nothing can be told apart from {first} on the suites."
    )
    hints = [one for one in differences if one.significant and not one.significant_holm]
    sentences = [_sentence(one, "") for one in sure]
    sentences += [_sentence(one, "A hint that does not survive the correction: ") for one in hints]
    level = [o.scorer for o in differences if not o.significant]
    if level and sure:
        names = listed(list(dict.fromkeys(level)))
        sentences.append(f"No difference to {first} shows on some or all suites for {names}.")
    caveat = (
        "Differences are of each suite's primary metric times 100, paired by prompt, with 95 % "
        f"bootstrap intervals; Holm's correction covers {count(len(differences), 'comparison')}."
    )
    return Verdict(headline, tuple(sentences), (caveat, *left_out))


def _short(one: SuiteDifference) -> str:
    verb = "beats" if one.estimate.value > 0 else "is worse than"
    return f"{one.scorer} {verb} {one.baseline} on {one.suite}"


def _sentence(one: SuiteDifference, start: str) -> str:
    better = "better" if one.estimate.value > 0 else "worse"
    gap, low, high = (
        signed(100 * v, 2) for v in (one.estimate.value, one.estimate.low, one.estimate.high)
    )
    return (
        f"{start}{one.scorer} is {better} than {one.baseline} on {one.suite} by {gap} "
        f"({low} to {high}; corrected p = {fixed(one.p_holm)})."
    )


def _level(model: str, rows: Sequence[SuiteResult]) -> str:
    parts = [
        f"{fixed(100 * r.value.value, 1)} ({fixed(100 * r.value.low, 1)} to "
        f"{fixed(100 * r.value.high, 1)}) on {r.suite}"
        for r in rows
        if r.primary in r.weights
    ]
    return f"{model} scores {listed(parts)}" if parts else f"{model} has no primary metric"


def _diagnosis(one: Diagnosis) -> Verdict:
    warned, study = warnings_of(one), one.as_study()
    caveats: tuple[str, ...] = (THUMB,) if warned else ()
    if study is None or len(one.models) == 1:
        model = one.models[0]
        right = [
            f"{fixed(number(block, 'accuracy', 'value'))} on {spaced(block['name'])}"
            for block in model["sets"]
            if block.get("accuracy") and block["name"] != "train"
        ]
        ranks = f" It ranks pairs right at {listed(right)}." if right else ""
        what = (
            f"{model['model']}: {count(len(warned), 'warning')} on {count(len(one.sets), 'set')}."
        )
        return Verdict(what + ranks, (), caveats, tuple(warned))
    told = verdict(study, "model")
    return Verdict(told.headline, told.findings, (*told.caveats, *caveats), tuple(warned))


def _runs(runs: Sequence[TrainedRun]) -> Verdict:
    sentences = [_run(run) for run in runs]
    caveats: tuple[str, ...] = ()
    if len(runs) > 1:
        caveats = (
            "Held-out numbers of single runs are not paired, and may be of different data: compare "
            "runs by trueward study, eval or diagnose on the same items.",
        )
    done = sum(run.finished for run in runs)
    headline = f"{count(len(runs), 'training run')}, {done} finished."
    return Verdict(headline, tuple(sentences), caveats)


def _run(run: TrainedRun) -> str:
    if not run.finished:
        return f"{run.label} is not finished, so it was not judged."
    held = run.result.get("held_out", {})
    parts = [
        f"{lower(metric(name).title)} {fixed(number(one, 'value'))} "
        f"({fixed(number(one, 'low'))} to {fixed(number(one, 'high'))})"
        for name, one in held.items()
    ]
    level = f"; {percent(0.95)} intervals: {listed(parts)}" if parts else ""
    steps = count(int(run.result.get("steps", 0)), "step")
    return f"{run.label} was trained with {run.result.get('objective', '?')} for {steps}{level}."
