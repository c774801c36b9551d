"""Places out of OSM: demand, candidate sites, districts and water where no table brings them.

What counts as how much demand, and which places can host a station, is data: `proxies.py`. What
is derived here has the same columns as what `tables.py` reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Geod

from servicecircle.errors import QuestionError
from servicecircle.proxies import (
    GROUPS,
    HOST_KINDS,
    PROXIES,
    host_kind_of,
    proxy_of,
    street_proxy_of,
)
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import readable, require_osm_file

CELL_M = 100.0  # default width of a demand cell
DISTRICT_LEVELS = (6, 7, 8)  # admin_level of districts and counties to towns and subdistricts
WATER_TAGS = (("natural", "water"), ("waterway", "riverbank"), ("landuse", "reservoir"))
_PLACE_KEYS = ("amenity", "shop", "office", "landuse")  # and highway, of nodes
_ADDRESS = ("addr:full", "addr:district", "addr:street", "addr:housenumber")
_STEP_M = 10.0  # streets are laid onto cells in bits no longer than this
_GEOD = Geod(ellps="WGS84")
_HECTARE = 10_000.0


def read_places(path: str | Path) -> pd.DataFrame:
    """Places of an OSM file that stand for demand or can host a station, one row each.

    Columns: ``osm_id`` (``node/1``, ``way/2``), ``name`` (may be empty), ``address``, ``lng``,
    ``lat`` (a way's middle), ``hectares`` (0 for nodes), ``proxy`` and ``host`` (names in
    `PROXIES` and `HOST_KINDS`, empty where neither). Raises `NetworkError`.
    """
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    path = Path(path)
    require_osm_file(path)
    rows = []
    with readable(path):
        nodes: Any = osmium.FileProcessor(str(path), osmium.osm.NODE)
        nodes = nodes.with_filter(osmium.filter.KeyFilter(*_PLACE_KEYS, "highway"))
        ways: Any = (
            osmium.FileProcessor(str(path), osmium.osm.NODE | osmium.osm.WAY)
            .with_locations()
            .with_filter(osmium.filter.EntityFilter(osmium.osm.WAY))
            .with_filter(osmium.filter.KeyFilter(*_PLACE_KEYS))
        )
        for thing in itertools.chain(nodes, ways):
            tags = dict(thing.tags)
            proxy, host = proxy_of(tags), host_kind_of(tags)
            where = _where(thing) if proxy or host else None
            if where is not None:
                rows.append((*_label(thing, tags), *where, proxy or "", host or ""))
    columns = ["osm_id", "name", "address", "lng", "lat", "hectares", "proxy", "host"]
    return pd.DataFrame(rows, columns=columns)


def candidates_from(places: pd.DataFrame, kinds: Sequence[str] = ()) -> gpd.GeoDataFrame:
    """Candidate sites: the places that can host a station; columns as `tables.read_sites`.

    ``kinds`` are names in `HOST_KINDS`; all of them by default. Raises `QuestionError` where the
    map shows none.
    """
    kinds = list(kinds) or list(HOST_KINDS)
    hosts = places[places["host"].isin(kinds)].drop_duplicates("osm_id")
    if hosts.empty:
        names = "、".join(HOST_KINDS[k].zh for k in kinds)
        raise QuestionError(
            f"OSM 文件里没有可作备选点的场所（{names}）：请用 --candidates 给出备选点表。",
            f"the OSM file shows no place that could host a station ({', '.join(kinds)}): hand in "
            "a table with --candidates.",
        )
    label = hosts["host"].map({k: v.zh for k, v in HOST_KINDS.items()})
    data = {
        "site_id": hosts["osm_id"],
        "name": hosts["name"].where(hosts["name"] != "", label),
        "lng": hosts["lng"],
        "lat": hosts["lat"],
        "status": "candidate",
        "kind": label,
        "cost": np.nan,
        "address": hosts["address"],
    }
    table = pd.DataFrame(data).reset_index(drop=True)
    return gpd.GeoDataFrame(
        table, geometry=gpd.points_from_xy(table["lng"], table["lat"]), crs="EPSG:4326"
    )


def demand_from(
    places: pd.DataFrame,
    network: WalkNetwork,
    *,
    cell_m: float = CELL_M,
    weights: Mapping[str, float] | None = None,
    total_people: float | None = None,
) -> gpd.GeoDataFrame:
    """Demand on a grid of ``cell_m`` metres; columns as `tables.read_demand`, one row per cell.

    Every place and every bit of street adds its proxy's weight (`PROXIES`, replaced by
    ``weights``) to the cell it lies in; nothing is lost. A cell's point is the weighted middle of
    what lies in it, so that it stands by the street and not in the river. The columns named in
    `GROUPS` say how much of the weight is whose. Weights are relative units, or people when
    ``total_people`` is given. Raises `QuestionError` where there is nothing to weigh.
    """
    each = {name: proxy.weight for name, proxy in PROXIES.items()} | dict(weights or {})
    bits = pd.concat([_place_bits(places), _street_bits(network)], ignore_index=True)
    bits["weight"] = bits["amount"] * bits["proxy"].map(each)
    bits = bits[bits["weight"] > 0]
    if bits.empty:
        raise QuestionError(
            "OSM 文件里没有可推算需求的场所或街道：请用 --demand 给出需求点表。",
            "the OSM file shows nothing to derive demand from: hand in a table with --demand.",
        )
    if total_people is not None:
        bits["weight"] *= total_people / bits["weight"].sum()
    return _cells(bits, network, cell_m)


def read_districts_of(
    path: str | Path, levels: Sequence[int] = DISTRICT_LEVELS
) -> gpd.GeoDataFrame | None:
    """Administrative boundaries of an OSM file as districts; None where it has none.

    Columns as `tables.read_districts`: ``district`` (made unique by the OSM id where a name comes
    twice), ``minutes`` (all NaN), ``admin_level``, ``geometry``. Raises `NetworkError`.
    """
    found = _areas(path, (("boundary", "administrative"),), ["name", "admin_level"])
    level = pd.to_numeric(found["admin_level"], errors="coerce")
    found = found[level.isin(levels) & (found["name"] != "")].reset_index(drop=True)
    if found.empty:
        return None
    twice = found["name"].duplicated(keep=False)
    found["district"] = found["name"].where(~twice, found["name"] + "（" + found["osm_id"] + "）")
    found["minutes"] = np.nan
    return found[["district", "minutes", "admin_level", "geometry"]]


def read_water(path: str | Path) -> gpd.GeoDataFrame:
    """Lakes, rivers and reservoirs of an OSM file as (Multi)Polygons, EPSG:4326.

    Columns ``name`` (text, empty where none) and ``geometry``; no row where there is no water.
    Areas that the extract cuts open are left out, and so is the sea (a coastline is no area).
    Raises `NetworkError` when the file is missing or damaged.
    """
    return _areas(path, WATER_TAGS, ["name"])[["name", "geometry"]]


# --- reading --------------------------------------------------------------------------------------


def _where(thing: Any) -> tuple[float, float, float] | None:
    """(lng, lat, hectares) of a node, or of a way's middle; None where the extract cut it off."""
    if not thing.visible or (thing.is_node() and not thing.location.valid()):
        return None  # deleted, as in files with history
    if thing.is_node():
        return thing.location.lon, thing.location.lat, 0.0
    ring = [(n.lon, n.lat) for n in thing.nodes if n.location.valid()]
    if len(ring) < 3:
        return None
    lng, lat = np.array(ring).T
    area, _ = _GEOD.polygon_area_perimeter(lng, lat)
    middle = shapely.Polygon(ring).representative_point()
    return middle.x, middle.y, abs(area) / _HECTARE


def _label(thing: Any, tags: Mapping[str, str]) -> tuple[str, str, str]:
    """(osm id, name, address) of a node or way."""
    kind = "node" if thing.is_node() else "way"
    name = tags.get("name:zh") or tags.get("name") or ""
    address = tags.get("addr:full") or "".join(tags.get(k, "") for k in _ADDRESS)
    return f"{kind}/{thing.id}", name, address


def _areas(
    path: str | Path, wanted: tuple[tuple[str, str], ...], keep: list[str]
) -> gpd.GeoDataFrame:
    """Areas with one of the wanted tags: ``osm_id``, the tags to keep ("" if missing), geometry."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    path = Path(path)
    require_osm_file(path)
    tags = osmium.filter.TagFilter(*wanted)
    with readable(path):
        areas: Any = (
            osmium.FileProcessor(str(path))
            .with_areas(tags)
            .with_filter(osmium.filter.EntityFilter(osmium.osm.AREA))
            .with_filter(tags)
            .with_filter(osmium.filter.GeoInterfaceFilter())
        )
        rows = [
            (
                f"{'way' if area.from_way() else 'relation'}/{area.orig_id()}",
                *(area.tags.get(key, "") for key in keep),
                shapely.geometry.shape(area.__geo_interface__["geometry"]),
            )
            for area in areas
            if hasattr(area, "__geo_interface__")  # libosmium could close no ring: cut or broken
        ]
    table = gpd.GeoDataFrame(rows, columns=["osm_id", *keep, "geometry"], crs="EPSG:4326")
    table["geometry"] = table.geometry.make_valid()
    return table[~table.geometry.is_empty].reset_index(drop=True)


# --- demand, bit by bit ---------------------------------------------------------------------------


def _place_bits(places: pd.DataFrame) -> pd.DataFrame:
    """(proxy, amount, lng, lat) of the places; a building site drawn as a node counts 1 ha."""
    bits = places.loc[places["proxy"] != "", ["proxy", "lng", "lat"]].copy()
    by_area = bits["proxy"].map({name: p.per == "hectare" for name, p in PROXIES.items()})
    hectares = places.loc[bits.index, "hectares"]
    bits["amount"] = np.where(by_area & (hectares > 0), hectares, 1.0)
    return bits


def _street_bits(network: WalkNetwork) -> pd.DataFrame:
    """(proxy, amount in km, lng, lat) of all streets, cut into bits of at most 10 m."""
    begin, _ = network.segments
    classes = network.ways["highway"].map(street_proxy_of)
    proxy = network.vertex_way[begin]
    name = classes.reindex(proxy).to_numpy(object)
    begin, name = begin[pd.notna(name)], name[pd.notna(name)]
    metres = network.vertex_offset[begin + 1] - network.vertex_offset[begin]
    pieces = np.maximum(1, np.ceil(metres / _STEP_M)).astype(np.int64)
    at = np.repeat(begin, pieces)
    number = np.arange(len(at)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    t = (number + 0.5) / np.repeat(pieces, pieces)

    def between(values: Floats) -> Floats:
        return np.asarray(values[at] + t * (values[at + 1] - values[at]))

    return pd.DataFrame(
        {
            "proxy": np.repeat(name, pieces),
            "amount": np.repeat(metres / 1000 / pieces, pieces),
            "lng": between(network.vertex_lng),
            "lat": between(network.vertex_lat),
        }
    )


def _cells(bits: pd.DataFrame, network: WalkNetwork, cell_m: float) -> gpd.GeoDataFrame:
    x, y = network.plane.transform(bits["lng"].to_numpy(), bits["lat"].to_numpy())
    column, row = (np.floor(np.asarray(v) / cell_m).astype(np.int64) for v in (x, y))
    weight = bits["weight"].to_numpy(float)
    group = bits["proxy"].map({name: p.group for name, p in PROXIES.items()}).to_numpy(object)
    cells, cell = np.unique(np.column_stack([row, column]), axis=0, return_inverse=True)

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(cell.ravel(), values, len(cells)), float)

    whole = total(weight)
    table = pd.DataFrame(
        {
            "demand_id": _cell_ids(cells),
            "lng": total(weight * bits["lng"].to_numpy(float)) / whole,
            "lat": total(weight * bits["lat"].to_numpy(float)) / whole,
            "weight": whole,
            "district": "",
            "group": "",
            "minutes": np.nan,
            **{name: total(np.where(group == name, weight, 0.0)) for name in GROUPS},
        }
    )
    points = gpd.points_from_xy(table["lng"], table["lat"])
    return gpd.GeoDataFrame(table, geometry=points, crs="EPSG:4326")


def _cell_ids(cells: Ints) -> list[str]:
    """Names such as ``r012c034``, counted from the south-west corner."""
    low = cells.min(axis=0)
    width = len(str(int((cells - low).max())))
    return [f"r{r:0{width}d}c{c:0{width}d}" for r, c in cells - low]
