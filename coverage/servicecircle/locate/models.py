"""The covering models that planners ask for, each as one function that returns a `Selection`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from servicecircle.locate.question import ask
from servicecircle.locate.selection import Selection
from servicecircle.locate.solve import solve
from servicecircle.locate.watch import Callback


def mclp(
    covers: Any,
    weight: ArrayLike,
    sites: int | None = None,
    *,
    cost: ArrayLike | None = None,
    budget: float | None = None,
    fixed: Sequence[int] = (),
    required: Sequence[int] = (),
    forbidden: Sequence[int] = (),
    time_limit: float = 60.0,
    gap: float = 0.0,
    seed: int = 0,
    callback: Callback | None = None,
) -> Selection:
    """The new sites that cover the most weight (MCLP, Church & ReVelle 1974).

    - ``covers``: scipy.sparse, demand rows × sites; a nonzero entry covers.
    - ``weight``: one number >= 0 per row (people). ``sites``: the most new sites, 0 and numbers
      above the candidates' included. ``budget``: the most to spend on them, in the unit of
      ``cost`` (one number >= 0 per site; only read with a budget). At least one of both.
    - ``fixed``: existing sites, open and free. ``required``: new ones that must be opened; they
      count and cost like others. ``forbidden``: never opened.
    - ``time_limit`` in seconds; greedy and swaps complete even with 0. ``gap`` (a fraction) ends
      the search early. ``callback(seconds, objective, bound, gap)`` is told of progress.

    The objective is the covered weight, that of fixed sites included. A budget is kept to within
    1e-9 of it. Fewer sites are opened where more would add nothing. Of sites with equal gains
    the smallest index is taken; equal input, seed and versions give the same plan unless the run
    was stopped by its time limit or by hand (`Selection.stopped`). HiGHS may stop a few seconds
    late. Ctrl-C, or a KeyboardInterrupt raised by ``callback``, ends the search with the best
    plan so far and the bound that holds by then; a second Ctrl-C ends it without.

    Raises ValueError for wrong shapes or indices, QuestionError for contradictions.
    """
    question = ask(
        "mclp",
        covers,
        weight,
        cost=cost,
        sites=sites,
        budget=budget,
        fixed=fixed,
        required=required,
        forbidden=forbidden,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        callback=callback,
    )
    return solve(question)


def lscp(
    covers: Any,
    *,
    cost: ArrayLike | None = None,
    fixed: Sequence[int] = (),
    required: Sequence[int] = (),
    forbidden: Sequence[int] = (),
    time_limit: float = 60.0,
    gap: float = 0.0,
    seed: int = 0,
    callback: Callback | None = None,
) -> Selection:
    """The fewest new sites, or with ``cost`` the cheapest, that cover every row (LSCP).

    After Toregas, Swain, ReVelle & Bergman 1971. Arguments as in `mclp`. The objective is the
    number or cost of the new sites, required ones included, fixed ones not.

    Raises InfeasibleError with the rows that no allowed site covers; else as `mclp`.
    """
    question = ask(
        "lscp",
        covers,
        None,
        cost=cost,
        fixed=fixed,
        required=required,
        forbidden=forbidden,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        callback=callback,
    )
    return solve(question)


def partial_cover(
    covers: Any,
    weight: ArrayLike,
    share: float,
    *,
    cost: ArrayLike | None = None,
    fixed: Sequence[int] = (),
    required: Sequence[int] = (),
    forbidden: Sequence[int] = (),
    time_limit: float = 60.0,
    gap: float = 0.0,
    seed: int = 0,
    callback: Callback | None = None,
) -> Selection:
    """The fewest new sites, or with ``cost`` the cheapest, that cover a share of the weight.

    ``share`` is above 0 and at most 1, of all weight; what fixed sites cover counts. Covered
    weight reaches it from ``share · total · (1 - 1e-9)`` on (`certificate.target_weight`). Other
    arguments as in `mclp`, objective as in `lscp`.

    Raises InfeasibleError with the largest attainable share; else as `mclp`.
    """
    question = ask(
        "partial_cover",
        covers,
        weight,
        cost=cost,
        share=share,
        fixed=fixed,
        required=required,
        forbidden=forbidden,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        callback=callback,
    )
    return solve(question)
