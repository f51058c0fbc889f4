"""Everything about a study that can be checked before anything is written or trained."""

from pathlib import Path

from trueward.data import Encoder
from trueward.models import check_base
from trueward.objectives import objective
from trueward.training.judge import bench
from trueward.training.run import run_config
from trueward.training.scenario_store import base_model
from trueward.training.settings import StudySettings
from trueward.training.setup import check_columns, first_row, fit_template, load_tokenizer
from trueward.types import Scenarios


def rehearse(settings: StudySettings, scenarios: Scenarios) -> None:
    """Read the model's config, fit the tokenizer, check columns, encode what is held out.

    Raises:
        InputError: a training argument, the model, an objective's column or a length is not what
            it must be.
    """
    args = run_config(settings.train_arguments, Path(settings.output_dir), 0, watch=False)
    check_base(base_model(settings))
    for spec in settings.objectives:
        check_columns(objective(spec), scenarios.train.column_names)
    tokenizer = load_tokenizer(base_model(settings), args)
    fit_template(tokenizer, first_row(scenarios.train), args, lambda line: None)
    if args.chat_template_path is None:
        bench(Encoder(tokenizer, args.max_length, args.truncation), scenarios)
