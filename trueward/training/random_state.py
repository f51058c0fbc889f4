"""The random numbers of one forward pass, drawn a second time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """Torch's generators: the processor's, and this process's accelerator's where there is one."""

    cpu: Tensor
    accelerator: Tensor | None


def random_state() -> RandomState:
    """The generators as they stand."""
    device = _device_module()
    return RandomState(torch.get_rng_state(), device.get_rng_state() if device else None)


@contextmanager
def replayed(state: RandomState) -> Iterator[None]:
    """Draw inside as from `state`; after it the generators go on as if nothing had been drawn."""
    now = random_state()
    _set(state)
    try:
        yield
    finally:
        _set(now)


def _set(state: RandomState) -> None:
    torch.set_rng_state(state.cpu)
    if state.accelerator is not None:
        _device_module().set_rng_state(state.accelerator)


def _device_module():  # type: ignore[no-untyped-def]
    return torch.get_device_module() if torch.accelerator.is_available() else None
