"""A report refuses unfit results, pairs those of the same data, and says how they were made."""

import json
from dataclasses import replace

import pytest
from helpers import results as folders

from trueward.cli import main
from trueward.errors import DataError, InputError, OutputExistsError
from trueward.report import report
from trueward.report.findings import commands, environments, findings, settings
from trueward.report.html import render
from trueward.report.markdown import markdown_report
from trueward.report.reading import read_material
from trueward.suites import SuiteResult


def recorded(folder, model, suite="pairs", **record):
    (folder / model / f"{suite}.record.json").write_text(json.dumps(record))
    return folder


def evaluated(folder, rates, **made_of):
    """An evaluation whose records tell what it was made of."""
    folders.evaluation(folder, rates)
    for model in rates:
        recorded(folder, model, made_of={"model": f"sha256:{model}", **made_of})
    return folder


def test_results_of_different_data_are_not_paired(tmp_path):
    """The items have the same ids, row numbers, in both files."""
    one = evaluated(tmp_path / "a", {"first": 0.2}, data="sha256:1")
    other = evaluated(tmp_path / "b", {"second": 0.9}, data="sha256:2")
    told = findings(read_material([one, other]))
    assert told.differences == ()
    assert told.verdicts[0].caveats == (
        "Not compared: suite comparison: 'pairs' was judged on different data by 'second' "
        "(sha256:2) and 'first' (sha256:1); judge both on the same.",
    )
    recorded(other, "second", made_of={"data": "sha256:1"})
    assert len(findings(read_material([one, other])).differences) == 1


def test_one_suite_that_cannot_be_paired_is_left_out_by_name(tmp_path):
    one = evaluated(tmp_path / "a", {"first": 0.2}, data="sha256:1")
    other = evaluated(tmp_path / "b", {"second": 0.9}, data="sha256:2")
    for folder, model in ((one, "first"), (other, "second")):
        result = SuiteResult.read(folder / model / "pairs.json")
        replace(result, data="sha256:3").write(folder / model / "more.json")
        recorded(folder, model, "more")
    told = findings(read_material([one, other]))
    assert [(gap.suite, gap.scorer) for gap in told.differences] == [("more", "second")]
    said = told.verdicts[0]
    assert said.headline == "second beats first on more."
    assert said.caveats[1].startswith("Not compared: suite comparison: 'pairs' was judged on diff")


def test_two_models_of_one_name_are_refused(tmp_path):
    one = evaluated(tmp_path / "a", {"rm": 0.2})
    other = tmp_path / "b"
    folders.evaluation(other, {"rm": 0.9})
    for name in ("json", "record.json"):
        (other / "rm" / f"pairs.{name}").rename(other / "rm" / f"more.{name}")
    for made_of, words in (
        ({"model": "sha256:else"}, "sha256:else"),
        ({"scores": "sha256:x"}, "a file of scores"),
    ):
        recorded(other, "rm", "more", made_of=made_of)
        with pytest.raises(DataError) as raised:
            read_material([one, other])
        start = f"{other / 'rm'}: 'rm' is {words} here and sha256:rm in {one / 'rm'}; judge one"
        assert str(raised.value).startswith(start)
    recorded(other, "rm", "more", made_of={"model": "sha256:rm"})
    assert len(read_material([one, other]).suites["rm"]) == 2


def test_settings_machine_and_commands_of_evaluations_best_of_n_and_runs(tmp_path):
    folder = folders.evaluation(tmp_path / "e", {"first": 0.2, "other": 0.5, "third": 0.7})
    told = {"environment": {"torch": "2.13"}, "command": "trueward eval first other"}
    for model, dtype in (("first", "float32"), ("other", "float32"), ("third", "bfloat16")):
        recorded(folder, model, settings={"dtype": dtype}, **told)
    bon = folders.best_of_n(tmp_path / "bon") / "bon.json"
    document = json.loads(bon.read_text())
    document |= {"command": "trueward bon x", "environment": {"torch": "2.12"}}
    bon.write_text(json.dumps(document))
    run = folders.training(tmp_path / "rm") / "train.json"
    run.write_text(json.dumps(json.loads(run.read_text()) | {"command": "trueward train x"}))
    material = read_material([folder, bon, run])
    expected = ["trueward eval first other", "trueward bon x", "trueward train x"]
    assert commands(material) == expected
    text = markdown_report(material, findings(material))
    assert all(command in text for command in expected)
    page = "".join(map(render, settings(material)))
    assert "first on pairs, other on pairs</h3>" in page
    assert "<h3>third on pairs</h3>" in page
    assert "bfloat16" in page
    machine = "".join(map(render, environments(material)))
    assert "first on pairs, other on pairs, third on pairs</h3>" in machine
    assert "2.12" in machine
    written = report([folder, bon, run], tmp_path / "out" / "r.md", form="md")
    records = json.loads(written.results.read_text())["suite_records"]
    assert records[0] == {"of": "first on pairs", "settings": {"dtype": "float32"}, **told}


def test_the_page_cannot_be_called_as_the_document_beside_it(mixed, tmp_path, capsys):
    target = tmp_path / "x" / "results.json"
    assert main(["report", str(mixed["eval"]), "-o", str(target)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"-o {target}: a report writes results.json beside its page" in line
    assert not target.parent.exists()
    with pytest.raises(InputError, match="call the page something else"):
        report([mixed["eval"]], target, overwrite=True)


@pytest.mark.parametrize("text", ["[]", "5", "not json", '{"schema": "else/1"}'])
def test_another_document_called_results_json_is_left_alone(text, mixed, tmp_path):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(OutputExistsError, match="holds other results"):
        report([mixed["eval"]], tmp_path / "r.md", form="md", overwrite=True)
    assert (tmp_path / "results.json").read_text() == text


def gone(*path):
    def change(document):
        for name in path[:-1]:
            document = document[name]
        del document[path[-1]]

    return change


def put(value, *path):
    def change(document):
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = value

    return change


SET = ("models", 0, "sets", 1)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("diagnose", gone(*SET, "norms"), "field 'models[0].sets[1].norms' is missing"),
        ("diagnose", put(5, *SET, "norms"), "field 'models[0].sets[1].norms': expected an object"),
        ("diagnose", gone(*SET, "norms", "hidden"), "'models[0].sets[1].norms.hidden' is missing"),
        ("diagnose", put("x", *SET, "accuracy", "value"), "accuracy.value': expected a number"),
        ("diagnose", put([], *SET, "probes"), "sets[1].probes': expected an object"),
        ("diagnose", gone(*SET, "rewards", "all"), "rewards.all' is missing"),
        ("diagnose", gone("models", 1, "sets", 2, "best_of_n", "kl"), "best_of_n.kl' is missing"),
        ("diagnose", put(3, "models", 0, "not_computed"), "not_computed': expected a list"),
        ("diagnose", put({"mine": 1}, "label_noise"), "label_noise.mine': expected an object"),
        ("diagnose", gone("not_given"), "field 'not_given' is missing"),
        ("diagnose", put("x", "settings"), "field 'settings': expected an object"),
        ("bon", gone("kl"), "field 'kl' is missing"),
        ("bon", put([0.0], "kl"), "field 'kl': expected 4 numbers, one a size"),
        ("bon", gone("curves", 0, "model"), "field 'curves[0].model' is missing"),
        ("bon", put([1], "curves", 0, "gold"), "field 'curves[0].gold[0]': expected an object"),
        ("bon", gone("curves", 0, "fit"), "field 'curves[0].fit' is missing"),
        ("train", gone("result"), "field 'result' is missing"),
        ("train", put(5, "result"), "field 'result': expected an object"),
        ("train", put([1], "command"), "field 'command': expected a string"),
    ],
)
def test_an_incomplete_document_is_one_line_with_file_and_field(
    kind, change, said, mixed, tmp_path, capsys
):
    file = {"diagnose": "diagnostics.json", "bon": "bon.json", "train": "train.json"}[kind]
    document = json.loads((mixed[kind] / file).read_text())
    change(document)
    (tmp_path / file).write_text(json.dumps(document))
    assert main(["report", str(tmp_path / file), "-o", str(tmp_path / "out" / "r.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / file}: " in line
    assert said in line
    assert not (tmp_path / "out").exists()


def test_a_document_of_trueward_bon_is_reported(tmp_path, capsys):
    rows = [
        {"prompt": f"p{n}", "proxy": [0.1 * n, 1.0, 0.3, 0.2], "gold": [0.0, n, 1.0, 0.5]}
        for n in range(6)
    ]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["bon", str(tmp_path / "s.jsonl"), "-o", str(tmp_path / "bon")]) == 0
    assert main(["report", str(tmp_path / "bon"), "-o", str(tmp_path / "out" / "r.html")]) == 0
    assert "Fits R = d" in (tmp_path / "out" / "r.html").read_text()
