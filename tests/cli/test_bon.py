"""`trueward bon` as a user calls it."""

import json

import numpy as np
import pytest
from helpers import benchmark_rows, checkpoints

from trueward.cli import main
from trueward.files import JsonField
from trueward.report.optimization import gold_curves
from trueward.report.reading import read_material
from trueward.results import SelectDocument, parse

GOLD = np.random.default_rng(0).normal(size=(12, 8)).tolist()
ROWS = [
    {"prompt": f"w{n} ", "responses": [f"w{n + k} w{3 * k}" for k in range(8)], "gold": GOLD[n]}
    for n in range(12)
]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return [checkpoints.save(tmp_path_factory.mktemp(f"m{seed}"), seed=seed) for seed in (1, 2)]


@pytest.fixture(autouse=True)
def eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def call(tmp_path, capsys):
    """Call the verb with its output folder; the exit code, stdout, our own stderr."""

    def call(*words):
        code = main(["bon", *map(str, words), "-o", str(tmp_path / "out")])
        said = capsys.readouterr()
        ours = [line for line in said.err.splitlines() if line.startswith("trueward ")]
        return code, said.out, ours

    return call


def widest(out):
    """Columns, paths apart."""
    return max(len(line) for line in out.splitlines() if not line.startswith("results"))


def test_a_file_of_scores(call, tmp_path):
    rows = [{"prompt": f"p{n}", "proxy": gold, "gold": gold} for n, gold in enumerate(GOLD)]
    source = benchmark_rows.write(tmp_path / "s.jsonl", rows)
    code, out, _ = call(source, "--n", "2,8")
    assert code == 0
    assert widest(out) <= 80
    document = json.loads((tmp_path / "out/bon.json").read_text())
    assert document["schema"] == "trueward.bon/1"
    assert document["command"].startswith("trueward bon ")
    assert document["environment"]["torch"]
    assert document["n"] == [1, 2, 8]
    best = np.max(GOLD, axis=1).mean()
    (curve,) = document["curves"]
    assert curve["gold"][2]["value"] == pytest.approx(best)
    assert curve["gold"] == curve["proxy"]
    assert f"{best:.3f}" in out
    (shown,) = gold_curves(read_material([tmp_path / "out"]))  # what `trueward report` shows
    assert (shown.model, shown.gold) == ("proxy", curve["gold"])
    again = json.loads(call(source, "--n", "2,8", "--json")[1])
    assert again | {"command": document["command"]} == document
    assert call(source, "--n", "1,4")[0] == 0  # other sizes of the same scores
    rows[0]["gold"] = GOLD[1]
    benchmark_rows.write(tmp_path / "s.jsonl", rows)
    code, _, (line,) = call(source)
    assert (code, "made of something else" in line) == (2, True)
    assert call(source, "--overwrite")[0] == 0


def test_reward_models_side_by_side(call, models, tmp_path):
    source = benchmark_rows.write(tmp_path / "r.jsonl", ROWS)
    named = [f"a={models[0]}", "--reward-model", f"b={models[1]}"]
    words = [source, "--reward-model", *named, "--text", "--device", "cpu", "--n", "1,2,8"]
    code, out, _ = call(*words)
    assert code == 0
    assert widest(out) <= 80
    document = json.loads((tmp_path / "out/bon.json").read_text())
    for curve, model in zip(document["curves"], models, strict=True):
        chosen = []
        for row in ROWS:
            texts = [row["prompt"] + response + " <eos>" for response in row["responses"]]
            chosen.append(row["gold"][int(np.argmax(checkpoints.plain_scores(model, texts)))])
        assert curve["gold"][2]["value"] == pytest.approx(np.mean(chosen), abs=1e-9)
        assert curve["gold"][0]["value"] == pytest.approx(np.mean(GOLD))
    gap = document["differences"][-1]
    values = [curve["gold"][2]["value"] for curve in document["curves"]]
    assert (gap["label"], gap["baseline"], gap["n"]) == ("b", "a", 8)
    assert gap["estimate"]["value"] == pytest.approx(values[1] - values[0])
    again = json.loads(call(*words, "--json")[1])
    assert again | {"command": document["command"]} == document
    code, _, (line,) = call(source, "--reward-model", f"a={models[1]}", "--text")
    assert (code, "rewards-a.jsonl was made of something else: model was" in line) == (2, True)
    kept = (tmp_path / "out/rewards-a.jsonl").stat().st_mtime_ns
    assert call(*words, "--reward-model", f"c={models[1]}")[0] == 0
    assert (tmp_path / "out/rewards-a.jsonl").stat().st_mtime_ns == kept
    assert len(json.loads((tmp_path / "out/bon.json").read_text())["curves"]) == 3


def test_a_policy_is_sampled_and_judged_in_the_world(call, tmp_path):
    from trueward.goldworld import BASE_PATH
    from trueward.models import load_for_training

    made = load_for_training(str(BASE_PATH), seed=0).model
    made.save_pretrained(tmp_path / "rm")
    for file in BASE_PATH.glob("tokenizer*"):
        (tmp_path / "rm" / file.name).write_bytes(file.read_bytes())
    words = ["--gold-world", "--prompts", "3", "--samples", "4", "--device", "cpu"]
    words += ["--reward-model", tmp_path / "rm", "--policy", BASE_PATH, "--max-new-tokens", "8"]
    code, out, _ = call(*words)
    assert code == 0
    assert "samples ended at --max_new_tokens" in out
    rows = (tmp_path / "out/samples.jsonl").read_text().splitlines()
    gold = [json.loads(row)["gold"] for row in rows]
    document = json.loads((tmp_path / "out/bon.json").read_text())
    assert document["n"] == [1, 2, 4]
    assert document["curves"][0]["gold"][0]["value"] == pytest.approx(np.mean(gold))


def test_the_best_is_selected(call, models, tmp_path):
    source = benchmark_rows.write(tmp_path / "r.jsonl", ROWS)
    words = [source, "--reward-model", models[0], "--select", tmp_path / "best.jsonl", "--n", "4"]
    code, out, _ = call(*words)
    assert code == 0
    assert "12 rows, best of 48 responses" in out
    rows = [json.loads(line) for line in (tmp_path / "best.jsonl").read_text().splitlines()]
    assert all(
        row["response"] == ROWS[n]["responses"][row["response_index"]] for n, row in enumerate(rows)
    )
    assert call(*words)[0] == 2
    document = json.loads(call(*words, "--overwrite", "--json")[1])
    assert parse(JsonField(document, "--json"), SelectDocument)["schema"] == "trueward.select/1"


def test_falling_gold_is_told_as_it_is(call, tmp_path):
    golds = ([3, 2, 1, 0], [3, 2, 1, 1])
    rows = [{"prompt": f"p{n}", "proxy": [1, 2, 3, 4], "gold": g} for n, g in enumerate(golds)]
    code, out, _ = call(benchmark_rows.write(tmp_path / "s.jsonl", rows))
    assert code == 0
    assert "highest measured gold at n = 1 (1 to 1)" in out
    assert "gold does not rise: best at n = 1 (1 to 1)" in out
    rows = [row | {"gold": [2.3] * 4} for row in rows]
    out = call(benchmark_rows.write(tmp_path / "s.jsonl", rows), "--overwrite")[1]
    assert "gold is the same at every n" in out
    out = call(benchmark_rows.write(tmp_path / "s.jsonl", rows[:1]), "--overwrite")[1]
    assert "highest measured gold at n = 1\n" in out
    assert "one prompt, so there are no intervals" in out
    rising = [row | {"gold": [0, 0, 0, 1 + n]} for n, row in enumerate(rows)]
    out = call(benchmark_rows.write(tmp_path / "s.jsonl", rising), "--overwrite")[1]
    assert "  gold does not peak\n" in out


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("rewards-m.jsonl", []),
        ("rewards-m.jsonl", ["--gold-world"]),
        ("rewards-m.jsonl.part", []),
        ("rewards-m.record.json", []),
        ("samples.jsonl", ["--gold-world"]),
        ("samples.jsonl", ["--policy", "p"]),
        ("bon.json", []),
    ],
)
def test_the_file_that_is_read_is_never_replaced(name, more, call, models, tmp_path):
    (tmp_path / "out").mkdir()
    source = benchmark_rows.write(tmp_path / "out" / name, ROWS)
    before = (tmp_path / "out" / name).read_bytes()
    words = [source, "--reward-model", f"m={models[0]}", "--text", "--overwrite", *more]
    code, _, (line,) = call(*words)
    assert (code, "is where the rows come from" in line) == (2, True)
    assert (tmp_path / "out" / name).read_bytes() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_a_column_cut_of_the_user_is_told_before_anything_is_scored(call, models, tmp_path):
    source = benchmark_rows.write(tmp_path / "r.jsonl", [ROWS[0], ROWS[1] | {"cut": "yes"}])
    code, _, (line,) = call(source, "--reward-model", models[0], "--text")
    assert (code, "row 1, field 'cut': expected how many samples" in line) == (2, True)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("ending", ["jsonl", "json"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[" * 20_000 + "]" * 20_000, "more than 100 brackets within one another"),
        ("1" * 5_000, "cannot be read (Exceeds the limit"),
        ("1" * 400, "row 0, field 'proxy':"),
    ],
)
def test_numbers_and_nesting_beyond_all_bounds(value, said, ending, call, tmp_path):
    row = f'{{"prompt": "a", "proxy": [1, {value}], "gold": [1, 2]}}'
    source = tmp_path / f"s.{ending}"
    source.write_text(row if ending == "jsonl" else f"[{row}]")
    code, _, (line,) = call(source)
    assert (code, said in line, line.count("s.json")) == (2, True, 1)


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_a_file_in_the_folder_s_place(below, call, tmp_path, capsys):
    source = benchmark_rows.write(
        tmp_path / "s.jsonl", [{"prompt": "a", "proxy": [1], "gold": [1]}]
    )
    (tmp_path / "file").touch()
    assert main(["bon", source, "-o", str(tmp_path / "file" / below)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / 'file'} is a file, not a folder" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no rows: name a FILE"),
        (["--gold-world"], "need a --reward_model"),
        (["s.jsonl", "--policy", "p"], "need a --reward_model"),
        (["s.jsonl", "--n", "1,x"], "--n '1,x': expected whole numbers"),
        (["s.jsonl", "--n", "0"], "--n 0: expected sizes of at least 1"),
        (["s.jsonl", "--seed", "-1"], "--seed: expected at least 0, got -1"),
        (["s.jsonl", "--samples", "4"], "--samples has no effect here"),
        (["s.jsonl", "--prompts", "4"], "--prompts has no effect here"),
        (["--gold-world", "--reward-model", "m", "--n", "32"], "more than --samples 16"),
        (["--gold-world", "--reward-model", "m", "--temperature", "2"], "--temperature has no"),
        (["s.jsonl", "--select", "o.jsonl"], "expected a FILE and one --reward_model"),
        (["s.jsonl", "--select", "o", "--reward-model", "m", "--n", "1,2"], "takes one size"),
        (["s.jsonl", "--reward-model", "nowhere"], "nowhere"),
        (["none.jsonl"], "no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words, said, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, lines = call(*words)
    assert (code, out, len(lines)) == (2, "", 1)
    assert said in lines[0]
    assert list(tmp_path.rglob("*.json*")) == []
