"""Jobs have processes of their own, which end with the one that began them."""

import os
import signal

import pytest
import torch
from helpers import jobs

from trueward.errors import DataError, RunError
from trueward.processes import cores, in_processes


def test_items_come_as_their_jobs_are_done(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    assert set(in_processes(jobs.leave_mark, paths, workers=2)) == set(paths)
    workers = {path.read_text() for path in paths}
    assert len(workers) == 2
    assert str(os.getpid()) not in workers
    assert list(in_processes(jobs.leave_mark, [], workers=2)) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="workers share GPUs, not cores")
def test_few_jobs_share_all_cores(tmp_path):
    few = tmp_path / "threads"
    list(in_processes(jobs.write_threads, [few], workers=2 * cores()))
    assert int(few.read_text()) == cores()


def test_an_error_of_a_job_is_not_taken_for_a_closed_pipe(tmp_path):
    with pytest.raises(RunError, match="ended with 1"):
        list(in_processes(jobs.read_past_the_end, [tmp_path], workers=1))


@pytest.mark.slow
def test_fresh_jobs_have_a_process_each(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    list(in_processes(jobs.leave_mark, paths, workers=2, fresh=True))
    assert len({path.read_text() for path in paths} | {str(os.getpid())}) == 4


@pytest.fixture
def _interruptible():
    """Python's own handler of SIGINT, also where the tests run in the background without one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interruption_ends_what_runs_and_begins_nothing(tmp_path):
    running, waiting = tmp_path / "running", tmp_path / "waiting"
    with pytest.raises(KeyboardInterrupt):
        list(in_processes(jobs.interrupt_the_first_process, [running, waiting], workers=1))
    assert running.read_text() == "stopped"
    assert not waiting.exists()


@pytest.mark.parametrize(
    ("job", "error", "words"),
    [
        (jobs.refuse, DataError, r"rows: no such row"),
        (jobs.die, RunError, r"a process died with 3"),
        (jobs.interrupt_itself, KeyboardInterrupt, None),
    ],
)
def test_the_first_failure_is_everyones(job, error, words):
    with pytest.raises(error, match=words):
        list(in_processes(job, ["rows", "more"], workers=1, died="a process died with {code}"))


def test_who_wants_no_more_items_ends_the_jobs(tmp_path):
    done, endless = tmp_path / "done", tmp_path / "endless"
    found = in_processes(jobs.leave_mark_or_sleep, [endless, done], workers=2)
    assert next(found) == done
    found.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(endless.read_text()), 0)
