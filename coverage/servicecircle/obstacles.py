"""Obstacles out of OSM: what nobody crosses between a door and the street.

Which tags make an obstacle is data: `KINDS`. What runs in a tunnel, under a roof or on a bridge
stops nobody; the street's own crossing, bridge or underpass is part of the network, and no leg.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import shapely

from servicecircle.errors import Note, ScenarioError
from servicecircle.places import WATER_TAGS
from servicecircle.streets.contraction import GEOD
from servicecircle.streets.osm_file import readable, require_osm_file

POND_M2 = 1000.0  # water smaller than this (0.1 ha) is walked around in a few steps
_ABSENT = frozenset({"", "no"})
_GONE = ("abandoned", "disused", "razed", "demolished", "dismantled", "proposed", "construction")


class Kind(NamedTuple):
    """A kind of obstacle: its names, and the (key, value) tags of its lines and of its areas."""

    zh: str
    en: str
    lines: tuple[tuple[str, str], ...]
    areas: tuple[tuple[str, str], ...] = ()


#: No streams or ditches, which are stepped over; no trams, whose rails lie in the street.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "water": Kind(
            "水域",
            "water",
            (("waterway", "river"), ("waterway", "canal"), ("natural", "coastline")),
            (*WATER_TAGS, ("waterway", "dock")),
        ),
        "railway": Kind(
            "铁路",
            "railways",
            tuple(
                ("railway", value)
                for value in (
                    "rail", "light_rail", "subway", "narrow_gauge", "funicular", "preserved",
                )
            ),
        ),
        "motorway": Kind(
            "高速公路",
            "motorways",
            (("highway", "motorway"), ("highway", "motorway_link"), ("motorroad", "yes")),
        ),
    }
)  # fmt: skip


def read_obstacles(path: str | Path, kinds: Collection[str]) -> gpd.GeoDataFrame:
    """Obstacles of an OSM file, EPSG:4326: columns ``kind`` (a name in `KINDS`), ``geometry``.

    Lines, and for water (Multi)Polygons of at least `POND_M2`, areas that touch counted as one.
    Lines break where an extract cuts them; areas that it cuts open are left out (a river's middle
    line still stands). Without an obstacle there is no row. Raises `ScenarioError` for a kind
    that nobody knows, `NetworkError` when the file is missing or damaged.
    """
    path = Path(path)
    _require_known(kinds)
    require_osm_file(path)
    found = [*_read(path, [kind for kind in KINDS if kind in kinds])] if kinds else []
    lines = [(kind, shape) for kind, shape in found if shape.geom_type == "LineString"]
    areas = [shape for _, shape in found if shape.geom_type != "LineString"]
    rows = [*lines, *(("water", shape) for shape in _wide(areas))]
    shapes = gpd.GeoSeries([shape for _, shape in rows], crs="EPSG:4326")
    return gpd.GeoDataFrame({"kind": [kind for kind, _ in rows]}, geometry=shapes, crs="EPSG:4326")


def idle_kinds(kinds: Collection[str], obstacles: gpd.GeoDataFrame) -> list[Note]:
    """A note for each kind asked for of which the file shows nothing."""
    return [
        (
            f"legs_avoid：OSM 文件里没有{KINDS[kind].zh}，这一条不起作用。",
            f"legs_avoid: the OSM file shows no {KINDS[kind].en}, so this changes nothing.",
        )
        for kind in sorted(set(kinds) - set(obstacles["kind"]))
    ]


def stops(tags: Mapping[str, str], kind: str) -> bool:
    """Whether a line or area with these tags of an obstacle of ``kind`` stops walkers."""
    if any(tags.get(key, "") not in _ABSENT for key in ("tunnel", "bridge", "covered")):
        return False
    if tags.get("location") == "underground" or any(tags.get(k) == "yes" for k in _GONE):
        return False
    # a subway below the ground does not always have its tunnel drawn
    below = tags.get("railway") == "subway" and tags.get("layer", "").startswith("-")
    embedded = kind == "railway" and tags.get("embedded_rails", "") not in _ABSENT
    return not (below or embedded)


def _require_known(kinds: Collection[str]) -> None:
    for kind in kinds:
        if kind not in KINDS:
            names = ", ".join(KINDS)
            raise ScenarioError(
                f"不认识的障碍“{kind}”：可用 {names}。",
                f"no such kind of obstacle: “{kind}”; there are {names}.",
            )


def _read(path: Path, kinds: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(kind, LineString or MultiPolygon) of everything that stops walkers."""
    import osmium  # noqa: PLC0415 (only readers of OSM files need it)

    of_line = {tag: kind for kind in kinds for tag in KINDS[kind].lines}
    of_area = {tag: kind for kind in kinds for tag in KINDS[kind].areas}
    with readable(path):
        things: Any = osmium.FileProcessor(str(path))
        if of_area:
            things = things.with_areas(osmium.filter.TagFilter(*of_area))
        shape_areas = osmium.filter.GeoInterfaceFilter()
        shape_areas.enable_for(osmium.osm.AREA)
        things = (
            things.with_locations()
            .with_filter(osmium.filter.EntityFilter(osmium.osm.WAY | osmium.osm.AREA))
            .with_filter(osmium.filter.TagFilter(*of_line, *of_area))
            .with_filter(shape_areas)
        )
        for thing in things:
            tags = dict(thing.tags)
            known = of_area if thing.is_area() else of_line
            kind = next((known[tag] for tag in tags.items() if tag in known), None)
            if kind is None or not stops(tags, kind):
                continue
            for shape in _area(thing) if thing.is_area() else _lines(thing):
                yield kind, shape


def _area(thing: Any) -> Iterator[Any]:
    if hasattr(thing, "__geo_interface__"):  # else libosmium could close no ring: cut or broken
        yield shapely.geometry.shape(thing.__geo_interface__["geometry"])


def _lines(way: Any) -> Iterator[Any]:
    """The runs of a way's nodes that the file holds."""
    run: list[tuple[float, float]] = []
    for node in [*way.nodes, None]:
        if node is not None and node.location.valid():
            run.append((node.lon, node.lat))
            continue
        if len(run) > 1:
            yield shapely.LineString(run)
        run = []


def _wide(areas: Sequence[Any]) -> list[Any]:
    """The areas, dissolved, without ponds."""
    if not areas:
        return []
    parts = shapely.get_parts(shapely.union_all(shapely.make_valid(np.array(areas, object))))
    parts = shapely.orient_polygons(parts[shapely.get_dimensions(parts) == 2])
    return [part for part in parts if abs(GEOD.geometry_area_perimeter(part)[0]) >= POND_M2]
