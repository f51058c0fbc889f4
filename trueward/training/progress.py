"""A progress bar that carries the numbers one watches, instead of printing every log as a dict."""

from typing import Any

from transformers import ProgressCallback

WATCHED = {"loss": "loss", "accuracy": "accuracy", "margin": "margin", "hidden_norm": "‖h‖"}


class WatchedProgress(ProgressCallback):
    """The trainer's bar with loss, accuracy, margin and ‖h‖ of the last logging interval."""

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Show the watched numbers behind the bar."""
        if self.training_bar is not None and logs is not None and "loss" in logs:
            shown = {title: f"{logs[name]:.3g}" for name, title in WATCHED.items() if name in logs}
            self.training_bar.set_postfix(shown)
