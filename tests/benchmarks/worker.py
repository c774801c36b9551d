"""Runs one function in a process of its own and notes how much memory it took.

Started by `common.measure` with one JSON argument. The modules named there are imported first, so
that their memory is the baseline and their import time is nobody's.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import sys
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")


def peak_mb() -> float:
    """Most memory that this process ever held, MB.

    Linux passes the parent's peak on to `getrusage` of a child; VmHWM is the process's own.
    """
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1]) / 1024
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def forget_peak() -> float:
    """From now on, count the peak anew where the system allows it; the peak by now, MB."""
    if _FORGET.exists():
        _FORGET.write_text("5")
    return peak_mb()


def work(task: dict[str, Any]) -> dict[str, Any]:
    """What the task's function returns, with ``baseline_mb`` and ``peak_mb``."""
    if task["cores"] is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["cores"]])
    for name in task["imports"]:
        importlib.import_module(name)
    function = getattr(importlib.import_module(task["module"]), task["function"])
    baseline = peak_mb()
    result = function(*task["args"]) or {}
    return {**result, "baseline_mb": baseline, "peak_mb": peak_mb()}


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    Path(spec["answer"]).write_text(json.dumps(work(spec)), encoding="utf-8")
