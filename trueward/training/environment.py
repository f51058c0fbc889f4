"""What ran where: versions and machine, as text."""

import os
import platform
from importlib.metadata import version

import torch

PACKAGES = ("trueward", "torch", "transformers", "trl", "datasets", "accelerate", "peft")


def environment() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, and the device."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": device,
        "cores": str(os.cpu_count()),
    }
