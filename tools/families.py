"""Which model families train and score here, and how: writes docs/families.md.

    make families

Every family of `tests/helpers/tiny_families.py` goes through `tests/helpers/family_runs.py`; names
given to the script (with `tests` on the path) are tried alone, and nothing is written. Exits with
1 if a family fails or its scores are not those of its class.
"""

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import datasets
import torch
import transformers
from helpers import family_runs, tiny_families

PAGE = Path(__file__).parents[1] / "docs" / "families.md"
TEXT = """\
# Model families

Every family of transformers {version} with a `*ForSequenceClassification` class for text, as a
tiny random model: trained one step by `RewardTrainer` with `packing=auto`, saved, loaded by
`Scorer`, and held against its plain class on one sequence at a time. Scores differ by at most 1e-4
of their spread, beyond rounding. `make families` writes this page; a sample is checked in CI.

**Training.** `tree`: each prompt once, no padding. `chunk`: sorted by length and cut where the
least padding is left. `off`: one padded batch, as TRL makes it. **Scoring.** `tree`: as in
training. `padded`: rows sorted by length. `equal lengths`: only rows of one length share a batch,
since padding would change the class's score; and rows that share a batch always lie on the same
side of the length at which a rotary embedding changes. A class whose scores depend on the width of
the batch is trained in padded batches, as TRL trains it, and a notice says so. `refused`: the note
is the error.

Nothing is looked up here: the layout is proven at the start of each training and each scoring.

{counts}

| family | training | scoring | note |
|---|---|---|---|
"""


def outcome(name: str) -> family_runs.Outcome:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        return family_runs.run(name, Path(folder))


def main(names: list[str]) -> int:
    rows, layouts, wrong = [], Counter(), []
    for name in names or tiny_families.NAMES:
        try:
            found = outcome(name)
        except Exception as error:  # noqa: BLE001 (one family must not end the others)
            wrong.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if found.error > family_runs.LIMIT:
            wrong.append(f"{name}: off by {found.error:.2g} of the spread, in {found.scoring!r}")
        rows.append(family_runs.row(name, found))
        layouts[found.training] += 1
        print(rows[-1], flush=True)
    print(*wrong, sep="\n", file=sys.stderr)
    if not names and not wrong:
        counts = ", ".join(f"{count} {layout}" for layout, count in layouts.most_common())
        head = TEXT.format(version=transformers.__version__, counts=f"In training: {counts}.")
        PAGE.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return bool(wrong)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    sys.exit(main(sys.argv[1:]))
