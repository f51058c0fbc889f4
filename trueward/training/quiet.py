"""One voice on the terminal while many runs share it."""

import logging
import warnings


def quiet() -> None:
    """Silence libraries' bars and notices in this process; each run's own are in its files."""
    import datasets
    import transformers

    logging.getLogger("trueward").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
