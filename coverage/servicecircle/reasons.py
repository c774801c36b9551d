"""Why a station is in the plan: the demand that no other allowed site can cover."""

from __future__ import annotations

import numpy as np

from servicecircle.errors import Note
from servicecircle.plan import Plan
from servicecircle.steps import UNITS, plain
from servicecircle.streets.contraction import Ints

_SHOWN = 3  # ids that a reason lists


def sole_coverage(plan: Plan) -> dict[int, Ints]:
    """New station (row of ``plan.sites``) → demand rows that it alone of all allowed sites covers.

    Only demand with weight; stations without any such rows are left out.
    """
    covers = plan.covers
    forbidden = np.asarray(plan.sites["status"] == "forbidden")
    keep = ~forbidden[covers.indices]
    row = np.repeat(np.arange(covers.shape[0]), np.diff(covers.indptr))[keep]
    site = covers.indices[keep]
    alone = (np.bincount(row, minlength=covers.shape[0]) == 1) & (plan.weight > 0)
    alone_rows, alone_sites = row[alone[row]], site[alone[row]]
    new = np.intersect1d(plan.new, alone_sites)
    return {int(j): alone_rows[alone_sites == j] for j in new}


def reasons(plan: Plan) -> dict[int, Note]:
    """New station (row of ``plan.sites``) → why it has to be there, where that can be said."""
    said = {site: _sole(plan, rows) for site, rows in sole_coverage(plan).items()}
    for forced in plan.selection.forced:
        if forced.instead_of and forced.site not in said:
            said[forced.site] = _forced(plan, forced.row, forced.instead_of)
    return said


def _sole(plan: Plan, rows: Ints) -> Note:
    heaviest = rows[np.argsort(-plan.weight[rows], kind="stable")]
    ids = plan.demand["demand_id"].astype(str).iloc[heaviest[:_SHOWN]]
    weight = plain(plan.weight[rows].sum())
    unit, unit_en = UNITS[plan.weight_unit]
    if len(rows) == 1:
        return (
            f"只有它能在标准时间内覆盖需求点 {ids.iloc[0]}（{weight} {unit}）",
            f"no other allowed site covers demand point {ids.iloc[0]} ({weight} {unit_en})",
        )
    return (
        f"只有它能在标准时间内覆盖 {'、'.join(ids)} 等 {len(rows)} 个需求点（{weight} {unit}）",
        f"no other allowed site covers {len(rows)} demand points ({weight} {unit_en}), such as "
        f"{', '.join(ids)}",
    )


def _forced(plan: Plan, row: int, others: tuple[int, ...]) -> Note:
    point = str(plan.demand["demand_id"].iloc[row])
    ids = plan.sites["site_id"].iloc[list(others[:_SHOWN])]
    more = " …" if len(others) > _SHOWN else ""
    return (
        f"覆盖需求点 {point} 要靠它：也能覆盖该点的 {'、'.join(ids)}{more} 都不如别的站点"
        "（别的站点覆盖的不比它们少，也不更贵）",
        f"it has to cover demand point {point}: {', '.join(ids)}{more} could, but other sites "
        "cover all that they cover and cost no more",
    )
