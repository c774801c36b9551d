"""The covering models that planners ask for, each as one function that returns a `Selection`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from servicecircle.locate.capacity.search import solve_capacitated
from servicecircle.locate.covering.question import ask
from servicecircle.locate.covering.solve import solve
from servicecircle.locate.distance import center as center_search
from servicecircle.locate.distance import median as median_search
from servicecircle.locate.distance import question as distance_question
from servicecircle.locate.selection import Selection
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
    credit: Any = None,
    capacity: ArrayLike | None = None,
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
    - ``credit``: scipy.sparse, shaped as ``covers``, values above 0 and at most 1: a pair that
      does not cover gives this share of the row's weight (gradual cover, Church & Roberts 1983);
      a row gets the largest credit of any open site. The multipliers then belong to the levels
      of `levels.expand`, in its order. `levels.decay` makes credits of minutes.
    - ``capacity``: the most weight that each site serves, one number >= 0 per site, ``inf``
      allowed, fixed sites included (capacitated MCLP, Current & Storbeck 1988). A row may be
      served in parts by several open sites that cover it; `Selection.flow` says by whom. Its
      bound is recomputed by `capacity.certificate.certified_bound`. Not with ``credit``.
    - ``time_limit`` in seconds; greedy and swaps complete even with 0. ``gap`` (a fraction) ends
      the search early. ``callback(seconds, objective, bound, gap)`` is told of progress.

    The objective is the covered (credited, served) weight, that of fixed sites included. A budget
    is kept to within 1e-9 of it. Fewer sites are opened where more would add nothing. Of sites
    with equal gains the smallest index is taken; equal input, seed and versions give the same
    plan unless the run was stopped by its time limit or by hand (`Selection.stopped`). HiGHS may
    stop a few seconds late. Ctrl-C, or a KeyboardInterrupt raised by ``callback``, ends the
    search with the best plan so far and the bound that holds by then; a second Ctrl-C ends it
    without.

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
        credit=credit,
        capacity=capacity,
    )
    return solve(question) if question.capacity is None else solve_capacitated(question)


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


def p_median(
    distance: ArrayLike,
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
    """The new sites with the least weighted distance to the nearest one (p-median, Hakimi 1964).

    - ``distance``: dense, demand × site, in minutes or metres, 0 or more; inf where there is no
      way. It need be neither symmetric nor metric.
    - ``weight``: one number >= 0 per row (people). Rows that weigh nothing need not be reached.
    - ``sites`` and/or ``budget``, and all else, as in `mclp`. Some station must be open.

    The objective is Σ weight · distance to the nearest open site, fixed ones included: divided by
    the sum of weights it is the mean distance.

    Raises InfeasibleError with the rows that no allowed site reaches, or when the sites or the
    budget do not suffice to reach all; QuestionError when no plan that reaches all was found in
    time; ValueError for wrong shapes, NaN and negative numbers.
    """
    question = distance_question.ask(
        "p_median",
        distance,
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
    return median_search.solve(question)


def p_center(
    distance: ArrayLike,
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
    """The new sites with the smallest largest distance to the nearest one (p-center).

    After Hakimi 1964. ``distance`` as in `p_median`; every row counts. Either ``sites`` or
    ``budget``. The objective is the largest distance of a row to its nearest open site. The
    certificate is that of an `lscp`: covering every row from nearer than `Selection.bound` takes
    more than the sites or the budget (`distance.certificate.p_center_bound`).

    Raises as `p_median`.
    """
    question = distance_question.ask(
        "p_center",
        distance,
        None,
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
    return center_search.solve(question)
