"""A place's outline: asked of Nominatim through OSMnx, kept as GeoJSON, border of its demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod, Transformer

from servicecircle.errors import FetchError
from servicecircle.fetching.web import (
    LANGUAGES,
    RefusalError,
    clean,
    headers,
    host_of,
    no_answer,
    persist,
    refused_status,
    unreachable,
)
from servicecircle.steps import Progress

MAX_KM2 = 30_000.0  # larger than any city proper; a public server is the wrong source beyond
BORDER_DEGREES = 1e-9  # 0.1 mm: rounding must not put a point on the border outside
_MAX_VERTICES, _MAX_RINGS = 200, 30  # of one polygon, of one query
_ROUNDING_M = 25.0  # how closely the first try follows the border
_GEOD = Geod(ellps="WGS84")
_SETTINGS = threading.Lock()  # OSMnx's settings are global

Ring = list[tuple[float, float]]  # (lng, lat) in degrees


@dataclass(frozen=True)
class Outline:
    """A place as geocoded: its (Multi)Polygon in EPSG:4326, and what the geocoder says of it.

    ``about``: ``display_name``, ``osm_type``, ``osm_id``.
    """

    shape: Any
    about: dict[str, Any]


def geocode(place: str, url: str, *, timeout: float, tell: Progress) -> Outline:
    """The outline of the best match for ``place`` that has one, from the Nominatim at ``url``.

    Raises `FetchError` when there is none, or no usable answer.
    """

    def once() -> Outline:
        tell("geocode", None)
        return _geocode_once(place, url, timeout)

    return persist(once, tell=tell)


def read_outline(path: str | Path) -> Outline:
    """The outline that a GeoJSON file holds: all of its areas. Raises `FetchError`."""
    try:
        features = json.loads(Path(path).read_text(encoding="utf-8-sig"))["features"]
        shapes = [shapely.geometry.shape(feature["geometry"]) for feature in features]
        return Outline(
            _polygons(shapely.GeometryCollection(shapes)), features[0]["properties"] or {}
        )
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        shapely.GEOSException,
    ) as e:
        raise FetchError(
            f"{path}：边界文件读不了（{clean(str(e))}）。要有面的 GeoJSON（WGS-84 经纬度）；"
            "按地名下载的，请用 servicecircle fetch --refresh 重新下载。",
            f"{path}: the outline cannot be read ({clean(str(e))}). It must be GeoJSON with "
            "polygons, in WGS-84 degrees; if it was fetched, fetch it again: "
            "`servicecircle fetch --refresh`.",
        ) from e


def write_outline(path: Path, outline: Outline) -> None:
    """Write an outline as a GeoJSON FeatureCollection of one feature, ``about`` as properties."""
    geometry = shapely.geometry.mapping(outline.shape)
    feature = {"type": "Feature", "properties": outline.about, "geometry": geometry}
    whole = {"type": "FeatureCollection", "features": [feature]}
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def inside(outline: str | Path, lng: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Whether points (degrees, broadcast) lie in the outline of a GeoJSON file, border included.

    NaN is never inside. Raises `FetchError` when the outline cannot be read.
    """
    shape = read_outline(outline).shape
    shapely.prepare(shape)
    x, y = np.broadcast_arrays(np.asarray(lng, float), np.asarray(lat, float))
    somewhere = np.isfinite(x) & np.isfinite(y)
    within = np.zeros(x.shape, bool)
    points = shapely.points(x[somewhere], y[somewhere])
    within[somewhere] = shapely.dwithin(shape, points, BORDER_DEGREES)
    return within


def area_around(shape: Any, margin_m: float) -> list[Ring]:
    """Closed rings (EPSG:4326) of polygons that hold the shape and ``margin_m`` metres around it.

    Each has a bounded number of vertices and may reach somewhat farther; holes are filled. Raises
    `FetchError` when the area is too large for a server, or lies across the 180th meridian.
    """
    whole = shapely.union_all([_buffered(part, margin_m) for part in shapely.get_parts(shape)])
    if len(shapely.get_parts(whole)) > _MAX_RINGS:
        whole = whole.convex_hull
    rings = [shapely.Polygon(part.exterior) for part in shapely.get_parts(whole)]
    km2 = sum(abs(_GEOD.geometry_area_perimeter(ring)[0]) for ring in rings) / 1e6
    if km2 > MAX_KM2:
        raise FetchError(
            f"这个地方连同外扩共 {km2:,.0f} 平方公里，太大了（最多 {MAX_KM2:,.0f}）。请换一个较小的"
            "地方，或下载 Geofabrik 的文件截取后用 --osm。",
            f"with its margin the place has {km2:,.0f} km², too many (at most {MAX_KM2:,.0f}). "
            "Choose a smaller one, or cut it out of a Geofabrik extract and use --osm.",
        )
    return [[(float(x), float(y)) for x, y in ring.exterior.coords] for ring in rings]


# --- geometry -------------------------------------------------------------------------------------


def _buffered(part: Any, margin_m: float) -> Any:
    """A polygon's outer ring with a margin, in degrees; measured in a plane around its middle."""
    middle = part.envelope.centroid
    plane = Transformer.from_crs(
        "EPSG:4326",
        f"+proj=aeqd +lat_0={middle.y} +lon_0={middle.x} +ellps=WGS84 +units=m",
        always_xy=True,
    )
    flat = shapely.transform(
        shapely.Polygon(part.exterior), lambda p: np.column_stack(plane.transform(p[:, 0], p[:, 1]))
    )
    slack = _ROUNDING_M
    while True:
        # simplifying moves a border by at most the slack, twice; the margin makes up for it
        ring = flat.simplify(slack).buffer(margin_m + 2 * slack).simplify(slack)
        if ring.geom_type != "Polygon":
            ring = ring.convex_hull
        if len(ring.exterior.coords) <= _MAX_VERTICES:
            break
        slack *= 2
    back = shapely.transform(
        shapely.Polygon(ring.exterior),
        lambda p: np.column_stack(plane.transform(p[:, 0], p[:, 1], direction="INVERSE")),
    )
    lng = shapely.get_coordinates(back)[:, 0]
    if not np.isfinite(lng).all() or np.ptp(lng) > 180:
        raise FetchError(
            "这个地方跨越 180° 经线，无法按地名下载。请用 --osm 给出 OSM 文件。",
            "the place lies across the 180th meridian and cannot be fetched by name. Hand in an "
            "OSM file with --osm.",
        )
    return back


def _polygons(shape: Any) -> Any:
    """The areas of a shape, made valid, as one (Multi)Polygon. Raises ValueError if it has none."""
    if not shapely.is_valid(shape):
        shape = shapely.make_valid(shape)
    parts = shapely.get_parts(shapely.get_parts(shape))
    areas = [shapely.force_2d(p) for p in parts if p.geom_type == "Polygon" and not p.is_empty]
    if not areas:
        raise ValueError("no area")
    whole = shapely.union_all(areas)
    west, south, east, north = whole.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError("no degrees")
    return whole


# --- Nominatim ------------------------------------------------------------------------------------


def _geocode_once(place: str, url: str, timeout: float) -> Outline:
    import requests  # noqa: PLC0415 (comes with osmnx; only fetching needs them)
    from osmnx import geocoder  # noqa: PLC0415
    from osmnx._errors import InsufficientResponseError  # noqa: PLC0415

    try:
        with _osmnx_asks(url, timeout):
            row = geocoder.geocode_to_gdf(place).iloc[0]
        return Outline(_polygons(row.geometry), _about(row))
    except InsufficientResponseError as error:
        raise _nothing_found(place) from error
    except requests.exceptions.Timeout as error:
        raise no_answer(url, timeout) from error
    except requests.exceptions.RequestException as error:
        raise unreachable(url, error, again=False) from error
    except TypeError as error:  # so OSMnx says that no result has an area
        raise _only_a_point(place) from error
    except (ValueError, LookupError, AttributeError, shapely.GEOSException) as error:
        raise _not_nominatim(url, f"{type(error).__name__}: {error}") from error


@contextmanager
def _osmnx_asks(url: str, timeout: float) -> Iterator[None]:
    """OSMnx's settings, for the time of one question: our server, no cache beside ours.

    OSMnx itself would answer a busy server by asking again every minute, without end; the hook
    raises first.
    """
    from osmnx import settings  # noqa: PLC0415

    def hook(response: Any, *_: Any, **__: Any) -> None:
        _require_nominatim_answer(response, url)

    ours = headers()
    wanted = {
        "nominatim_url": url,
        "requests_timeout": timeout,
        "requests_kwargs": {**settings.requests_kwargs, "hooks": {"response": hook}},
        "use_cache": False,
        "http_user_agent": ours["User-Agent"],
        "http_referer": ours["User-Agent"],
        "http_accept_language": LANGUAGES,
    }
    with _SETTINGS:
        before = {key: getattr(settings, key) for key in wanted}
        try:
            for key, value in wanted.items():
                setattr(settings, key, value)
            yield
        finally:
            for key, value in before.items():
                setattr(settings, key, value)


def _require_nominatim_answer(response: Any, url: str) -> None:
    """Raise `RefusalError` unless a response is a redirect, or a list of results in JSON."""
    if response.is_redirect:
        return
    kind = response.headers.get("Content-Type", "").lower()
    if response.status_code != 200:
        wait = response.headers.get("Retry-After")
        raise refused_status(url, response.status_code, wait, response.content, content_type=kind)
    try:
        said = response.json()
    except (ValueError, RecursionError) as error:
        raise _not_nominatim(url, f"{kind}: {response.text[:100]}") from error
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
        raise _not_nominatim(url, response.text[:100])


def _about(row: Any) -> dict[str, Any]:
    osm_id = str(row.get("osm_id", ""))
    return {
        "display_name": clean(str(row.get("display_name", "")), 300),
        "osm_type": clean(str(row.get("osm_type", "")), 20),
        "osm_id": int(osm_id) if osm_id.isdigit() else None,
    }


def _nothing_found(place: str) -> RefusalError:
    return RefusalError(
        f"找不到“{clean(place, 60)}”。请写出完整的行政区名，如“青海省西宁市城东区”，"
        "或用 --osm 给出 OSM 文件。",
        f"there is no “{clean(place, 60)}” on the map. Write its full name, such as “Helsinki, "
        "Finland”, or hand in an OSM file with --osm.",
    )


def _only_a_point(place: str) -> RefusalError:
    return RefusalError(
        f"地图上的“{clean(place, 60)}”只是一个点，没有范围。请写行政区的名称，"
        "或用 --osm 给出 OSM 文件。",
        f"on the map “{clean(place, 60)}” is a point without an outline. Name the administrative "
        "area, or hand in an OSM file with --osm.",
    )


def _not_nominatim(url: str, said: str) -> RefusalError:
    return RefusalError(
        f"{host_of(url)} 的回答不是 Nominatim 的结果（{clean(said)}）。"
        "请检查 Nominatim 服务器地址。",
        f"{host_of(url)} did not answer as Nominatim does ({clean(said)}). Check the address of "
        "the Nominatim server.",
    )
