"""The optimizer: coverage matrix and weights in, `Selection` out; knows no geography.

`certificate` needs numpy alone. The models bring numba and HiGHS with them, so they are fetched
when they are first used: who only checks a proof loads no solver.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servicecircle.locate.alternatives import mclp_alternatives
    from servicecircle.locate.curve import mclp_curve
    from servicecircle.locate.models import lscp, mclp, p_center, p_median, partial_cover
    from servicecircle.locate.selection import Leaves, Selection

_HOME = {
    "Leaves": "selection",
    "Selection": "selection",
    "lscp": "models",
    "mclp": "models",
    "mclp_alternatives": "alternatives",
    "mclp_curve": "curve",
    "p_center": "models",
    "p_median": "models",
    "partial_cover": "models",
}

__all__ = [
    "Leaves",
    "Selection",
    "lscp",
    "mclp",
    "mclp_alternatives",
    "mclp_curve",
    "p_center",
    "p_median",
    "partial_cover",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
