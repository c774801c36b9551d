"""What the report says, out of a plan folder: ``plan.json``'s figures, and what is counted beside.

``plan.json`` has no figures of today but the covered share, none of a district's weight, and no
reasons: these are counted from the stored walks, as ``check`` counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from servicecircle.errors import OutputError
from servicecircle.export.export_plan import ExportPlan
from servicecircle.plan_circles import METRES_PER_DEGREE
from servicecircle.scenario import Scenario, load_scenario

CLUSTERS = 10  # places of uncovered demand that are listed
CLUSTER_M = 1000.0  # a place is a square with this side
_SAMPLES = 3  # demand ids that a reason names

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Today:
    """Today's stations alone: covered weight and points, covered and cross-covered share."""

    weight: float
    points: int
    share: float
    cross: float


class Facts:
    """A plan folder's figures. Raises `PlannerError` where its files contradict each other."""

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.stored = plan.stored
        self.said: dict[str, Any] = plan.stored.said
        self.scenario: Scenario = load_scenario(plan.folder / "scenario.toml")
        self._require_whole()

    def _require_whole(self) -> None:
        points, demand = self.said["total_points"], self.stored.demand
        same = len(demand["weight"]) == len(self.stored.weight) == points
        ids = set(self.plan.stations["site_id"])
        known = set(self.stored.arrays["site_id"][self.stored.chosen].tolist())
        if not (same and ids == known == set(self.said["chosen"])):
            folder = self.plan.folder
            raise OutputError(
                f"{folder}：各文件互相矛盾，不能写成报告。请用“servicecircle check”查看，"
                "或重新规划一次。",
                f"{folder}: its files contradict each other, so no report is made of them. See "
                "`servicecircle check`, or plan again.",
            )

    # --- the question ---

    @property
    def counts(self) -> str:
        """What the objective counts: a key of `steps.OBJECTIVES`."""
        return self.scenario.question.counts

    @cached_property
    def standards(self) -> list[float]:
        """The standards that occur, minutes, ascending."""
        return [float(m) for m in np.unique(self.stored.arrays["minutes_required"])]

    @property
    def new(self) -> int:
        """Stations that the plan opens."""
        return len(self.said["new_sites"])

    @property
    def old(self) -> int:
        """Stations of today, all of which stay open."""
        return len(self.said["chosen"]) - self.new

    # --- before and after ---

    @cached_property
    def today(self) -> Today:
        """The figures without the plan."""
        weight, times = self.stored.weight, self._times_today
        return Today(
            weight=float(weight[times > 0].sum()),
            points=int((times > 0).sum()),
            share=float(self.said["covered_share_before"]),
            cross=_part(weight, times >= 2),
        )

    @cached_property
    def _times_today(self) -> NDArray[np.int64]:
        return self.stored.times_covered(self.stored.status("existing"))

    @cached_property
    def kinds(self) -> dict[str, Mask]:
        """Demand points by what the plan does for them: today, gained, open, beyond."""
        covered = np.asarray(self.stored.demand["covered"], bool)
        before = self._times_today > 0
        beyond = ~covered & ~(self.stored.reachable & self.snapped)
        return {
            "today": covered & before,
            "gained": covered & ~before,
            "open": ~covered & ~beyond,
            "beyond": beyond,
        }

    @property
    def snapped(self) -> Mask:
        """Demand points that lie near enough to a street."""
        return np.asarray(self.stored.demand["snapped"], bool)

    def weight_of(self, points: Mask) -> float:
        """Weight on some demand points."""
        return float(self.stored.weight[points].sum())

    # --- districts ---

    @property
    def has_outlines(self) -> bool:
        """Whether districts have outlines; else they are but names in the demand table."""
        return any(entry["role"] == "districts" for entry in self.said["inputs"])

    @property
    def stations_located(self) -> bool:
        """Whether it is known which district the stations are in."""
        return self.has_outlines or bool((self.plan.stations["district"] != "").any())

    @cached_property
    def districts(self) -> pd.DataFrame:
        """One row per district of ``plan.json``, in its order; empty where none is known.

        ``district``, ``minutes``, ``covered_share``, ``stations`` as there; ``weight``,
        ``covered_weight``, ``share_before``, ``new`` (stations) counted.
        """
        rows = self.said["districts"]
        columns = (
            "district",
            "minutes",
            "weight",
            "covered_weight",
            "share_before",
            "covered_share",
            "stations",
            "new",
        )
        if all(not row["district"] for row in rows):
            return pd.DataFrame(columns=list(columns))
        return pd.DataFrame([self._district(row) for row in rows])[list(columns)]

    def _district(self, row: dict[str, Any]) -> dict[str, Any]:
        inside = self.stored.demand["district"].astype(str) == row["district"]
        covered = inside & np.asarray(self.stored.demand["covered"], bool)
        a = self.stored.arrays
        new = self.stored.new & (a["site_district"].astype(str) == row["district"])
        before = _part(self.stored.weight, self._times_today > 0, inside)
        return {
            **row,
            "covered_share": _or_nan(row["covered_share"]),
            "share_before": before,
            "weight": self.weight_of(inside),
            "covered_weight": self.weight_of(covered),
            "new": int(new.sum()),
        }

    # --- stations ---

    @cached_property
    def stations(self) -> pd.DataFrame:
        """The open stations, new ones first, those that cover most before the others.

        `ExportPlan.stations` with ``label`` (the number on the map), ``site`` (its row in the
        certificate), ``far`` (too far from any street to count) and ``sole`` (`sole`, or None).
        """
        table = self.plan.stations
        new, old = table[table["new"]], table[~table["new"]]
        order = np.argsort(-new["covers_weight"].to_numpy(float), kind="stable")
        labels = [str(i + 1) for i in range(len(new))] + [f"E{i + 1}" for i in range(len(old))]
        rows = pd.concat([new.iloc[order], old]).assign(label=labels)
        site = {name: i for i, name in enumerate(self.stored.arrays["site_id"].tolist())}
        rows["site"] = [site[name] for name in rows["site_id"]]
        rows["far"] = ~np.isfinite(self.stored.arrays["site_gap_m"][rows["site"].to_numpy(int)])
        rows["sole"] = pd.Series([self.sole.get(i) for i in rows["site"]], rows.index, object)
        return rows.reset_index(drop=True)

    @cached_property
    def sole(self) -> dict[int, tuple[list[str], int, float]]:
        """New site → demand that it alone of all allowed sites covers: some ids, points, weight."""
        row, site = self.stored.pairs
        keep = ~self.stored.status("forbidden")[site]
        row, site = row[keep], site[keep]
        alone = (np.bincount(row, minlength=len(self.stored.weight)) == 1)[row]
        alone &= (self.stored.weight > 0)[row] & self.stored.new[site]
        found = {}
        for j in np.unique(site[alone]).tolist():
            rows = np.sort(row[alone & (site == j)])
            heaviest = rows[np.argsort(-self.stored.weight[rows], kind="stable")][:_SAMPLES]
            ids = [str(name) for name in self.stored.arrays["demand_id"][heaviest]]
            found[int(j)] = (ids, len(rows), float(self.stored.weight[rows].sum()))
        return found

    # --- what stays uncovered ---

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """Where uncovered demand lies: squares of a kilometre, those of most weight first.

        ``letter``, ``lng``, ``lat`` (weighted middle, WGS-84), ``district`` (of most points),
        ``weight``, ``points``, ``beyond`` (weight that no allowed site reaches).
        """
        demand = self.stored.demand
        rows = np.flatnonzero(~np.asarray(demand["covered"], bool))
        lng, lat = demand["lng"][rows].astype(float), demand["lat"][rows].astype(float)
        data = pd.DataFrame(
            {
                "lng": lng,
                "lat": lat,
                "weight": self.stored.weight[rows],
                "district": demand["district"][rows].astype(str),
                "beyond": np.where(self.kinds["beyond"][rows], self.stored.weight[rows], 0.0),
            }
        )
        x, y = (_squares(v) for v in _metres(lng, lat))
        found = [_place(part) for _, part in data.groupby([x, y], sort=True)]
        columns = ["lng", "lat", "district", "weight", "points", "beyond"]
        table = pd.DataFrame(found, columns=columns)
        table = table[table["weight"] > 0].sort_values("weight", ascending=False, kind="stable")
        table = table.head(CLUSTERS).reset_index(drop=True)
        return table.assign(letter=[chr(ord("A") + i) for i in range(len(table))])


def _part(weight: Floats, points: Mask, inside: Mask | None = None) -> float:
    """The share of weight on some points, of all or of those inside; NaN where there is none."""
    inside = np.ones(len(weight), bool) if inside is None else inside
    total = weight[inside].sum()
    if not total > 0:
        return 0.0 if inside.all() else float("nan")
    return float(weight[inside & points].sum() / total)


def rows_of(table: pd.DataFrame) -> list[Any]:
    """A table's rows, their columns as attributes."""
    return list(table.itertuples(index=False))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _metres(lng: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Rough metres, good enough for squares of a kilometre."""
    across = np.cos(np.radians(lat.mean())) if len(lat) else 1.0
    return lng * METRES_PER_DEGREE * across, lat * METRES_PER_DEGREE


def _squares(metres: Floats) -> NDArray[np.int64]:
    return np.floor(metres / CLUSTER_M).astype(np.int64)


def _place(part: pd.DataFrame) -> dict[str, Any]:
    weight = part["weight"].to_numpy(float)
    weigh = weight if weight.sum() > 0 else np.ones(len(part))
    return {
        "lng": float(np.average(part["lng"], weights=weigh)),
        "lat": float(np.average(part["lat"], weights=weigh)),
        "district": part["district"].mode().iloc[0],
        "weight": float(weight.sum()),
        "points": len(part),
        "beyond": float(part["beyond"].sum()),
    }
