"""Flags that settings declare."""

import argparse
import subprocess
import sys
from dataclasses import fields

import pytest

from trueward.cli.flags import add_fields, from_fields
from trueward.settings import AlignSettings, SamplingSettings, ScoreSettings, Shaping, StudySettings


@pytest.mark.parametrize("settings", [ScoreSettings, SamplingSettings, Shaping])
def test_without_flags_settings_have_their_own_defaults(settings):
    parser = argparse.ArgumentParser()
    add_fields(parser, settings)
    assert from_fields(settings, parser.parse_args([])) == settings()


def test_flags_have_the_types_of_their_fields():
    parser = argparse.ArgumentParser()
    add_fields(parser, Shaping)
    args = parser.parse_args(["--clip", "2", "--center", "--ensemble", "worst"])
    assert from_fields(Shaping, args, penalty=1.0) == Shaping(
        center=True, ensemble="worst", penalty=1.0, clip=2.0
    )
    with pytest.raises(SystemExit):
        parser.parse_args(["--ensemble", "median"])


def test_flags_without_defaults_tell_what_was_given():
    parser = argparse.ArgumentParser()
    add_fields(parser, StudySettings, "seeds", "engine", defaults=False)
    assert vars(parser.parse_args(["--engine", "ray"])) == {"seeds": None, "engine": "ray"}


def test_a_flag_without_help_is_not_declared():
    asked = {one.name for one in fields(AlignSettings) if "help" in one.metadata}
    assert asked.isdisjoint({"reward_models", "output_dir", "shaping", "training"})


def test_help_needs_no_torch():
    verbs = ("study", "eval", "score", "diagnose", "bon", "align", "report", "export", "goldworld")
    code = (
        "import sys\n"
        "from trueward.cli import build_parser\n"
        f"for verb in {verbs}: build_parser([verb])\n"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
