"""Flags of the verbs: declared by settings, read from YAML, from NAME=PATH or FIELD=VALUE."""

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from trueward.errors import InputError, nearest
from trueward.settings import ScoreSettings

Settings = TypeVar("Settings")

_NAMED = re.compile(r"([\w.+-]+)=(.+)")
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def add_fields(
    parser: argparse._ActionsContainer, settings: type, *names: str, defaults: bool = True
) -> None:
    """Declare fields of a settings class as flags: name, type, default, choices and help.

    Args:
        parser: a parser, or a group of it.
        settings: a dataclass whose fields have their help as metadata.
        names: the fields, in the order of `--help`; without any, all that have a help.
        defaults: False leaves a flag that is not given at None.
    """
    kinds = get_type_hints(settings)
    known = {one.name: one for one in fields(settings) if "help" in one.metadata}
    for name in names or known:
        about, kind = known[name].metadata, get_args(kinds[name]) or (kinds[name],)
        default = known[name].default if defaults else None
        default = None if default is MISSING else default
        if bool in kind:
            parser.add_argument(
                f"--{name}", action="store_true", default=default, help=about["help"]
            )
            continue
        number = f"{default:g}" if isinstance(default, float) else default
        parser.add_argument(
            f"--{name}",
            type=next((one for one in (int, float) if one in kind), str),
            default=default,
            choices=about.get("choices"),
            metavar=about.get("metavar"),
            help=about["help"] if default is None else f"{about['help']} ({number})".strip(),
        )


def from_fields(settings: type[Settings], args: argparse.Namespace, **others: Any) -> Settings:
    """Return the settings with the flags of their fields' names, and with `others`."""
    names = [one.name for one in fields(settings) if hasattr(args, one.name)]  # type: ignore[arg-type]
    return settings(**{name: getattr(args, name) for name in names} | others)


def add_scoring_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the fields of `ScoreSettings`."""
    add_fields(parser.add_argument_group("scoring"), ScoreSettings)


def score_settings(args: argparse.Namespace) -> ScoreSettings:
    """Return the scoring flags as settings, and silence the bar of loading weights.

    Raises:
        InputError: a length or a batch without room for a token.
    """
    from transformers.utils import logging

    check_at_least(1, args, "max_length", "batch_tokens")
    logging.disable_progress_bar()
    return from_fields(ScoreSettings, args)


def check_at_least(least: int, args: argparse.Namespace, *names: str) -> None:
    """Raise InputError if a flag that was given is below `least`."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name}: expected at least {least}, got {value}")


def labelled(words: Sequence[str], kind: str) -> dict[str, str]:
    """Return the path of each `PATH` or `NAME=PATH` by name.

    Without a NAME a path is called by its last part, a model of the hub by its whole name.

    Raises:
        InputError: two have the same name.
    """
    paths: dict[str, str] = {}
    for word in words:
        match = None if Path(word).exists() else _NAMED.fullmatch(word)
        label, path = match.groups() if match else (_label(word), word)
        if label in paths:
            raise InputError(
                f"two {kind} are called {label!r} ({paths[label]}, {path}); "
                f"name them: {label}-1={paths[label]} {label}-2={path}"
            )
        paths[label] = path
    return paths


def _label(path: str) -> str:
    place = Path(path)
    if place.is_dir():
        return place.resolve().name
    if not place.is_file():
        return path
    stem = Path(place.name.removesuffix(".gz")).stem
    return stem.removeprefix("scores_").removesuffix(".scores")


def assignments(items: Sequence[str], names: str, expected: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the YAML value of each `--set NAME=VALUE`.

    Args:
        items: the words after each `--set`.
        names: a pattern that every name matches.
        expected: the form to name in an error message.

    Raises:
        InputError: another name, or a value that is no YAML.
    """
    import yaml

    for item in items:
        name, equals, text = item.partition("=")
        if not (equals and re.fullmatch(names, name)):
            raise InputError(f"--set {item}: expected {expected}")
        try:
            yield name, parse_yaml(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {item}: the value is not valid YAML; quote it") from error


def split_list(text: str) -> list[str]:
    """Return comma-separated words; commas inside parentheses stay."""
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


def read_config(path: str | None, known: Sequence[str]) -> dict[str, Any]:
    """Read a YAML file whose keys are flags, `${NAME}` taken from the environment.

    Returns:
        The mapping; empty without a path.

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
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"--config {path}{line}: not valid YAML; mend it there") from error
    if not isinstance(values, Mapping):
        raise InputError(f"--config {path}: expected `flag: value` lines, got {values!r}")
    for name in values:
        if name not in known:
            hint = nearest(str(name), [*known])
            raise InputError(f"--config {path}: unknown key {name!r}; {hint}")
    return dict(values)


def parse_yaml(text: str) -> Any:
    """Return a YAML value; 1e-4 is a number, though PyYAML's YAML 1.1 takes it for text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+0123456789"))
    return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader


def _with_environment(text: str, path: str) -> str:
    """Replace `${NAME}` outside comments by the environment variable of that name."""
    lines = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("#"):
            for name in _VARIABLE.findall(line):
                if name not in os.environ:
                    raise InputError(
                        f"--config {path} line {number}: set {name} in the environment"
                    )
                line = line.replace(f"${{{name}}}", os.environ[name])
        lines.append(line)
    return "\n".join(lines)
