"""Plan: the one result everybody reads, and `make_plan`, which makes it out of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from servicecircle.datum_check import check_fit, is_beyond_doubt
from servicecircle.distances import Walks, all_walks
from servicecircle.errors import Note
from servicecircle.inputs import read_inputs
from servicecircle.legs import leg_effect
from servicecircle.locate import Selection
from servicecircle.obstacles import idle_kinds
from servicecircle.plan_circles import circles_of, water_of
from servicecircle.reach import CUTOFF_MINUTES, TravelTimes
from servicecircle.scenario import Scenario, TablePart
from servicecircle.selecting import Case, select
from servicecircle.snapping import Snapped
from servicecircle.steps import Progress, Steps
from servicecircle.stopping import Stopping
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork
from servicecircle.walking import Walking, located

FAR_GAP_M = 100.0  # people farther than this from any street are reported as a share


@dataclass(frozen=True)
class Plan:
    """A scenario, what it was computed from, and its answer.

    ``demand`` (n rows) has the columns of `tables.read_demand` and ``minutes_required``,
    ``district`` (text, empty where in none), ``gap_m``, ``snapped``. ``sites`` (m rows, existing
    ones first) has those of `tables.read_sites` and ``layer`` (existing or candidates), ``gap_m``,
    ``snapped``. ``times`` is demand × sites within the cutoff, ``beyond`` the walks beyond it where
    the model counts minutes; ``selection.chosen`` are rows of ``sites``, its objective and bound
    those of ``plan.json``.
    """

    scenario: Scenario
    walking: Walking
    demand: gpd.GeoDataFrame
    sites: gpd.GeoDataFrame
    districts: gpd.GeoDataFrame | None
    demand_feet: Snapped
    site_feet: Snapped
    times: TravelTimes
    selection: Selection
    inputs: list[dict[str, Any]]
    beyond: TravelTimes | None = None
    notes: tuple[Note, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def network(self) -> WalkNetwork:
        """The streets that were planned on."""
        return self.walking.network

    # --- who is covered ---

    @property
    def weight(self) -> Floats:
        """People (or relative units) per demand point."""
        return np.asarray(self.demand["weight"], float)

    @property
    def minutes_required(self) -> Floats:
        """The standard of each demand point, minutes."""
        return np.asarray(self.demand["minutes_required"], float)

    @cached_property
    def covers(self) -> csr_array:
        """Coverage matrix demand × sites (bool): who reaches which site within the standard."""
        return self.times.within(self.minutes_required)

    @property
    def chosen(self) -> Ints:
        """Rows of ``sites`` that are open: existing ones and new ones, ascending."""
        return np.asarray(self.selection.chosen, np.int64)

    @cached_property
    def existing(self) -> Ints:
        """Rows of ``sites`` that are open today."""
        return np.flatnonzero(self.sites["status"] == "existing")

    @property
    def new(self) -> Ints:
        """Rows of ``sites`` that the plan opens."""
        return np.setdiff1d(self.chosen, self.existing)

    def times_covered_by(self, sites: NDArray) -> Ints:
        """Per demand point: by how many of ``sites`` (rows) it is covered."""
        return np.asarray(self.covers[:, sites].sum(axis=1), np.int64).ravel()

    @cached_property
    def times_covered(self) -> Ints:
        """Per demand point: by how many open stations it is covered."""
        return self.times_covered_by(self.chosen)

    @cached_property
    def nearest(self) -> tuple[Ints, Floats]:
        """Per demand point: the nearest open station (row of ``sites``, -1: none) and minutes."""
        return self.times.nearest(self.chosen)

    def share(self, points: NDArray[np.bool_]) -> float:
        """The share of all weight that stands on ``points`` (boolean), 0 to 1."""
        total = self.weight.sum()
        return float(self.weight[points].sum() / total) if total > 0 else 0.0

    @property
    def covered_share(self) -> float:
        """Covered weight over the weight of all demand, snapped or not."""
        return self.share(self.times_covered > 0)

    @property
    def covered_share_before(self) -> float:
        """The same with today's stations alone."""
        return self.share(self.times_covered_by(self.existing) > 0)

    @property
    def cross_covered_share(self) -> float:
        """Weight within the standard of two or more open stations, over all weight."""
        return self.share(self.times_covered >= 2)

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Which demand points some allowed site covers."""
        allowed = np.flatnonzero(self.sites["status"] != "forbidden")
        return self.times_covered_by(allowed) > 0

    # --- for the eye ---

    @cached_property
    def water(self) -> gpd.GeoDataFrame | None:
        """Water areas of the streets' file (EPSG:4326), where it holds any."""
        return water_of(self.walking)

    @cached_property
    def circles(self) -> gpd.GeoDataFrame:
        """The land served today and by the plan, per standard (`plan_circles.circles_of`)."""
        return circles_of(self, self.water)

    # --- per station, per district ---

    def station_weights(self) -> pd.DataFrame:
        """Per open station: ``covers_weight``, and ``only_covers_weight``: lost without it."""
        part = self.covers[:, self.chosen]
        alone = np.where(self.times_covered == 1, self.weight, 0.0)
        return pd.DataFrame(
            {"covers_weight": part.T @ self.weight, "only_covers_weight": part.T @ alone},
            index=self.sites.index[self.chosen],
        )

    def district_table(self) -> list[dict[str, Any]]:
        """Per district: standard, covered share (null where no weight), open stations in it."""
        names = list(self.districts["district"]) if self.districts is not None else []
        present = {*self.demand["district"], *self.sites["district"].iloc[self.chosen]}
        names += sorted(present - set(names) - {""})
        if "" in present or not names:
            names.append("")
        return [self._district(name) for name in names]

    def _district(self, name: str) -> dict[str, Any]:
        inside = np.asarray(self.demand["district"] == name)
        weight = self.weight[inside].sum()
        covered = self.weight[inside & (self.times_covered > 0)].sum()
        open_sites = self.sites["district"].iloc[self.chosen]
        return {
            "district": name,
            "minutes": self._district_minutes(name),
            "covered_share": float(covered / weight) if weight > 0 else None,
            "stations": int((open_sites == name).sum()),
        }

    def _district_minutes(self, name: str) -> float:
        if self.districts is not None:
            given = self.districts.loc[self.districts["district"] == name, "minutes"].dropna()
            if len(given):
                return float(given.iloc[0])
        return self.scenario.question.minutes

    @property
    def weight_unit(self) -> str:
        """``people``, ``points`` (a table without weights) or ``relative`` (derived from OSM)."""
        return str(self.demand.attrs["weight_unit"])

    @property
    def cost(self) -> float | None:
        """Cost of the new sites (0 where there are none), None where the cost of one is unknown."""
        cost = np.asarray(self.sites["cost"], float)[self.new].sum()
        return None if np.isnan(cost) else float(cost)


def make_plan(
    scenario: Scenario,
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    cached: bool = True,
) -> Plan:
    """Answer a scenario's question. Raises the errors of `servicecircle.errors`.

    While the sites are chosen, Ctrl-C (in the main thread) or a true answer of ``stop`` ends the
    search: the plan is the best so far, with the bound that holds by then, and a note says so.
    ``cached``: whether streets and walking times may be taken from the cache, and are kept there.
    """
    steps, stopping = Steps(progress), Stopping(stop)
    scenario = located(scenario, steps.tell)
    walking = Walking(scenario, fresh=not cached)
    with steps("network"):
        _ = walking.network
    with steps("tables"):
        brought = read_inputs(walking)
        demand, sites, notes = brought.demand, brought.sites, brought.notes
    with steps("snap"):
        demand_feet, site_feet = walking.feet(demand), walking.feet(sites)
        notes += _check_fits(walking, demand, sites, demand_feet, site_feet)
    with steps("reach"):
        times, walks = _walks(scenario, walking, demand, demand_feet, site_feet, steps)
    with stopping.listening(), steps("locate"):
        case = Case(scenario.question, demand, sites, times, walks)
        selection, said = select(case, steps.tell, stopping)
        notes += said
        notes += _leg_notes(walking, demand, sites, demand_feet, site_feet, times, selection)
    return Plan(
        scenario=scenario,
        walking=walking,
        demand=demand.assign(gap_m=demand_feet.gap, snapped=demand_feet.found),
        sites=sites.assign(gap_m=site_feet.gap, snapped=site_feet.found),
        districts=brought.districts,
        demand_feet=demand_feet,
        site_feet=site_feet,
        times=times,
        selection=selection,
        inputs=brought.files,
        beyond=walks.beyond if walks else None,
        notes=(*walking.network.notes, *walking.notes, *notes),
        seconds=steps.seconds,
    )


def cutoff_of(standard: Floats, decay_to: float | None) -> float:
    """Minutes beyond which walks count as none: 30, or the longest that count for something."""
    return max(CUTOFF_MINUTES, float(standard.max()), decay_to or 0.0)


def _walks(
    scenario: Scenario,
    walking: Walking,
    demand: gpd.GeoDataFrame,
    demand_feet: Snapped,
    site_feet: Snapped,
    steps: Steps,
) -> tuple[TravelTimes, Walks | None]:
    """The walks within the cutoff, and where minutes are counted, all of them."""
    q = scenario.question
    cutoff = cutoff_of(demand["minutes_required"].to_numpy(float), q.decay_to_minutes)

    def tell(done: int, total: int) -> None:
        steps.tell("reach", done / total)

    if q.by_distance:
        walks = all_walks(walking, demand_feet, site_feet, cutoff, tell)
        return walks.near, walks
    return walking.times(demand_feet, site_feet, cutoff, tell), None


def _check_fits(
    walking: Walking,
    demand: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    demand_feet: Snapped,
    site_feet: Snapped,
) -> list[Note]:
    """Each table on its own against the streets: datum, axes, the right city."""
    scenario = walking.scenario
    layers = [(scenario.demand, demand, demand_feet)]
    for name in ("existing", "candidates"):
        rows = np.flatnonzero(sites["layer"] == name)
        part = getattr(scenario.sites, name)
        if len(rows) and part is not None:
            layers.append((part, sites.iloc[rows], site_feet.take(rows)))
    notes = []
    for part, table, feet in layers:
        # what was derived from the streets' own file fits them
        if part.file and not is_beyond_doubt(table, feet, part.area):
            notes += _fit_notes(walking, part, table, feet)
    return notes


def _fit_notes(
    walking: Walking, part: TablePart, table: gpd.GeoDataFrame, feet: Snapped
) -> list[Note]:
    how: dict[str, Any] = {
        "datum": part.datum,
        "area": part.area,
        "max_snap_m": walking.part.max_snap_m,
    }
    places = (table[axis].to_numpy(float) for axis in ("lng", "lat"))
    name = Path(part.file or "").name
    return walking.notes_on(
        [name, how, *places],
        lambda: check_fit(table, feet, walking.streets, file=name, **how),
    )


def _leg_notes(
    walking: Walking,
    demand: gpd.GeoDataFrame,
    sites: gpd.GeoDataFrame,
    demand_feet: Snapped,
    site_feet: Snapped,
    times: TravelTimes,
    selection: Selection,
) -> list[Note]:
    """What it changes that legs may not cross obstacles, with the same stations open."""
    if walking.obstacles is None:
        return []
    before, sites_before = walking.feet(demand, straight=True), walking.feet(sites, straight=True)
    straight = walking.times(before, sites_before.take(selection.chosen), times.cutoff)
    standard = demand["minutes_required"].to_numpy(float)
    return idle_kinds(walking.part.legs_avoid, walking.obstacles) + leg_effect(
        before, demand_feet, sites_before, site_feet,
        covered=(
            straight.within(standard).sum(axis=1) > 0,
            times.within(standard)[:, selection.chosen].sum(axis=1) > 0,
        ),
        weight=demand["weight"].to_numpy(float),
    )  # fmt: skip
