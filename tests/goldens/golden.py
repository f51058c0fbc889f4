"""Running the command in a folder of frozen inputs, and holding what it gives to what is kept.

`TRUEWARD_REGENERATE_GOLDENS=1` writes what is expected instead; inputs, folders of results and
half-finished folders are kept as they were written and are never made anew.
"""

import json
import math
import os
import re
import shutil
from pathlib import Path

from plotly.offline import get_plotlyjs

from trueward.cli import main

HERE = Path(__file__).parent
INPUTS, FOLDERS, RESUME, EXPECTED = (
    HERE / name for name in ("inputs", "folders", "resume", "expected")
)
REGENERATE = os.environ.get("TRUEWARD_REGENERATE_GOLDENS") == "1"
CLOSE = 1e-5
"""Of numbers that a model computes."""
TIMES = ("seconds", "watch_seconds", "created")
"""Fields of documents that differ from run to run."""
_NOW = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
_ENVIRONMENT = re.compile(r'("environment": )\{[^{}]*\}')
_VALUE = re.compile(r': "[^"]*"')
_SECONDS = re.compile(r'("(?:watch_)?seconds":) [\d.e-]+')
_STYLE = re.compile(r"<style>.*?</style>|<script>(?!PLOTLY).*?</script>", re.DOTALL)
_PLOT = re.compile(r'(<script type="application/json"[^>]*>).*?(</script>)', re.DOTALL)
_SHOWN = re.compile(r'(<h2 id="environment">Environment</h2><dl>).*?(</dl>)')
_ROW = re.compile(
    r"^(\| (?:python|trueward|torch|transformers|trl|datasets|accelerate|peft|platform|device"
    r"|cores) \| ).* \|$",
    re.MULTILINE,
)
_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def lay(*sources, at=None):
    """Copy folders or files of goldens into the current folder."""
    for source in sources:
        target = Path(at or source.name)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


def run(capsys, *words):
    """The exit code, stdout, and the lines on stderr that are the command's own."""
    capsys.readouterr()
    try:
        code = main([*words])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    ours = [line for line in said.err.splitlines() if line.startswith("trueward")]
    return code, said.out, ours


def told(code, out, ours):
    """A run as one text."""
    return f"exit code {code}\n" + "".join(f"stderr: {line}\n" for line in ours) + out


def normal(text, *, fresh=True):
    """Without plotly's source, times, versions and machine; `fresh=False` keeps what was frozen."""
    text = text.replace(get_plotlyjs(), "PLOTLY")
    text = text.replace(str(Path.cwd()), "HERE")
    if not fresh:
        return re.sub(r'^( "created": )".*"', r'\1"TIME"', text, count=1, flags=re.MULTILINE)
    text = _NOW.sub("TIME", text)
    text = _ENVIRONMENT.sub(lambda found: _VALUE.sub(': "…"', found[0]), text)
    text = _SECONDS.sub(r"\1 0.0", text)
    text = _SHOWN.sub(r"\1ENVIRONMENT\2", text)
    return _ROW.sub(r"\1… |", text)


def bare(page, *, plots=True):
    """A page without style sheet and script, which one page keeps, and perhaps without plots."""
    page = _STYLE.sub("", page)
    return page if plots else _PLOT.sub(r"\1\2", page)


def hold(name, text, *, near=False):
    """Compare with `expected/NAME`, or write it; `near` allows for a model's last digits."""
    path = EXPECTED / (f"{name}.txt" if name.endswith(".md") else name)  # formatters mend Markdown
    if REGENERATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    kept = path.read_text(encoding="utf-8")
    if not near:
        assert text == kept, f"{name} is not what it was"
    elif name.endswith((".json", ".jsonl")):
        found, wanted = (_documents(one, name) for one in (text, kept))
        assert len(found) == len(wanted), f"{name}: {len(found)} documents, {len(wanted)} expected"
        for one, other in zip(found, wanted, strict=True):
            hold_json(one, other, name)
    else:
        _hold_text(text, kept, name)


def _documents(text, name):
    lines = text.splitlines() if name.endswith(".jsonl") else [text]
    return [json.loads(line) for line in lines]


def hold_json(found, wanted, where, *, but=TIMES):
    """The same fields in the same order, the same text, numbers to `CLOSE`."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict), where
        assert list(found) == list(wanted), where
        for key in wanted:
            if key not in but:
                hold_json(found[key], wanted[key], f"{where}.{key}", but=but)
    elif isinstance(wanted, list):
        assert isinstance(found, list), where
        assert len(found) == len(wanted), where
        for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
            hold_json(one, other, f"{where}[{place}]", but=but)
    elif isinstance(wanted, float) and isinstance(found, float):
        assert math.isclose(found, wanted, rel_tol=CLOSE, abs_tol=CLOSE), (where, found, wanted)
    else:
        assert type(found) is type(wanted), (where, found, wanted)
        assert found == wanted, where


def _hold_text(text, kept, name):
    """The same words; numbers may differ by one in the last digit that is shown."""
    assert _shape(text) == _shape(kept), f"{name} is not what it was"
    for found, wanted in zip(_NUMBER.findall(text), _NUMBER.findall(kept), strict=True):
        one, other = (float(word.replace("−", "-").replace(",", "")) for word in (found, wanted))
        step = 10.0 ** -len(wanted.partition("e")[0].partition(".")[2]) if "." in wanted else 0
        allowed = max(1.01 * step, CLOSE * abs(other))
        assert abs(one - other) <= allowed, (name, found, wanted)


def _shape(text):
    return re.sub(r"[ ─━]+", " ", _NUMBER.sub("#", text))


def files_of(folder):
    """Bytes and time of every file, by name."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
