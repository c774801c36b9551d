"""Where the time of a call goes, by function; runs in workers."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHOWN = 6


def own_seconds(call: Callable[[], Any], shown: int = SHOWN) -> dict[str, float]:
    """Own time (seconds) of the functions that take most of a call, the rest as one.

    Compiled and library code counts as its own where Python sees it; threads count as waiting.
    """
    profiler = cProfile.Profile()
    profiler.runcall(call)
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    by_name: dict[str, float] = {}
    for (file, _, name), (_, _, own, _, _) in stats.items():
        key = _readable(file, name)
        by_name[key] = by_name.get(key, 0.0) + own
    ranked = sorted(by_name.items(), key=lambda item: -item[1])
    return {**dict(ranked[:shown]), "the rest": sum(own for _, own in ranked[shown:])}


def _readable(file: str, name: str) -> str:
    if file == "~":  # built in: "<method 'append' of 'list' objects>"
        return f"`{name.strip('<>')}`"
    return f"`{Path(file).stem}.{name}`"
