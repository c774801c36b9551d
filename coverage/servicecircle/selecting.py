"""A scenario's question put to the optimizer: tables and walks in, `Selection` out.

The selection's objective and bound are in the units of ``plan.json``, its certificate spread to
all demand rows, also where only some of them can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from servicecircle import locate
from servicecircle.distances import Walks
from servicecircle.errors import Note, QuestionError
from servicecircle.gradations import credits
from servicecircle.locate import Selection
from servicecircle.question import QuestionPart
from servicecircle.reach import TravelTimes
from servicecircle.steps import Progress, Search, percent, plain
from servicecircle.stopping import Stopping
from servicecircle.streets.contraction import Floats, Ints

_SHOWN = 5  # ids that a message lists


@dataclass(frozen=True)
class Case:
    """What is chosen from: demand (with ``minutes_required``), sites, the walks between them.

    ``walks`` of any length are there for the models that count minutes, else None.
    """

    question: QuestionPart
    demand: gpd.GeoDataFrame
    sites: gpd.GeoDataFrame
    times: TravelTimes
    walks: Walks | None = None

    @cached_property
    def weight(self) -> Floats:
        """People (or units) per demand point."""
        return self.demand["weight"].to_numpy(float)

    @cached_property
    def standard(self) -> Floats:
        """The standard of each demand point, minutes."""
        return self.demand["minutes_required"].to_numpy(float)

    @cached_property
    def status(self) -> NDArray[np.object_]:
        """Status of each site."""
        return self.sites["status"].to_numpy(object)

    @cached_property
    def allowed(self) -> Ints:
        """Rows of the sites that may be open."""
        return np.flatnonzero(self.status != "forbidden")

    @cached_property
    def covers(self) -> csr_array:
        """Who reaches which site within the standard (demand × site, bool)."""
        return self.times.within(self.standard)

    @cached_property
    def reached(self) -> NDArray[np.bool_]:
        """Which demand some allowed site covers, or may be counted to at all."""
        if self.walks is None:
            return np.asarray(self.covers[:, self.allowed].sum(axis=1) > 0)
        near = self.walks.matrix[:, self.allowed].min(axis=1, initial=np.inf)
        return np.asarray(np.isfinite(near))

    @property
    def unit(self) -> str:
        """The unit of the weight."""
        return str(self.demand.attrs["weight_unit"])


def select(case: Case, tell: Progress, stopping: Stopping) -> tuple[Selection, list[Note]]:
    """The answer, and what has to be said of it. Raises `QuestionError`, `InfeasibleError`."""
    _require_sites(case.status)
    _require_reach(case.reached)
    model = {
        "mclp": _mclp, "lscp": _lscp, "partial_cover": _partial_cover, "p_median": _p_median,
        "p_center": _p_center,
    }[case.question.resolved_model]  # fmt: skip
    selection = model(case, _options(case, tell, stopping))
    tell("locate", 1.0, _search(case, selection))
    return selection, [*_left_out(case), *_interrupted(selection)]


def _options(case: Case, tell: Progress, stopping: Stopping) -> dict[str, Any]:
    q = case.question
    by_cost = q.minimise == "cost" or q.budget is not None
    scale = _scale(case)

    def hear(seconds: float, objective: float, bound: float, gap: float) -> None:
        now = Search(
            q.counts, case.unit, seconds, q.time_limit, objective / scale, bound / scale, gap
        )
        tell("locate", min(seconds / q.time_limit, 1.0), now)
        stopping.look()

    return {
        "fixed": np.flatnonzero(case.status == "existing"),
        "required": np.flatnonzero(case.status == "required"),
        "forbidden": np.flatnonzero(case.status == "forbidden"),
        "cost": _costs(case.sites) if by_cost else None,
        "time_limit": q.time_limit,
        "seed": q.seed,
        "callback": hear,
    }


def _search(case: Case, s: Selection) -> Search:
    """The search at its end."""
    q = case.question
    return Search(
        q.counts, case.unit, s.seconds, q.time_limit, s.objective, s.bound, s.gap, s.stopped
    )


# --- the models -----------------------------------------------------------------------------------


def _mclp(case: Case, options: dict[str, Any]) -> Selection:
    q = case.question
    more: dict[str, Any] = {}
    if q.decay_to_minutes is not None:
        more["credit"] = _credit(case, q.decay_to_minutes)
    if q.capacities:
        more["capacity"] = _capacities(case)
    return locate.mclp(case.covers, case.weight, q.new_sites, budget=q.budget, **more, **options)


def _lscp(case: Case, options: dict[str, Any]) -> Selection:
    """All that can be covered; the rest is reported."""
    rows = np.flatnonzero(case.reached)
    return _all_rows(locate.lscp(case.covers[rows], **options), rows, len(case.weight))


def _partial_cover(case: Case, options: dict[str, Any]) -> Selection:
    share = case.question.share
    assert share is not None  # a scenario without it was refused
    return locate.partial_cover(case.covers, case.weight, share, **options)


def _p_median(case: Case, options: dict[str, Any]) -> Selection:
    """The mean over the demand that can be asked for; the optimizer counts the sum."""
    q, (rows, minutes) = case.question, _minutes(case)
    found = locate.p_median(minutes, case.weight[rows], q.new_sites, budget=q.budget, **options)
    scale = _scale(case)
    found = replace(found, objective=found.objective / scale, bound=found.bound / scale)
    return _all_rows(found, rows, len(case.weight))


def _p_center(case: Case, options: dict[str, Any]) -> Selection:
    q, (rows, minutes) = case.question, _minutes(case)
    found = locate.p_center(minutes, q.new_sites, budget=q.budget, **options)
    return _all_rows(found, rows, len(case.weight))


def _asked_for(case: Case) -> NDArray[np.bool_]:
    """Which demand the models that count minutes look at: somebody there, and a way to a site."""
    return case.reached & (case.weight > 0)


def _minutes(case: Case) -> tuple[Ints, Floats]:
    assert case.walks is not None  # who counts minutes brings them
    rows = np.flatnonzero(_asked_for(case))
    if not len(rows):
        raise QuestionError(
            "走得到可用站点的需求点权重都是 0，没有可计算的步行时间。请检查需求点表的人数。",
            "all demand that can walk to an allowed site has no weight, so there are no minutes "
            "to count: check the weights in the demand table.",
        )
    return rows, case.walks.matrix[rows]


def _scale(case: Case) -> float:
    """What the optimizer's objective is divided by."""
    if case.question.counts != "mean_minutes":
        return 1.0
    return float(case.weight[_asked_for(case)].sum()) or 1.0


def _all_rows(selection: Selection, rows: Ints, n: int) -> Selection:
    """A selection over some demand rows, its certificate spread to all ``n`` of them."""
    multipliers = np.zeros(n)
    multipliers[rows] = selection.multipliers
    leaves = selection.leaves
    if leaves is not None:
        group = np.full(n, -1, np.int64)
        group[rows] = leaves.group
        leaves = replace(leaves, group=group)
    forced = tuple(replace(f, row=int(rows[f.row])) for f in selection.forced)
    return replace(selection, multipliers=multipliers, leaves=leaves, forced=forced)


def _credit(case: Case, end: float) -> csr_array:
    """Credits of the walks beyond the standard too, demand × site."""
    late = np.flatnonzero(case.standard >= end)
    if len(late):
        longest = case.standard.max()
        raise QuestionError(
            f"decay_to_minutes = {end:g}，但有 {len(late)} 个需求点的标准是 {longest:g} 分钟（来自"
            f"需求点表或行政区）：decay_to_minutes 要大于所有标准，请改为大于 {longest:g}。",
            f"decay_to_minutes = {end:g}, but {len(late)} demand points have standards of up to "
            f"{longest:g} minutes (from their table or district): it must be above all of them.",
        )
    times = case.times
    value = credits(times.minutes, case.standard[times.rows], end)
    shape = (times.n_demand, times.n_sites)
    return csr_array((value, times.indices, times.indptr), shape=shape)


def _capacities(case: Case) -> Floats:
    if case.unit == "relative":
        raise QuestionError(
            "capacities = true 要用人数作需求：由地图推算的需求是相对值，请填 "
            "demand.total_people（总人数），或给出带人数的需求点表。",
            "capacities = true needs demand in people; demand derived from the map is relative: "
            "set demand.total_people, or hand in a demand table.",
        )
    column = case.sites.get("capacity", np.nan)  # no table may have it
    capacity = np.array(np.broadcast_to(column, len(case.sites)), float)
    capacity[case.status == "forbidden"] = 0.0  # never opened
    unknown = np.flatnonzero(np.isnan(capacity))
    if len(unknown):
        raise QuestionError(
            f"{len(unknown)} 个站点没有容量（{_ids(case.sites, unknown, '、')}）：按容量选址时每个"
            "站点（包括已建的）都要有容量，请在站点表补上“容量”列；不限的写一个大于总人数的数。",
            f"{len(unknown)} sites have no capacity ({_ids(case.sites, unknown, ', ')}): planning "
            "with capacities needs one for each site, existing ones included. Fill in the "
            "capacity column; where there is no limit, a number above all demand.",
        )
    return capacity


def _costs(sites: gpd.GeoDataFrame) -> Floats:
    cost = sites["cost"].to_numpy(float).copy()
    cost[sites["status"].isin(["existing", "forbidden"])] = 0.0  # never paid for
    unknown = np.flatnonzero(np.isnan(cost))
    if len(unknown):
        raise QuestionError(
            f"{len(unknown)} 个备选点没有费用（如 {_ids(sites, unknown, '、')}）：按预算或费用选址"
            "时每个都要有费用，请在备选点表补上“费用”列。",
            f"{len(unknown)} candidate sites have no cost (such as {_ids(sites, unknown, ', ')}): "
            "planning by budget or cost needs one for each; fill in the cost column of the "
            "candidates table.",
        )
    return cost


def _ids(sites: gpd.GeoDataFrame, rows: Ints, comma: str) -> str:
    return comma.join(sites["site_id"].iloc[rows[:_SHOWN]]) + (" …" if len(rows) > _SHOWN else "")


def _require_sites(status: NDArray[np.object_]) -> None:
    if np.all(status == "forbidden"):
        raise QuestionError(
            "所有站点都是禁用状态，没有可选的。请在备选点表的“状态”列里放开几个。",
            "every site is forbidden, so none can be chosen: allow some in the status column of "
            "the candidates table.",
        )


def _require_reach(reached: NDArray[np.bool_]) -> None:
    if not reached.any():
        raise QuestionError(
            "没有任何需求点能在标准时间内走到任何一个可用站点。请检查两张表是否同一城市、"
            "坐标系是否正确，或放宽 minutes。",
            "no demand point reaches any allowed site within its standard. Check that both tables "
            "are of one city and in the right datum, or ask for more minutes.",
        )


# --- what has to be said --------------------------------------------------------------------------


def _left_out(case: Case) -> list[Note]:
    """Demand that the models that count minutes cannot look at."""
    if case.walks is None or case.reached.all():
        return []
    model, lost = case.question.resolved_model, ~case.reached
    ids = case.demand["demand_id"].astype(str).to_numpy(object)[lost]
    more = " …" if len(ids) > _SHOWN else ""
    count, weight = len(ids), plain(case.weight[lost].sum())
    return [
        (
            f"{count:,} 个需求点（权重 {weight}）匹配不到道路，或走不到任何可用站点，没有步行"
            f"时间可算，不进入 {model} 的目标，但仍计入全部需求：{'、'.join(ids[:_SHOWN])}{more}",
            f"{count:,} demand points (weight {weight}) are beside no street or have no way "
            f"to any allowed site: they have no minutes and do not enter the objective of {model}, "
            f"but stay in all demand: {', '.join(ids[:_SHOWN])}{more}",
        )
    ]


def _interrupted(selection: Selection) -> list[Note]:
    if selection.stopped != "interrupt":
        return []
    gap = percent(selection.gap)
    return [
        (
            f"选址优化被中途停止：这是到那时为止最好的方案，与最优的差距至多 {gap}。",
            f"The search was interrupted: the best plan so far, gap at most {gap}.",
        )
    ]
