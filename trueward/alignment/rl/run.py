"""One run: a policy trained on reward models, watched, recorded and resumable."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import ProgressCallback
from transformers.trainer_callback import PrinterCallback

from trueward.alignment.rl.folder import check_folder
from trueward.alignment.rl.guards import StopOnNan
from trueward.alignment.rl.judges import load_gold, load_scorers, usual_norms
from trueward.alignment.rl.kl_control import KlControl, check_beta
from trueward.alignment.rl.prompts import Prompts, read_prompts
from trueward.alignment.rl.record import BEST, FILE, record
from trueward.alignment.rl.resuming import EpochOrder, KeepState, last_checkpoint, train
from trueward.alignment.rl.reward_function import RewardFunction
from trueward.alignment.rl.samples import trl_draw
from trueward.alignment.rl.settings import AlignSettings
from trueward.alignment.rl.trainers import reference_of, rl_trainer, trainer_config
from trueward.alignment.rl.watch import Watch, Watched
from trueward.files import write_json
from trueward.runs import environment
from trueward.training.main_rank import from_first

logger = logging.getLogger(__name__)
POLICY = "policy"


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of, read and checked before anything is written."""

    prompts: Prompts
    reward: RewardFunction
    watch: Watch
    args: Any


def align(settings: AlignSettings) -> dict[str, Any]:
    """Train the policy; returns the document of `align.json`.

    The folder gets `policy` (the last), `best` (of the watched criterion), checkpoints and
    `align.json`. Interrupted, the same call goes on from the last checkpoint as if it had not
    been.

    Raises:
        InputError: settings, data or models are not what they must be; nothing is written.
        RunError: a reward, gradient or loss is not a number; the batch is saved.
        KeyboardInterrupt: stopped by a signal, with a checkpoint to go on from.
    """
    folder = Path(settings.output_dir)
    from_first(lambda: check_folder(folder, settings))  # before the first rank writes there
    parts = _parts(settings)
    control = KlControl(settings.shaping)
    keep = KeepState(watch=parts.watch, moments=parts.reward, kl=control)
    trainer = rl_trainer(
        settings.algorithm,
        settings.policy,
        parts.reward,
        parts.args,
        parts.prompts.train,
        (EpochOrder(), control, parts.watch, StopOnNan(parts.reward), keep),
    )
    for noisy in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(noisy)
    control.trainer = trainer
    parts.watch.beta = lambda: trainer.beta
    parts.watch.draw = trl_draw(trainer, reference_of(settings.policy, trainer))
    parts.watch.keep = lambda: trainer.save_model(str(folder / BEST))
    parts.watch.changed = lambda watch: _write(watch, settings, finished=False)
    checkpoint = last_checkpoint(folder)
    if checkpoint is not None:
        keep.restore(checkpoint)
    train(trainer, parts.watch, checkpoint)
    parts.watch.look(trainer.state.global_step)
    trainer.save_model(str(folder / POLICY))
    return _write(parts.watch, settings, finished=True)


def _parts(settings: AlignSettings) -> Parts:
    training: Mapping[str, Any] = {"seed": settings.seed, **settings.training}
    args = trainer_config(settings.algorithm, training, settings.output_dir)
    check_beta(settings.shaping, args.beta)
    prompts = read_prompts(
        settings.prompts,
        watch=settings.watch_prompts,
        seed=settings.seed,
        references=settings.shaping.center,
    )
    if prompts.left_out:
        logger.warning("%d rows repeat a prompt and are left out", prompts.left_out)
    scorers = load_scorers(settings)
    reward = RewardFunction(scorers, settings.shaping, folder=Path(settings.output_dir))
    watched = Watched(
        prompts=prompts.watched,
        scorers=scorers,
        shaping=settings.shaping,
        gold=load_gold(settings),
        every=settings.watch_every,
        seed=settings.seed,
        stop=settings.stop_on_overoptimization,
    )
    watch = Watch(watched, usual=usual_norms(settings, scorers[0]))
    return Parts(prompts, reward, watch, args)


def _write(watch: Watch, settings: AlignSettings, *, finished: bool) -> dict[str, Any]:
    document = record(watch, settings.identity(), environment(), finished)
    if PartialState().is_main_process:
        folder = Path(settings.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(document, folder / FILE)
    return document
