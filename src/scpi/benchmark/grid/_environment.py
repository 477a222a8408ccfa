"""Environment of a task, and its costs."""

from __future__ import annotations

import platform
import sys
import time
from typing import Any

from scpi._versions import versions
from scpi.benchmark.grid._host import host


def environment(*, attempt: int, start: float, n_parameters: int | None) -> dict[str, Any]:
    """Machine, versions, what a task cost, and the number of parameters of its model.

    Seconds are those since ``start`` (of the monotonic clock); the largest memory of this process is in bytes.
    """
    found: dict[str, Any] = {
        "host": host(),
        "platform": platform.platform(),
        "versions": versions(),
        "attempt": attempt,
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.monotonic() - start, 3),
        "peak_memory": _peak_memory(),
        "n_parameters": n_parameters,
    }
    if torch := sys.modules.get("torch"):
        found["threads"] = torch.get_num_threads()
        found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return found


def _peak_memory() -> int | None:
    if platform.system() == "Windows":
        return None
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if platform.system() == "Darwin" else 1024 * largest
