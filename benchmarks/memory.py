"""Peak memory of a command in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence


def peak_memory(arguments: Sequence[str]) -> float:
    """MiB: of the accelerator where there is one, else the process's resident high-water mark."""
    code = (
        "import pathlib, re, runpy, sys, torch; sys.argv = sys.argv[1:]; "
        "sys.path.insert(0, sys.argv[0].rsplit('/', 1)[0]); "
        "runpy.run_path(sys.argv[0], run_name='__main__'); "
        # not ru_maxrss, which a child inherits from the process that started it
        "status = pathlib.Path('/proc/self/status').read_text(); "
        "rss = int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]); "
        "print('PEAK', torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() "
        "else rss / 1024)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.rpartition("PEAK")[2])
