"""What a scenario brings: streets, demand, sites and districts, read from tables or derived.

Tables win; what has no table comes out of the OSM file (`places.py`). Whichever it was, the
columns are the same, and `Inputs.files` records file, sha256, datum, rows and date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from servicecircle import places, tables
from servicecircle.errors import Note, ScenarioError
from servicecircle.raw_table import cell_text
from servicecircle.scenario import Scenario, TablePart
from servicecircle.streets.contraction import Floats
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.street_files import is_graph, is_osm
from servicecircle.walking import Walking, sha256

#: what a plan says of a station; a table that brings such a column keeps it as ``…_input``
RESULT_COLUMNS = ("new", "covers_weight", "only_covers_weight", "gap_m", "snapped")


@dataclass
class Inputs:
    """Demand, sites (existing first) and districts in WGS-84; what was assumed, as notes.

    ``files`` has one record per file and role, as ``plan.json`` lists them under ``inputs``.
    """

    demand: gpd.GeoDataFrame
    sites: gpd.GeoDataFrame
    districts: gpd.GeoDataFrame | None
    files: list[dict[str, Any]]
    notes: list[Note]


def read_inputs(walking: Walking) -> Inputs:
    """Read or derive everything but the streets."""
    scenario = walking.scenario
    reader = _Reader(walking)
    reader.record_network()
    demand, sites = reader.demand(), reader.sites()
    districts = reader.districts(demand, sites)
    demand, sites = _with_district(demand, districts), _with_district(sites, districts)
    reader.notes += _unknown_districts(demand, districts)
    reader.notes += _ridden_slopes(scenario) + _filtered(walking) + _cut_streets(walking.network)
    reader.notes += _behind_barriers(scenario, demand, sites)
    reader.notes += _own_standards(demand) + _no_weight(demand)
    demand["minutes_required"] = _standards(demand, districts, scenario.question.minutes)
    return Inputs(demand, sites, districts, reader.files, reader.notes)


@dataclass
class _Reader:
    """Reads one scenario's inputs; keeps the records and notes of what it read."""

    walking: Walking
    files: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def scenario(self) -> Scenario:
        return self.walking.scenario

    @property
    def osm(self) -> Path:
        return self.walking.osm

    @cached_property
    def osm_places(self) -> pd.DataFrame:
        self._require_places()
        return self.walking.table("places", None, lambda: places.read_places(self.osm))

    def _require_places(self) -> None:
        """Raise `ScenarioError` where the streets' file holds nothing but streets."""
        if is_osm(self.osm):
            return
        raise ScenarioError(
            f"{self.osm.name} 只有道路，没有场所：请用 --demand 和 --candidates 给出需求点表和"
            "备选点表。",
            f"{self.osm.name} holds streets alone, no places: hand in demand and candidates as "
            "tables with --demand and --candidates.",
        )

    def record_network(self) -> None:
        expected = self.scenario.network.sha256
        if expected and expected.lower() != self.walking.osm_sha256:
            raise ScenarioError(
                f"{self.osm}：与方案中的 sha256 不符（换过文件？）。"
                "确认用新文件，就删去 network.sha256。",
                f"{self.osm}: its sha256 is not the scenario's (was the file replaced?). If the "
                "new file is meant, delete network.sha256.",
            )
        self.record_derived("network", self.walking.network.n_edges)
        for role, path, datum in self.scenario.network_files():
            if not path.is_file():
                raise ScenarioError(
                    f"{path}：找不到这个文件（network.{role}）。请检查路径。",
                    f"{path}: no such file (network.{role}); check the path.",
                )
            self.files.append(
                {"role": role, "file": path.name, "sha256": sha256(path), "datum": datum,
                 "rows": None, "osm_date": None}
            )  # fmt: skip
        self.notes += _place(self.scenario)

    def inside(self, table: gpd.GeoDataFrame, zh: str, en: str) -> gpd.GeoDataFrame:
        """The rows inside the place's outline, where there is one; the others are counted."""
        outline = self.scenario.network.outline
        if not outline:
            return table
        from servicecircle.fetching.outline import inside  # noqa: PLC0415

        keep = inside(self.scenario.path(outline), table["lng"], table["lat"])
        if keep.all():
            return table
        out = int((~keep).sum())
        self.notes.append(
            (f"{out} 个{zh}在 {self.place} 边界以外，不计入。",
             f"{out} {en} lie outside {self.place} and do not count.")
        )  # fmt: skip
        if not keep.any():
            raise ScenarioError(
                f"没有任何{zh}在 {self.place} 边界以内。请检查表格、坐标系和地名。",
                f"no {en} lie inside {self.place}: check the table, its datum, and the place.",
            )
        kept = table[keep].reset_index(drop=True)
        kept.attrs = table.attrs
        return kept

    @property
    def place(self) -> str:
        return self.scenario.network.place or Path(self.scenario.network.outline or "").stem

    def record_derived(self, role: str, rows: int) -> None:
        """Note something that came out of the OSM file."""
        self.files.append(
            {"role": role, "file": self.osm.name, "sha256": self.walking.osm_sha256,
             "datum": "wgs84", "rows": rows, "osm_date": self.walking.network.date}
        )  # fmt: skip

    def table(
        self, part: TablePart, input_role: str, read: Callable[..., gpd.GeoDataFrame], **how: Any
    ) -> gpd.GeoDataFrame:
        """Read a table through the one door, and note it."""
        path = self.scenario.path(part.file or "")
        options: dict[str, Any] = {
            "datum": part.datum,
            "area": part.area,
            "columns": part.columns or None,
            "sheet": part.sheet,
        }
        table = read(path, **options, **how)
        said = table.attrs.get("notes", ())
        self.notes.extend((f"{path.name}：{zh}", f"{path.name}: {en}") for zh, en in said)
        self.files.append(
            {"role": input_role, "file": path.name, "sha256": sha256(path), "datum": part.datum,
             "rows": len(table), "osm_date": None}
        )  # fmt: skip
        return table

    def demand(self) -> gpd.GeoDataFrame:
        part = self.scenario.demand
        if part.file:
            table = self.table(part, "demand", tables.read_demand)
            weighed = "weight" in table.attrs.get("columns", ())
            table.attrs["weight_unit"] = "people" if weighed else "points"
            table = self.inside(table, "需求点", "demand points")
            self.files[-1]["rows"] = len(table)
            return table
        table = places.demand_from(
            self.osm_places, self.walking.network, cell_m=part.cell_m,
            weights=part.weights.model_dump(), total_people=part.total_people,
        )  # fmt: skip
        table.attrs["weight_unit"] = "people" if part.total_people else "relative"
        table = self.inside(table, "需求格", "demand cells")
        self.record_derived("demand", len(table))
        self.notes.append(_derived_note(part.total_people))
        return table

    def sites(self) -> gpd.GeoDataFrame:
        part = self.scenario.sites
        layers = []
        if part.existing is not None and part.existing.file:
            table = self.table(part.existing, "existing", tables.read_sites, role="existing")
            layers.append(table.assign(layer="existing"))
        if part.candidates is not None and part.candidates.file:
            table = self.table(part.candidates, "candidates", tables.read_sites, role="candidate")
        else:
            table = places.candidates_from(self.osm_places, part.kinds)
            table = self.inside(table, "推算的备选点", "derived candidates")
            self.record_derived("candidates", len(table))
        layers.append(table.assign(layer="candidates"))
        if len(layers) == 2:
            tables.check_unique_site_ids(layers[1], layers[0])
        return _one_table(layers)

    def districts(
        self, demand: gpd.GeoDataFrame, sites: gpd.GeoDataFrame
    ) -> gpd.GeoDataFrame | None:
        part = self.scenario.districts
        if part.file:
            return self.table(part, "districts", tables.read_districts)
        if not is_osm(self.osm):
            return None
        levels = part.admin_levels
        found = self.walking.table(
            "districts", levels, lambda: places.read_districts_of(self.osm, levels)
        )
        if found is None:
            return None
        used = [found.sindex.query(t.geometry, predicate="intersects")[1] for t in (demand, sites)]
        found = found.iloc[np.unique(np.concatenate(used))].reset_index(drop=True)
        if not len(found):
            return None
        self.record_derived("districts", len(found))
        return found


def _place(scenario: Scenario) -> list[Note]:
    """A note on what the place's name was taken for, or that the name changes nothing."""
    part = scenario.network
    if not part.place:
        return []
    if not part.outline:
        return [
            (
                f"已给出路网文件，network.place（{part.place}）不起作用，全部需求都计入。",
                f"there is a file of streets, so network.place ({part.place}) has no effect: all "
                "demand counts.",
            )
        ]
    from servicecircle.fetching.outline import read_outline  # noqa: PLC0415

    name = str(read_outline(scenario.path(part.outline)).about.get("display_name") or "")
    if not name:
        return []
    return [
        (
            f"地名“{part.place}”按“{name}”的范围。不是要找的地方，就写全行政区名。",
            f"“{part.place}” is taken as “{name}”. If another place is meant, write its full name.",
        )
    ]


def _behind_barriers(
    scenario: Scenario, demand: gpd.GeoDataFrame, sites: gpd.GeoDataFrame
) -> list[Note]:
    """A note where points lie in what may not be entered."""
    layer = scenario.network.barriers
    if layer is None or not layer.file:
        return []
    from servicecircle.streets.changes import inside_barriers, read_barriers  # noqa: PLC0415

    path = scenario.path(layer.file)
    barriers = read_barriers(path, datum=layer.datum, area=layer.area)
    return inside_barriers(barriers, demand, sites)


def _derived_note(total_people: float | None) -> Note:
    zh = "没有需求点表：需求由地图上的餐饮、商店、街道、公交等推算，"
    en = "no demand table: demand is derived from shops, food, streets, stops … on the map, "
    if total_people:
        return (
            f"{zh}再按总人数 {total_people:,.0f} 分摊，不是实测人数。",
            f"{en}and {total_people:,.0f} people in all are spread over it; nobody counted them.",
        )
    return f"{zh}是相对权重，不是人数。", f"{en}in relative units, not people."


def _ridden_slopes(scenario: Scenario) -> list[Note]:
    """A note where the formula for slopes is not made for who moves."""
    if not scenario.network.dem or scenario.network.profile == "foot":
        return []
    return [
        (
            "坡度按步行公式（Tobler）折算，骑行时只作参考。",
            "slopes are counted by a walkers' formula (Tobler's): for riders a rough guide.",
        )
    ]


def _filtered(walking: Walking) -> list[Note]:
    """A note on what another filter than OSMnx's gains and loses."""
    name, network = walking.part.walk_filter, walking.network
    if name != "osmnx" and is_graph(walking.osm):
        return [
            (
                f"道路规则 {name} 对街道图（.graphml）不起作用：图里有哪些路，就算哪些路。"
                "要按规则挑选，请改用 OSM 文件。",
                f"walk filter {name} has no effect on a street graph (.graphml): whatever ways it "
                "holds count. To choose by rule, use an OSM file.",
            )
        ]
    if name == "osmnx" or not (network.gained_m or network.lost_m):
        return []
    gained, lost = network.gained_m / 1000, network.lost_m / 1000
    return [
        (
            f"道路规则 {name}：与 OSMnx 的步行规则相比，多 {gained:.1f} km，少 {lost:.1f} km。",
            f"walk filter {name}: {gained:.1f} km of street more than OSMnx's walk filter, "
            f"{lost:.1f} km less.",
        )
    ]


def _cut_streets(network: WalkNetwork) -> list[Note]:
    """A note where the extract cut streets."""
    if not network.missing_nodes:
        return []
    return [
        (
            f"路网文件缺 {network.missing_nodes} 个道路节点，{network.cut_ways} 条路在缺口处断开"
            "（多在截取范围的边缘）。",
            f"{network.missing_nodes} street nodes are missing from the OSM file; "
            f"{network.cut_ways} ways break there (mostly along the extract's edge).",
        )
    ]


def _own_standards(demand: gpd.GeoDataFrame) -> list[Note]:
    """A note where demand points bring a standard of their own."""
    own = demand["minutes"].dropna() if "minutes" in demand else pd.Series(dtype=float)
    if own.empty:
        return []
    low, high = own.min(), own.max()
    return [
        (
            f"{len(own)} 个需求点自带标准（{low:g}–{high:g} 分钟），以它为准。",
            f"{len(own)} demand points bring a standard of their own ({low:g} to {high:g} "
            "minutes), which holds.",
        )
    ]


def _no_weight(demand: gpd.GeoDataFrame) -> list[Note]:
    if demand["weight"].sum() > 0:
        return []
    return [
        (
            "所有需求点的权重都是 0，没有可覆盖的人。请检查权重列。",
            "every demand point weighs 0, so there is nobody to cover: check the weight column.",
        )
    ]


def _one_table(layers: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Existing stations and candidates in one table; text that only one has is empty there."""
    merged = pd.concat(layers, ignore_index=True)
    # columns of an older plan's stations.csv stay, under another name than the new plan's own
    for name in RESULT_COLUMNS:
        other = f"{name}_input"
        while other in merged:
            other += "_input"
        merged = merged.rename(columns={name: other})
    for column in merged.columns.difference(["geometry", "lng", "lat", "cost"]):
        if merged[column].dtype == object or pd.api.types.is_string_dtype(merged[column]):
            merged[column] = merged[column].where(merged[column].notna(), "")
    return gpd.GeoDataFrame(merged, geometry="geometry", crs="EPSG:4326")


def _with_district(
    points: gpd.GeoDataFrame, districts: gpd.GeoDataFrame | None
) -> gpd.GeoDataFrame:
    """The district of each point: the table's own word, else the smallest polygon around it."""
    points = points.copy()
    own = points["district"] if "district" in points else pd.Series("", index=points.index)
    name = np.array([cell_text(word).strip() for word in own], object)
    if districts is not None:
        area = districts.to_crs("EPSG:6933").area.to_numpy()  # equal-area, only to rank by size
        point, polygon = districts.sindex.query(points.geometry, predicate="intersects")
        order = np.lexsort([area[polygon], point])
        row, first = np.unique(point[order], return_index=True)
        inside = np.full(len(points), "", object)
        inside[row] = districts["district"].to_numpy(object)[polygon[order][first]]
        name = np.where(name == "", inside, name)
    points["district"] = name
    return points


def _unknown_districts(demand: gpd.GeoDataFrame, districts: gpd.GeoDataFrame | None) -> list[Note]:
    """A note where demand names districts that the districts' table does not have."""
    if districts is None:
        return []
    strange = ~demand["district"].isin([*districts["district"], ""])
    if not strange.any():
        return []
    names = "、".join(sorted(set(demand["district"][strange]))[:5])
    return [
        (
            f"{int(strange.sum())} 个需求点写的区不在行政区图层里（如 {names}），"
            "其标准按本点或问题的分钟数。请统一名称。",
            f"{int(strange.sum())} demand points name a district that the districts layer does "
            f"not have (such as {names}); their standard is their own or the question's. "
            "Use the same names.",
        )
    ]


def _standards(
    demand: gpd.GeoDataFrame, districts: gpd.GeoDataFrame | None, minutes: float
) -> Floats:
    """Minutes per demand point: its own, else its district's, else the question's."""
    own = demand["minutes"] if "minutes" in demand else pd.Series(np.nan, index=demand.index)
    if districts is not None:
        by_name = districts.set_index("district")["minutes"]
        own = own.fillna(demand["district"].map(by_name))
    return np.asarray(own.astype(float).fillna(minutes), float)
