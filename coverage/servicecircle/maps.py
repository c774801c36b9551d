"""A plan as a map: one HTML file that opens with the network cut off.

Streets, water, demand and unchosen sites are images; only stations, the best unchosen sites,
service circles and district outlines are vectors. Nothing is fetched: Leaflet is inlined, there
is no tile layer, and a content policy in the page forbids every request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import folium
import geopandas as gpd
import numpy as np
import shapely
from branca.element import Figure
from folium.map import Layer
from folium.utilities import JsCode
from numpy.typing import NDArray

from servicecircle import map_images, map_layers, map_panel, map_stations
from servicecircle.map_images import Colour, DotClass
from servicecircle.map_layers import Picture, Raw, Shapes, Stations, safe
from servicecircle.map_panel import (
    BLUE,
    DARK,
    GREEN,
    LIGHT_BLUE,
    ORANGE,
    SITE_COLOUR,
    both,
    dot,
    icon,
    patch,
)
from servicecircle.plan import Plan
from servicecircle.plan_circles import circles_of, geojson
from servicecircle.scenario import OSM_ATTRIBUTION

SIMPLIFY_M = 5.0
NEAR = 0.02  # degrees, some 2 km: an unsnapped point so near the streets is drawn
_CIRCLES = {"today": ("现有", "today", BLUE, "6 4"), "plan": ("规划", "plan", GREEN, "")}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_LICENCE_PAGE = "https://www.openstreetmap.org/copyright"


def map_html(plan: Plan) -> str:
    """One self-contained HTML page of a plan; the same plan gives the same text."""
    root = _page(plan_map(plan))
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    root.header.add_child(Raw(policy), name="policy", index=1)
    map_layers.number_elements(root)
    page: str = root.render()
    return page.replace("<html>", '<html lang="zh-CN">', 1)


def plan_map(plan: Plan, *, water: gpd.GeoDataFrame | None = None) -> folium.Map:
    """The map of a plan, for a notebook or for more layers.

    ``water`` (polygons, EPSG:4326) is read from the network's OSM file where it is not given.
    """
    frame = _frame(plan)
    result = _bare_map(plan, frame)
    circles = plan.circles if water is None else circles_of(plan, water)
    water = plan.water if water is None else water
    kinds = _demand_kinds(plan)
    new = map_stations.records(plan, "new")
    for layer in (
        *_ground(plan, frame, water),
        *_circles(plan, circles),
        *_dot_layers(plan, frame, kinds),
        *_districts(plan),
        *_station_layers(plan, new),
    ):
        layer.add_to(result)
    control = folium.LayerControl()
    control.options = {**control.options, "collapsed": JsCode("window.innerWidth < 1600")}  # type: ignore[dict-item]
    control.add_to(result)
    legend = [(dot(k.shape, k.colour), k.name) for k in kinds]
    out = sum(int((~frame.holds(t["lng"], t["lat"])).sum()) for t in (plan.demand, plan.sites))
    root = _page(result)
    root.html.add_child(Raw(map_panel.panel(plan, legend, new, out)), name="panel")
    map_layers.Wiring().add_to(result)
    return result


# --- where, and on what ground --------------------------------------------------------------------


def _frame(plan: Plan) -> map_images.Frame:
    """Around all demand and sites; an unsnapped point far from every street does not stretch it."""
    west, south, east, north = np.add(plan.network.bounds, [-NEAR, -NEAR, NEAR, NEAR])
    lngs, lats = [], []
    for table in (plan.demand, plan.sites):
        lng, lat = np.asarray(table["lng"], float), np.asarray(table["lat"], float)
        near = (lng >= west) & (lng <= east) & (lat >= south) & (lat <= north)
        shown = near | np.asarray(table["snapped"], bool)
        lngs.append(lng[shown])
        lats.append(lat[shown])
    lng, lat = np.concatenate(lngs), np.concatenate(lats)
    if not len(lng):
        lng, lat = np.array([west, east]), np.array([south, north])
    return map_images.Frame.around(lng, lat)


def _view(plan: Plan, frame: map_images.Frame) -> list[list[float]]:
    """What is seen first: the demand, or everything where there is none inside."""
    lng, lat = np.asarray(plan.demand["lng"], float), np.asarray(plan.demand["lat"], float)
    inside = frame.holds(lng, lat)
    if inside.sum() < 2:
        return frame.bounds
    low, high = (f(np.column_stack([lat, lng])[inside], axis=0) for f in (np.min, np.max))
    return [low.tolist(), high.tolist()]


def _page(result: folium.Map) -> Figure:
    root = result.get_root()
    assert isinstance(root, Figure)  # folium.Map puts itself into one
    return root


def _bare_map(plan: Plan, frame: map_images.Frame) -> folium.Map:
    (south, west), (north, east) = frame.bounds
    result = folium.Map(
        [(south + north) / 2, (west + east) / 2],
        tiles=None, zoom_control=False, max_zoom=19, min_zoom=3, zoom_snap=0.25, zoom_delta=0.5,
        wheel_px_per_zoom_level=120,
    )  # fmt: skip
    result.default_js, result.default_css = [], []  # nothing from a CDN
    root = _page(result)
    root.title = safe(plan.scenario.title)
    root.header.add_child(Raw(map_layers.inlined_leaflet()), name="leaflet")
    root.header.add_child(Raw(f"<style>{map_panel.STYLE}</style>"), name="style")
    map_layers.Fittings(_attribution(plan), _view(plan, frame)).add_to(result)
    return result


def _attribution(plan: Plan) -> str:
    """Whose the streets are; OpenStreetMap's name leads to its licence."""
    owner = plan.scenario.network.attribution
    if owner != OSM_ATTRIBUTION:
        return safe(owner)
    return f'<a href="{_LICENCE_PAGE}" rel="noopener">{safe(owner)}</a>'


def _ground(plan: Plan, frame: map_images.Frame, water: gpd.GeoDataFrame | None) -> list[Layer]:
    layers: list[Layer] = []
    address = None if water is None else map_images.water_png(frame, water)
    if address:
        layers.append(Picture(address, frame.bounds, "water", both("水面", "water")))
    streets = map_images.streets_png(frame, plan.network)
    layers.append(Picture(streets, frame.bounds, "streets", both("步行道路", "walkable streets")))
    return layers


# --- circles, districts ---------------------------------------------------------------------------


def _circles(plan: Plan, circles: gpd.GeoDataFrame) -> list[Layer]:
    """Today's and the plan's circles, per standard; only those of the main standard are shown."""
    layers: list[Layer] = []
    for row in circles.itertuples():
        zh, en, colour, dashes = _CIRCLES[row.set]
        opacity = 0.16 if row.main else 0.08
        style = {
            "color": colour, "weight": 2 if row.main else 1.5, "dashArray": dashes or None,
            "fillColor": colour, "fillOpacity": opacity,
        }  # fmt: skip
        name = both(f"{zh} {row.minutes:g} 分钟服务圈", f"{en}, {row.minutes:g} min")
        swatch = patch(colour, colour, opacity=1.5 * opacity, dashes=dashes)
        data = geojson(plan.network, row.geometry, SIMPLIFY_M)
        layers.append(Shapes(data, style, "circles", f"{swatch} {name}", show=bool(row.main)))
    return layers


def _districts(plan: Plan) -> list[Layer]:
    """Outlines with name and covered share."""
    if plan.districts is None or not len(plan.districts):
        return []
    shares = {row["district"]: row["covered_share"] for row in plan.district_table()}
    labels = []
    for name, shape in zip(plan.districts["district"], plan.districts.geometry, strict=True):
        at = label_point(shape)
        share = shares.get(name)
        text = safe(name) if share is None else f"{safe(name)} {share:.1%}"
        labels.append(([at.y, at.x], f"<span>{text}</span>"))
    outlines = shapely.GeometryCollection(list(plan.districts.geometry))
    style = {"color": "#4b2a6b", "weight": 2, "dashArray": "8 3 2 3", "fill": False}
    swatch = patch("none", "#4b2a6b", dashes="8 3 2 3")
    name = f"{swatch} {both('区县与覆盖率', 'districts, covered share')}"
    data = geojson(plan.network, outlines, SIMPLIFY_M)
    return [Shapes(data, style, "districts", name, labels=labels)]


def label_point(shape: Any) -> shapely.Point:
    """Near a district's upper edge, on its widest part there, clear of the stations inside."""
    west, south, east, north = shape.bounds
    y = north - 0.12 * (north - south)
    across = shapely.intersection(shape, shapely.LineString([(west, y), (east, y)]))
    parts = shapely.get_parts(across)
    if not len(parts):
        return shape.representative_point()
    return parts[np.argmax(shapely.length(parts))].centroid


# --- dots -----------------------------------------------------------------------------------------


class DemandKind(NamedTuple):
    """Which demand points, how they are drawn, and their HTML name."""

    which: NDArray[np.bool_]
    shape: str
    colour: str
    name: str


def _rgb(colour: str) -> Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _demand_kinds(plan: Plan) -> list[DemandKind]:
    """The kinds of demand points, the later drawn on top."""
    covered = plan.times_covered > 0
    before = plan.times_covered_by(plan.existing) > 0
    hopeless = ~covered & ~(plan.reachable & np.asarray(plan.demand["snapped"], bool))
    return [
        DemandKind(covered & before, "disc", LIGHT_BLUE, both("现有站点已覆盖", "covered today")),
        DemandKind(covered & ~before, "disc", GREEN, both("规划后新覆盖", "newly covered")),
        DemandKind(~covered & ~hopeless, "diamond", ORANGE, both("未覆盖", "not covered")),
        DemandKind(hopeless, "cross", DARK, both("无站可达或离路过远", "beyond every site")),
    ]


def _dot_layers(plan: Plan, frame: map_images.Frame, kinds: Sequence[DemandKind]) -> list[Layer]:
    layers: list[Layer] = []
    rest = np.ones(len(plan.sites), bool)
    rest[plan.chosen] = False
    if rest.any():
        one = DotClass(rest, "disc", _rgb(SITE_COLOUR), 0.7, scale=0.6)
        image = _dots(frame, plan.sites, np.ones(len(rest)), [one])
        name = f"{dot('disc', SITE_COLOUR)} {both('未入选备选点', 'sites not chosen')}"
        layers.append(Picture(image, frame.bounds, "sites", name))
    classes = [DotClass(k.which, k.shape, _rgb(k.colour)) for k in kinds]
    image = _dots(frame, plan.demand, plan.weight, classes)
    layers.append(Picture(image, frame.bounds, "demand", both("需求点", "demand points")))
    return layers


def _dots(
    frame: map_images.Frame, table: gpd.GeoDataFrame, weight: NDArray, classes: list[DotClass]
) -> str:
    lng, lat = np.asarray(table["lng"], float), np.asarray(table["lat"], float)
    return map_images.dots_png(frame, lng, lat, weight, classes)


# --- stations -------------------------------------------------------------------------------------


def _station_layers(plan: Plan, new: list[dict[str, Any]]) -> list[Layer]:
    named: tuple[tuple[map_stations.Kind, list | None, str, str], ...] = (
        ("rejected", None, icon("rejected", "1", 16), both("未入选前几名", "best not chosen")),
        ("closed", None, icon("closed", size=16), both("已关闭站点", "closed stations")),
        ("existing", None, icon("existing", "E", 16), both("已建站点", "existing stations")),
        ("new", new, icon("new", "1", 16), both("新建站点", "new stations")),
    )
    layers: list[Layer] = []
    for kind, known, sign, name in named:
        records = map_stations.records(plan, kind) if known is None else known
        if records:
            layers.append(Stations(records, f"{sign} {name}"))
    return layers
