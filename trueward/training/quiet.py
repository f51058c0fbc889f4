"""One voice on the terminal while many runs share it."""

import os
import warnings


def quiet() -> None:
    """Silence the libraries' bars and notices in this process."""
    import datasets
    import transformers

    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"  # for processes that this one starts
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
