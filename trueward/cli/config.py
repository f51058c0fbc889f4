"""YAML files whose keys are a verb's flags."""

import argparse
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueward.errors import InputError, nearest


def read_config(path: str | None, known: list[str]) -> dict[str, Any]:
    """The mapping in a YAML file, its keys checked, `${NAME}` from the environment.

    Empty without a path.

    Raises:
        InputError: the file is missing or not a mapping, or a key is not among `known`.
    """
    if path is None:
        return {}
    import yaml

    try:
        values = parse_yaml(_with_environment(Path(path).read_text(encoding="utf-8"), path))
    except OSError as error:
        raise InputError(f"--config {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise InputError(f"--config {path}{line}: not valid YAML; mend it there") from error
    if not isinstance(values, Mapping):
        raise InputError(f"--config {path}: expected `flag: value` lines, got {values!r}")
    for name in values:
        if name not in known:
            raise InputError(f"--config {path}: unknown key {name!r}; {nearest(str(name), known)}")
    return dict(values)


def parse_yaml(text: str) -> Any:
    """A YAML value, 1e-4 being a number: YAML 1.1, which PyYAML reads, takes it for text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    number = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader


def _with_environment(text: str, path: str) -> str:
    """`${NAME}` outside comments replaced by the environment variable of that name."""
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("#"):
            for name in re.findall(r"\$\{(\w+)\}", line):
                if name not in os.environ:
                    raise InputError(
                        f"--config {path} line {number}: set {name} in the environment"
                    )
                line = line.replace(f"${{{name}}}", os.environ[name])
        lines.append(line)
    return "\n".join(lines)


def split_list(text: str) -> list[str]:
    """Comma-separated words; commas inside parentheses stay."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    if not all(word.strip() for word in words):
        raise argparse.ArgumentTypeError(f"empty item in {text!r}")
    return [word.strip() for word in words]
