"""The optimizer: coverage matrix and weights in, `Selection` out; knows no geography.

`certificate` needs numpy alone. The models bring numba and HiGHS with them, so they are fetched
when they are first used: who only checks a proof loads no solver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from servicecircle.locate.models import lscp, mclp, partial_cover
    from servicecircle.locate.selection import Leaves, Selection

__all__ = ["Leaves", "Selection", "lscp", "mclp", "partial_cover"]


def __getattr__(name: str) -> Any:
    if name in ("Leaves", "Selection"):
        from servicecircle.locate import selection  # noqa: PLC0415

        return getattr(selection, name)
    if name in __all__:
        from servicecircle.locate import models  # noqa: PLC0415

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
