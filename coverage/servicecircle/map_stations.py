"""The stations on the map: which of them, in what order, with what sign, tooltip and popup."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from servicecircle.errors import Note
from servicecircle.map_layers import safe
from servicecircle.map_panel import both, closed_stations, icon, weight_text
from servicecircle.plan import Plan
from servicecircle.reasons import reasons
from servicecircle.streets.contraction import Floats, Ints

Kind = Literal["existing", "new", "rejected", "closed"]

BEST_REJECTED = 36  # unchosen sites that get a marker
SMALL_FROM = 80  # so many stations, and their signs shrink
_LIFT = {"closed": 0, "rejected": 100, "existing": 2000, "new": 4000}
_WORDS = {
    "existing": ("已建", "existing"),
    "new": ("新建", "new"),
    "rejected": ("未入选", "not chosen"),
    "closed": ("已关闭", "closed"),
}


def gains(plan: Plan) -> Floats:
    """Per site: the uncovered weight that it would cover if it were added to the plan."""
    uncovered = np.where(plan.times_covered == 0, plan.weight, 0.0)
    return np.asarray(plan.covers.T @ uncovered, float)


def rows_of(plan: Plan, kind: Kind) -> Ints:
    """Rows of ``plan.sites`` of one kind, in the order of their labels."""
    if kind == "existing":
        return plan.existing
    if kind == "closed":
        return np.flatnonzero(closed_stations(plan))
    if kind == "new":
        weight = plan.station_weights()["covers_weight"].reindex(plan.sites.index[plan.new])
        return plan.new[np.argsort(-weight.to_numpy(float), kind="stable")]
    gain = gains(plan)
    allowed = np.array(plan.sites["status"] != "forbidden", bool)
    allowed[plan.chosen] = False
    worth = np.flatnonzero(allowed & (gain > 0))
    return worth[np.argsort(-gain[worth], kind="stable")][:BEST_REJECTED]


def records(plan: Plan, kind: Kind) -> list[dict[str, Any]]:
    """Records for `map_layers.Stations`; ``name`` and ``value`` (HTML) are for the panel's list."""
    rows = rows_of(plan, kind)
    weights = plan.station_weights()
    gain, why = gains(plan), reasons(plan)
    size = 26 if len(plan.chosen) < SMALL_FROM else 20
    if kind in ("rejected", "closed"):
        size -= 5
    result = []
    for number, row in enumerate(rows.tolist(), start=1):
        site = plan.sites.iloc[row]
        label = {"existing": f"E{number}", "closed": ""}.get(kind, str(number))
        numbers = _numbers(kind, weights, plan.sites.index[row], gain[row])
        result.append(
            {
                "key": f"{kind}-{number}",
                "kind": kind,
                "at": [round(float(site["lat"]), 6), round(float(site["lng"]), 6)],
                "icon": icon(kind, label, size),
                "size": size,
                "lift": _LIFT[kind],
                "tip": f"<b>{label}</b> {safe(site['name'])}",
                "popup": _popup(site, kind, label, numbers, why.get(row)),
                "name": safe(site["name"]),
                "value": numbers[-1][1] if numbers else "",
            }
        )
    return result


def _numbers(kind: Kind, weights: Any, index: Any, gain: float) -> list[tuple[str, str]]:
    """(HTML label, text) of what a station is worth."""
    if kind == "closed":
        return []
    if kind == "rejected":
        return [(both("若增设可多覆盖", "would add"), weight_text(gain))]
    covers, only = weights.loc[index, ["covers_weight", "only_covers_weight"]]
    return [
        (both("覆盖权重", "covers"), weight_text(covers)),
        (both("没有它就失去", "lost without it"), weight_text(only)),
    ]


def _popup(
    site: Any, kind: Kind, label: str, numbers: list[tuple[str, str]], why: Note | None
) -> str:
    zh, en = _WORDS[kind]
    if site["status"] == "required":
        zh, en = f"{zh}（必选）", f"{en} (required)"
    cells = [(both("编号", "id"), safe(site["site_id"])), (both("状态", "status"), both(zh, en))]
    for column, name_zh, name_en in (("kind", "类型", "kind"), ("address", "地址", "address")):
        if column in site and str(site[column]).strip():
            cells.append((both(name_zh, name_en), safe(site[column])))
    cells += numbers
    if kind in ("new", "rejected") and np.isfinite(site["cost"]):
        cells.append((both("费用", "cost"), f"{site['cost']:,.0f} 元"))
    if why is not None and kind == "new":
        cells.append((both("为什么", "why"), both(safe(why[0]), safe(why[1]))))
    if not site["snapped"]:
        cells.append(("", both("离路过远，不参与计算", "too far from any street")))
    body = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in cells)
    caption = f"{label} {safe(site['name'])}".strip()
    return f'<table class="sc-popup"><caption>{caption}</caption>{body}</table>'
