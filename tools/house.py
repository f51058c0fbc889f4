"""Measures of how readable code is: sizes, imports, files that a job enters, what is said twice.

    python tools/house.py [--json] [--static] [-v]

**Files entered.** A job enters a file of `trueward/` when it calls a function written in it (a
lambda or a generator too). Module and class bodies do not count, nor what they call: importing is
not entering. Each of `JOBS` is one command line in a process of its own, on the CPU, over four
pairs and tiny random models made beforehand (`_prepare`). Train ends at its first loss, when the
gradient is asked for; eval also looks for its prompts in training data; score reads a model of
`trueward train`; report tells of an eval, a diagnose and a train.
**Parses and checks of a pair.** Of the train job, calls a pair. A parse is a call that takes a
mapping with a pair's three texts in it and returns something else with all three. A check is a
call that takes one of the texts as it is and returns it unchanged, or a truth value, or nothing.
Of calls of one sort within each other the outermost alone counts. What a function does between its
own lines is not seen, nor is work on whole columns; `-v` names the functions.
**One importer.** Modules other than `__init__` that exactly one file of `trueward/` imports,
anywhere in it. Importing a name from a package is importing the package, not the module behind it.
**Import circles.** Of the imports that run when a module does; the second figure adds those within
functions. A package is a module of its own, and importing `a.b` is not importing `a`.
**Forms of a prompt with responses.** Classes named in `FORMS`, and those that declare a field for
the prompt and one for the responses, or for chosen and rejected. A field of type `int` is a count:
a result that counts prompts and responses holds neither. Nor is `NO_FORMS` one: the explanation of
a prompt of the gold world, written to be printed, of which nothing is trained, encoded or scored.
**Judging places.** Files that `raise OutputExistsError`: each judges whether what is there is ours.
**`[str, Any]`** is counted in lines; docstrings include those of attributes.
"""

import argparse
import ast
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field, fields, is_dataclass
from inspect import CO_GENERATOR, CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "trueward"
PREFIX = f"{SOURCE}{os.sep}"
FORMS = "ScoredSet ScoredPrompts"
"""Known forms of a prompt with responses; those whose fields say so are found without this."""
NO_FORMS = "DescribedPrompt"
JOBS = {
    "train": "train --model_name_or_path base --dataset_name pairs.jsonl --output_dir new_train "
    "--use_cpu --report_to none",
    "eval": "eval model --suite pairs --data pairs.jsonl --train_data pairs.jsonl -o new_eval "
    "--device cpu",
    "score": "score train pairs.jsonl -o new.jsonl --device cpu",
    "diagnose": "diagnose model --data pairs.jsonl -o new_diagnose --device cpu",
    "report": "report eval diagnose train -o new_page/page.html",
}
PREPARED = (
    "eval model --suite pairs --data pairs.jsonl -o eval --device cpu",
    "diagnose model --data pairs.jsonl -o diagnose --device cpu",
    "train --model_name_or_path base --dataset_name pairs.jsonl --output_dir train --use_cpu "
    "--report_to none --max_steps 1",
)
"""Results that the report is made of."""
QUESTION_WORDS = re.compile(r"(What|Where|Whether|Which|Who|How)\b")
SCHEMA = re.compile(r"trueward(\.[a-z_]+)+/\d+")
JUDGED = "OutputExistsError"
LONG_FUNCTION, LONG_FILE = 60, 400


@dataclass(frozen=True)
class Measure:
    """One row of the table; `names` are the places it counts."""

    key: str
    title: str
    now: float | str
    goal: float | str | None = None
    names: list[str] = field(default_factory=list)


class Module:
    """One file of the package."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, str(path.relative_to(SOURCE))
        self.is_package = path.name == "__init__.py"
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.count("\n")
        self.tree = ast.parse(self.text)


def imported(modules: Mapping[str, Module], one: Module, *, late: bool, typed: bool) -> set[str]:
    """Modules of ours that `one` imports: `late`, in functions too; `typed`, for types too."""

    def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not late:
                continue
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                yield from statements(child if typed else ast.Module(child.orelse, []))
            else:
                yield from statements(child)

    found = set()
    for statement in statements(one.tree):
        names = [alias.name for alias in statement.names]
        if isinstance(statement, ast.ImportFrom):
            full = [f"{statement.module}.{name}" for name in names]
            names = [name if name in modules else str(statement.module) for name in full]
        found.update(names)
    return (found & modules.keys()) - {one.name}


def circles(edges: Mapping[str, set[str]]) -> list[str]:
    """Groups of modules that reach each other."""

    reached = {name: set(to) for name, to in edges.items()}
    for middle in edges:
        for ends in reached.values():
            if middle in ends:
                ends |= reached[middle]
    rings = {frozenset(n for n in to if name in reached[n]) for name, to in reached.items()}
    return sorted(" - ".join(sorted(ring)) for ring in rings if len(ring) > 1)


def is_form(node: ast.ClassDef) -> bool:
    """Return whether a class joins a prompt with responses."""
    fields_ = [s for s in node.body if isinstance(s, ast.AnnAssign)]
    counts = ("int", "NotRequired[int]")
    names = {ast.unparse(s.target) for s in fields_ if ast.unparse(s.annotation) not in counts}
    if node.name in NO_FORMS.split():
        return False
    asked = any(re.fullmatch(r"prompts?(_ids|_text|_tokens)?", name) for name in names)
    answers = any(re.fullmatch(r"(response|completion|answer)s?(_ids)?", name) for name in names)
    return node.name in FORMS.split() or (asked and (answers or {"chosen", "rejected"} <= names))


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Of modules, classes and functions, and of the attributes of the first two."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body if isinstance(node, ast.Module | ast.ClassDef) else node.body[:1]
            for statement in body:
                value = getattr(statement, "value", None)
                if isinstance(statement, ast.Expr) and isinstance(value, ast.Constant):
                    yield str(value.value).strip()


def static_measures() -> list[Measure]:
    modules = {one.name: one for one in map(Module, sorted(SOURCE.rglob("*.py")))}
    files = list(modules.values())
    importers: Counter[str] = Counter()
    for one in files:
        importers.update(imported(modules, one, late=True, typed=True))
    plain = {name: n for name, n in importers.items() if not modules[name].is_package}
    single = sorted(name for name, count in plain.items() if count == 1)
    now, late = (
        circles({n: imported(modules, one, late=late, typed=False) for n, one in modules.items()})
        for late in (False, True)
    )
    largest = max(files, key=lambda one: one.lines)
    middle = statistics.median(one.lines for one in files)
    big = [f"{one.place} ({one.lines})" for one in files if one.lines > LONG_FILE]
    loose = Counter({o.place: sum("[str, Any]" in x for x in o.text.split("\n")) for o in files})
    asking = Counter(o.place for o in files for s in docstrings(o.tree) if QUESTION_WORDS.match(s))
    raises: Counter[str] = Counter()
    public: defaultdict[str, list[str]] = defaultdict(list)
    forms, long, schemas = [], [], []
    for one, node in ((file, node) for file in files for node in ast.walk(file.tree)):
        if isinstance(node, ast.Raise) and node.exc and JUDGED in ast.unparse(node.exc):
            raises[one.place] += 1
        elif isinstance(node, ast.ClassDef):
            forms += [f"{node.name} ({one.place})"] if is_form(node) else []
            if not node.name.startswith("_"):
                public[node.name].append(one.place)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            long += [f"{node.name} ({one.place}, {length})"] if length > LONG_FUNCTION else []
        elif isinstance(node, ast.Constant) and SCHEMA.fullmatch(str(node.value)):
            schemas.append(f"{node.value} ({one.place})")
    twice = [f"{name}: {', '.join(at)}" for name, at in sorted(public.items()) if len(at) > 1]
    return [
        Measure("lines", "lines", sum(one.lines for one in files), 20_500),
        Measure("files", "files", len(files), 140),
        Measure("median", "median lines a file", middle, "130 up"),
        Measure("largest", "lines of the largest file", largest.lines, None, [largest.place]),
        Measure("imported", "modules that are imported", len(plain)),
        Measure("single", "of these, with one importer", len(single), None, single),
        Measure("circles", "import circles", len(now), 0, now),
        Measure("late_circles", "with imports in functions", len(late), None, late),
        Measure("forms", "forms of a prompt with responses", len(forms), 2, forms),
        Measure("judging", "places that judge a folder", len(raises), 1, _counted(raises)),
        Measure("refusals", "refusals in them", raises.total()),
        Measure("loose", "lines with [str, Any]", loose.total(), 120, _counted(loose)),
        Measure("schemas", "schema names written out", len(schemas), None, schemas),
        Measure("schema_files", "files with one", len({s.split(" (")[1] for s in schemas})),
        Measure("twice", "public class names used twice", len(twice), None, twice),
        Measure("long", f"functions over {LONG_FUNCTION} lines", len(long), None, long),
        Measure("big", f"files over {LONG_FILE} lines", len(big), None, big),
        Measure("asking", "docstrings that begin by asking", asking.total(), 0, _counted(asking)),
    ]


def _counted(counts: Counter[str]) -> list[str]:
    return [f"{name} ({count})" for name, count in counts.most_common() if count]


class FirstLoss(BaseException):
    """Ends the train job."""


class Watch:
    """A profile function: files entered, and parses of pairs and checks of texts by function."""

    def __init__(self, pairs: list[dict[str, str]]) -> None:
        self.files: set[str] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        self._known: set[CodeType] = set()
        self._pairs = [set(pair.values()) for pair in pairs]
        self._texts = set().union(*self._pairs)
        self._calls: list[tuple[FrameType, list[Any], Counter[tuple[str, str]]]] = []

    def __call__(self, frame: FrameType, event: str, result: Any) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(PREFIX) or not code.co_flags & CO_OPTIMIZED:
            return
        if event == "call" and code not in self._known and not _importing(frame):
            self._known.add(code)
            self.files.add(code.co_filename.removeprefix(PREFIX))
        if code.co_flags & CO_GENERATOR or threading.current_thread() != threading.main_thread():
            return
        if event == "call":
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            self._calls.append((frame, [frame.f_locals.get(name) for name in names], Counter()))
        elif event == "return" and self._calls and self._calls[-1][0] is frame:
            _, given, inner = self._calls.pop()
            kind = self._kind(given, result)
            if kind is not None:
                inner = Counter({key: n for key, n in inner.items() if key[0] != kind})
                inner[kind, f"{code.co_qualname} ({Path(code.co_filename).name})"] += 1
            (self._calls[-1][2] if self._calls else self.counts).update(inner)

    def _kind(self, given: list[Any], result: Any) -> str | None:
        texts = [one for one in given if self._is_text(one)]
        if texts and (result is None or isinstance(result, bool) or self._is_text(result)):
            return "check"
        for row in given:
            if isinstance(row, Mapping) and result is not None and result is not row:
                inside, outside = texts_in(row), texts_in(result)
                if any(pair <= inside and pair <= outside for pair in self._pairs):
                    return "parse"
        return None

    def _is_text(self, value: Any) -> bool:
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
            value = value[0].get("content")
        return isinstance(value, str) and value in self._texts


def _importing(frame: FrameType) -> bool:
    above, ours = frame.f_back, ""
    while above is not None and not ours.startswith(PREFIX):
        ours = above.f_code.co_filename if above.f_code.co_name == "<module>" else ""
        above = above.f_back
    return ours.startswith(PREFIX)


def texts_in(value: Any, depth: int = 4) -> set[str]:
    """The strings in nested mappings, lists, tuples and dataclasses."""
    if isinstance(value, str):
        return {value}
    inside: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple):
        inside = value[:50]
    elif is_dataclass(value) and not isinstance(value, type):
        inside = [getattr(value, one.name, None) for one in fields(value)]
    return set().union(*(texts_in(one, depth - 1) for one in inside)) if depth else set()


def _prepare() -> dict[str, Any]:
    """In the current folder: a base, a reward model, four pairs, and results to report."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers import benchmark_rows, checkpoints, tiny_data

    checkpoints.save(Path.cwd())
    tiny_data.tokenizer().save_pretrained("base")
    benchmark_rows.write(Path("pairs.jsonl"), [dict(row) for row in tiny_data.pairs(4)])
    for line in PREPARED:
        _call(line)
    return {}


def _traced(line: str) -> dict[str, Any]:
    """Run one command line and watch its calls."""
    import torch
    import trl  # noqa: F401 - heavy, and not what is traced
    from accelerate import Accelerator

    def stop(*_: Any, **__: Any) -> None:
        raise FirstLoss

    torch.set_num_threads(1)
    Accelerator.backward = stop
    pairs = [json.loads(row) for row in Path("pairs.jsonl").read_text().splitlines()]
    watch = Watch(pairs)
    threading.setprofile(watch)
    sys.setprofile(watch)
    with suppress(FirstLoss):
        _call(line)
    sys.setprofile(None)
    counts = [[kind, name, n / len(pairs)] for (kind, name), n in watch.counts.items()]
    return {"files": sorted(watch.files), "counts": counts}


def _call(line: str) -> None:
    from trueward.cli import main

    with redirect_stdout(io.StringIO()):
        code = main(line.split())
    if code:
        raise SystemExit(f"trueward {line}: exit code {code}")


def _in_a_process(job: str, folder: str) -> dict[str, Any]:
    offline = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, __file__, "--job", job],
        cwd=folder,
        env={**os.environ, **offline, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{job}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def traced_measures() -> list[Measure]:
    goals = {"train": 20, "eval": 24, "score": 13, "diagnose": 32, "report": 14}
    with tempfile.TemporaryDirectory() as folder:
        _in_a_process("prepare", folder)
        with ThreadPoolExecutor(2) as pool:
            done = pool.map(lambda job: _in_a_process(job, folder), JOBS)
            results = dict(zip(JOBS, done, strict=True))
    measures = [
        Measure(job, f"files entered: {job}", len(got["files"]), goals[job], got["files"])
        for job, got in results.items()
    ]
    for kind, goal in (("parse", 1), ("check", 3)):
        calls = {name: n for k, name, n in results["train"]["counts"] if k == kind}
        names = [f"{name}: {n:g}" for name, n in calls.items()]
        title = {"parse": "parses of a training pair", "check": "checks of its texts"}[kind]
        measures.append(Measure(kind, title, round(sum(calls.values()), 1), goal, names))
    return measures


def table(measures: list[Measure], *, verbose: bool) -> str:
    rows = [("measure", "now", "goal")]
    rows += [(m.title, _number(m.now), "" if m.goal is None else _number(m.goal)) for m in measures]
    lines = [f"{title:<40}  {now:>10}  {goal:>10}" for title, now, goal in rows]
    for m in measures if verbose else ():
        if m.names:
            said = ", ".join(m.names)
            lines += ["", m.title, *textwrap.wrap(said, 78, initial_indent="  ")]
    return "\n".join(lines)


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,g}" if value < 1e5 else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures of how readable the code is.")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--static", action="store_true", help="without running the jobs")
    parser.add_argument("-v", "--verbose", action="store_true", help="name what is counted")
    parser.add_argument("--job", choices=["prepare", *JOBS], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        with redirect_stdout(sys.stderr):
            got = _prepare() if args.job == "prepare" else _traced(JOBS[args.job])
        print(json.dumps(got))
        return
    measures = static_measures() + ([] if args.static else traced_measures())
    said = {m.key: {"now": m.now, "goal": m.goal, "names": m.names} for m in measures}
    print(json.dumps({"measures": said}) if args.json else table(measures, verbose=args.verbose))


if __name__ == "__main__":
    main()
