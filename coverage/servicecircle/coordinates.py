"""The datums of Chinese maps: WGS-84, GCJ-02 (Gaode, Tencent), BD-09 and its metre grid (Baidu).

Longitude before latitude everywhere, degrees, floats or numpy arrays of one shape; floats in,
floats out. Inputs are never changed, NaN passes through, unequal shapes raise ``ValueError``.
BD09MC is in metres. Inverses iterate on their own forward formula, to better than 1e-9 degrees.

``area`` says where the shift between WGS-84 and the other two applies. It is decided **once per
call** (one call is one table or one layer), never point by point, so that a street along the
border is not torn apart:

* ``"mainland"``: applies when most of the finite points lie inside the mainland's outline
  (without Hong Kong, Macau and Taiwan); otherwise every point stays untouched;
* ``"all"``: always applies; ``"none"``: never.

Formulas: GCJ-02 as published by "emq" (2010) and checked against Gaode's documented example;
BD-09's polar form and the LL2MC polynomials of Baidu's own map script.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AREAS",
    "DATUMS",
    "bd09_to_bd09mc",
    "bd09_to_gcj02",
    "bd09_to_wgs84",
    "bd09mc_to_bd09",
    "from_wgs84",
    "gcj02_to_bd09",
    "gcj02_to_wgs84",
    "inside_mainland",
    "shift_applies",
    "to_wgs84",
    "wgs84_to_bd09",
    "wgs84_to_gcj02",
]

DATUMS = ("wgs84", "gcj02", "bd09")
AREAS = ("mainland", "all", "none")

Numbers = TypeVar("Numbers", float, NDArray[np.float64])
_Array = NDArray[np.float64]
_Pair = tuple[_Array, _Array]
_Step = Callable[[_Array, _Array], _Pair]

GCJ_SEMI_MAJOR_AXIS_M = 6_378_245.0  # Krasovsky 1940
GCJ_ECCENTRICITY_SQUARED = 0.00669342162296594323
BD_ANGLE = np.pi * 3000.0 / 180.0
BD_OFFSET_LNG_DEG, BD_OFFSET_LAT_DEG = 0.0065, 0.006
CONVERGED_DEG = 1e-13
BLOCK = 1 << 13  # points at a time: what a step makes of them stays in the processor's cache
MAX_ITERATIONS = 60  # 5 to 8 are used; the rest is for points near the poles

# Baidu's LL2MC. A row is a latitude band, from `BAND_FROM_DEG[i]` up to the next one:
# x = row[0] + row[1]·|lng|, y = Σ row[2 + k]·(|lat| / row[9])^k for k = 0 … 6, each with its sign.
# The sixth band of the script, from 75°, is left out: as published its y jumps by 33,000 km at 75°
# and falls from there (coefficients of 10^16 that cancel), and Baidu's maps end at 74°.
BAND_FROM_DEG = np.array([0.0, 15.0, 30.0, 45.0, 60.0])
BANDS_END_DEG = 75.0
# fmt: off
LL2MC = np.array([
    [-0.0003218135878613132, 111320.7020701615, 0.00369383431289, 823725.6402795718,
     0.46104986909093, 2351.343141331292, 1.58060784298199, 8.77738589078284,
     0.37238884252424, 7.45],
    [-0.0003441963504368392, 111320.7020576856, 278.2353980772752, 2485758.690035394,
     6070.750963243378, 54821.18345352118, 9540.606633304236, -2710.55326746645,
     1405.483844121726, 22.5],
    [0.00220636496208, 111320.7020209128, 51751.86112841131, 3796837.749470245,
     992013.7397791013, -1221952.21711287, 1340652.697009075, -620943.6990984312,
     144416.9293806241, 37.5],
    [0.00337398766765, 111320.7020202162, 4481351.045890365, -23393751.19931662,
     79682215.47186455, -115964993.2797253, 97236711.15602145, -43661946.33752821,
     8477230.501135234, 52.5],
    [0.0008277824516172526, 111320.7020463578, 647795574.6671607, -4082003173.641316,
     10774905663.51142, -15171875531.51559, 12053065338.62167, -5124939663.577472,
     913311935.9512032, 67.5],
])

# Where the shift is in force: an outline of that, to a few kilometres, and of nothing else (it
# says nothing about borders). Inland: Natural Earth 1:110m (public domain) thinned, and bent
# between the towns that face each other; at sea: drawn offshore, with notches for Hong Kong,
# Macau, Kinmen, Matsu and Wuqiu. The islands south of Hainan are outside. WGS-84: lng, lat.
MAINLAND_OUTLINE = np.array([
    # up the Yalu and down the Tumen
    (124.15, 39.80), (124.36, 40.06), (124.42, 40.13), (124.75, 40.37), (125.03, 40.53),
    (125.65, 40.85), (126.02, 40.98), (126.19, 41.10), (126.30, 41.16), (126.51, 41.37),
    (126.91, 41.79), (127.20, 41.51), (127.90, 41.43), (128.22, 41.41), (128.30, 41.60),
    (128.05, 42.00), (128.95, 42.03), (129.35, 42.44), (129.75, 42.60), (129.85, 42.955),
    (129.98, 43.01), (130.14, 42.90), (130.25, 42.72), (130.45, 42.58), (130.64, 42.42),
    # up the Ussuri, up the Amur
    (130.55, 42.55), (130.60, 42.80), (131.03, 42.86), (131.12, 42.93), (131.30, 43.50),
    (131.29, 44.05), (131.25, 44.40), (131.00, 44.85), (131.47, 44.97), (131.88, 45.32),
    (133.10, 45.10), (133.44, 45.60), (133.52, 45.84), (133.71, 45.97), (133.73, 46.14),
    (133.90, 46.37), (133.89, 46.50), (134.04, 46.71), (134.14, 47.07), (134.19, 47.30),
    (134.50, 47.45), (134.76, 47.72), (134.60, 48.02), (134.70, 48.26), (134.56, 48.37),
    (134.30, 48.40), (133.84, 48.28), (133.47, 48.11), (133.14, 48.12), (132.71, 47.96),
    (132.56, 47.78), (132.15, 47.73), (131.12, 47.71), (130.95, 47.76), (130.73, 48.13),
    (130.78, 48.39), (130.57, 48.60), (130.62, 48.86), (130.45, 48.91), (130.20, 48.94),
    (129.79, 49.21), (129.50, 49.40), (129.12, 49.37), (128.71, 49.61), (128.40, 49.605),
    (128.00, 49.60), (127.69, 49.73), (127.52, 49.87), (127.52, 50.05), (127.60, 50.21),
    (127.51, 50.252), (127.38, 50.30), (127.35, 50.55), (127.20, 50.83), (126.92, 51.17),
    (126.80, 51.45), (126.70, 51.70), (126.51, 51.93), (126.39, 52.19), (126.34, 52.36),
    (126.20, 52.48), (126.03, 52.61), (126.06, 52.69), (125.87, 52.88), (125.69, 53.01),
    (125.08, 53.21), (124.81, 53.14), (124.37, 53.28), (124.15, 53.36), (123.49, 53.54),
    (122.35, 53.52),
    # Argun, Mongolia
    (121.00, 53.25), (120.18, 52.75), (120.73, 52.52), (120.74, 51.96), (120.18, 51.64),
    (119.28, 50.58), (119.29, 50.14), (117.88, 49.51), (117.32, 49.632), (116.70, 49.85),
    (116.19, 49.13), (115.49, 48.14), (115.74, 47.73), (116.31, 47.85), (117.30, 47.70),
    (118.06, 48.07), (118.87, 47.75), (119.77, 47.05), (119.66, 46.69), (118.87, 46.81),
    (117.42, 46.67), (116.72, 46.39), (115.99, 45.73), (114.46, 45.34), (113.46, 44.81),
    (112.44, 45.01), (111.87, 45.10), (111.35, 44.46), (111.67, 44.07), (111.99, 43.72),
    (111.86, 43.672), (111.13, 43.41), (110.41, 42.87), (109.24, 42.52), (107.74, 42.48),
    (106.13, 42.13), (104.96, 41.60), (104.52, 41.91), (103.31, 41.91), (101.83, 42.51),
    (100.85, 42.66), (99.52, 42.52), (97.45, 42.75), (96.35, 42.73), (95.76, 43.32),
    (95.31, 44.24), (94.69, 44.35), (93.48, 44.98), (92.13, 45.12), (90.95, 45.29),
    (90.59, 45.72), (90.97, 46.89), (90.28, 47.69), (88.85, 48.07), (88.01, 48.60),
    (87.75, 49.30), (87.36, 49.21),
    # Kazakhstan to Pakistan
    (86.60, 48.55), (85.77, 48.46), (85.65, 47.45), (85.16, 47.00), (83.10, 47.28),
    (82.86, 46.80), (82.55, 45.95), (82.35, 45.55), (82.60, 45.43), (82.58, 45.215),
    (82.30, 45.20), (81.95, 45.20), (79.88, 44.91), (80.36, 44.60), (80.40, 44.20),
    (80.36, 44.05), (80.75, 43.20), (80.18, 42.92), (80.26, 42.35), (80.12, 42.12),
    (78.54, 41.58), (78.19, 41.19), (76.90, 41.07), (76.53, 40.43), (75.47, 40.56),
    (74.78, 40.37), (73.82, 39.89), (73.93, 39.66), (73.68, 39.43), (73.93, 38.51),
    (74.26, 38.61), (74.86, 38.38), (74.83, 37.99), (74.98, 37.42), (75.16, 37.13),
    (75.43, 36.85), (75.90, 36.67), (76.19, 35.90), (77.84, 35.49), (78.91, 34.32),
    (78.81, 33.51), (79.21, 32.99), (79.18, 32.48), (78.46, 32.62), (78.74, 31.52),
    (79.72, 30.88),
    # along the Himalaya
    (81.00, 30.20), (81.25, 30.17), (81.53, 30.42), (82.33, 30.12), (83.34, 29.46),
    (83.90, 29.32), (84.23, 28.84), (85.01, 28.62), (85.18, 28.32), (85.38, 28.26),
    (85.70, 28.32), (85.85, 28.15), (85.97, 27.96), (86.10, 28.08), (86.95, 27.97),
    (88.12, 27.88), (88.73, 28.09), (88.81, 27.30), (88.95, 27.35), (89.48, 28.04),
    (90.02, 28.30), (90.73, 28.06), (91.26, 28.04), (91.70, 27.77), (92.50, 27.90),
    (93.41, 28.64), (94.57, 29.28), (95.40, 29.03), (96.12, 29.45), (96.59, 28.83),
    (96.25, 28.41), (97.33, 28.26), (97.91, 28.34), (98.25, 27.75), (98.60, 27.50),
    # Myanmar, Laos, Viet Nam
    (98.71, 26.74), (98.67, 25.92), (97.72, 25.08), (97.60, 24.70), (97.72, 24.30),
    (97.55, 23.93), (97.64, 23.87), (97.76, 23.93), (97.84, 23.97), (97.90, 23.985),
    (98.07, 24.075), (98.22, 24.11), (98.55, 24.11), (98.68, 23.97), (98.80, 23.75),
    (98.82, 23.62), (98.93, 23.40), (98.88, 23.18), (99.50, 22.95), (99.38, 22.60),
    (99.20, 22.12), (99.96, 22.04), (99.98, 21.74), (100.20, 21.45), (100.60, 21.46),
    (101.12, 21.78), (101.15, 21.56), (101.27, 21.19), (101.69, 21.16), (101.82, 21.24),
    (101.75, 21.60), (101.60, 22.25), (102.17, 22.43), (102.70, 22.70), (103.05, 22.45),
    (103.30, 22.68), (103.52, 22.59), (103.65, 22.75), (103.955, 22.505), (104.03, 22.53),
    (104.10, 22.80), (104.48, 22.82), (105.33, 23.35), (105.81, 22.98), (106.73, 22.79),
    (106.57, 22.22), (106.70, 21.975), (107.04, 21.81), (107.36, 21.60), (107.80, 21.65),
    (107.95, 21.538), (108.00, 21.535), (108.20, 21.40),
    # offshore: round Hainan to the Pearl River
    (108.60, 20.90), (108.30, 19.50), (108.40, 18.30), (109.40, 17.95), (110.30, 18.30),
    (111.20, 19.40), (111.40, 20.30), (112.50, 21.20), (113.30, 21.75), (113.50, 22.05),
    # Macau and Hong Kong stay outside
    (113.548, 22.105), (113.5465, 22.150), (113.532, 22.172), (113.5285, 22.200),
    (113.536, 22.2145), (113.552, 22.2155), (113.60, 22.225), (113.75, 22.32),
    (113.86, 22.42), (113.91, 22.455), (113.95, 22.485), (114.03, 22.503), (114.055, 22.5135),
    (114.08, 22.5285), (114.115, 22.533), (114.16, 22.552), (114.225, 22.552), (114.30, 22.548),
    (114.45, 22.565), (114.455, 22.50), (114.52, 22.42), (114.60, 22.35),
    # the coast, without Kinmen, Wuqiu and Matsu
    (115.30, 22.35), (116.60, 22.60), (117.30, 23.00), (118.10, 23.90), (118.15, 24.30),
    (118.205, 24.45), (118.28, 24.508), (118.40, 24.537), (118.48, 24.50), (118.53, 24.45),
    (118.60, 24.30), (118.98, 24.75), (119.38, 25.03), (119.95, 25.30), (119.97, 25.65),
    (119.78, 25.85), (119.82, 26.15), (119.93, 26.29), (120.02, 26.36), (120.35, 26.50),
    (120.80, 26.90), (121.40, 27.30), (121.90, 28.00), (122.60, 29.00), (123.20, 30.00),
    (123.30, 31.00), (122.60, 31.90), (122.20, 32.80), (121.20, 33.80), (120.80, 34.50),
    (121.50, 35.30), (122.90, 36.50), (123.20, 37.40), (122.50, 38.20), (123.80, 38.90),
    (124.10, 39.60),
])
# fmt: on


def wgs84_to_gcj02(
    lng: Numbers, lat: Numbers, *, area: str = "mainland"
) -> tuple[Numbers, Numbers]:
    """GCJ-02 degrees (lng, lat) of WGS-84 degrees; ``area`` as in the module's docstring."""
    return from_wgs84(lng, lat, "gcj02", area=area)


def gcj02_to_wgs84(
    lng: Numbers, lat: Numbers, *, area: str = "mainland"
) -> tuple[Numbers, Numbers]:
    """WGS-84 degrees (lng, lat) of GCJ-02 degrees: the inverse by fixed point, to 1e-9 degrees."""
    return to_wgs84(lng, lat, "gcj02", area=area)


def wgs84_to_bd09(lng: Numbers, lat: Numbers, *, area: str = "mainland") -> tuple[Numbers, Numbers]:
    """BD-09 degrees (lng, lat) of WGS-84 degrees, by way of GCJ-02.

    Where ``area`` keeps the shift away, both steps fall away: abroad, Baidu's map is WGS-84.
    """
    return from_wgs84(lng, lat, "bd09", area=area)


def bd09_to_wgs84(lng: Numbers, lat: Numbers, *, area: str = "mainland") -> tuple[Numbers, Numbers]:
    """WGS-84 degrees (lng, lat) of BD-09 degrees: the inverse by fixed point, to 1e-9 degrees."""
    return to_wgs84(lng, lat, "bd09", area=area)


def gcj02_to_bd09(lng: Numbers, lat: Numbers) -> tuple[Numbers, Numbers]:
    """BD-09 degrees (lng, lat) of GCJ-02 degrees."""
    return _applied(_gcj_to_bd, lng, lat)


def bd09_to_gcj02(lng: Numbers, lat: Numbers) -> tuple[Numbers, Numbers]:
    """GCJ-02 degrees (lng, lat) of BD-09 degrees: the inverse by fixed point, to 1e-9 degrees."""
    return _applied(_bd_to_gcj, lng, lat)


def bd09_to_bd09mc(lng: Numbers, lat: Numbers) -> tuple[Numbers, Numbers]:
    """BD09MC metres (x, y) of BD-09 degrees: Baidu's LL2MC, six bands of latitude.

    NaN from 75 degrees of latitude on, where the polynomial is void (Baidu's maps end at 74).
    """
    return _applied(_bd_to_mc, lng, lat)


def bd09mc_to_bd09(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """BD-09 degrees (lng, lat) of BD09MC metres: LL2MC itself inverted by Newton's method.

    Exact within every band. Where bands meet LL2MC leaves a gap (10 mm at 15°, 44 mm at 30°,
    0.4 m at 45°, 14.6 m at 60°): a y in it, which no point has, becomes the border's latitude.
    NaN beyond 75 degrees.
    """
    return _applied(_mc_to_bd, x, y)


def to_wgs84(
    lng: Numbers, lat: Numbers, datum: str, *, area: str = "mainland"
) -> tuple[Numbers, Numbers]:
    """WGS-84 degrees (lng, lat) of degrees in ``datum``, one of `DATUMS`.

    Whether the shift applies is judged by the WGS-84 positions behind the points, so that this is
    the inverse of `from_wgs84` up to the border. Unknown names raise ``ValueError``.
    """
    step: _Step = {"wgs84": _unchanged, "gcj02": _gcj_to_wgs, "bd09": _bd_to_wgs}[_datum(datum)]
    applies = shift_applies(lng, lat, area, datum=datum)
    return _applied(step if applies else _unchanged, lng, lat)


def from_wgs84(
    lng: Numbers, lat: Numbers, datum: str, *, area: str = "mainland"
) -> tuple[Numbers, Numbers]:
    """Degrees (lng, lat) in ``datum``, one of `DATUMS`, of WGS-84 degrees."""
    step: _Step = {"wgs84": _unchanged, "gcj02": _wgs_to_gcj, "bd09": _wgs_to_bd}[_datum(datum)]
    applies = shift_applies(lng, lat, area)
    return _applied(step if applies else _unchanged, lng, lat)


def shift_applies(lng: ArrayLike, lat: ArrayLike, area: str, *, datum: str = "wgs84") -> bool:
    """Whether ``area`` lets the shift apply to these points, taken together.

    ``datum`` is the one the degrees are in. With ``"mainland"`` more than half of the finite
    points must lie inside the outline; no finite point at all gives False.
    """
    if area not in AREAS:
        raise ValueError(f"area must be one of {', '.join(AREAS)}, not {area!r}")
    if area != "mainland":
        return area == "all"
    x, y = _arrays(lng, lat)
    finite = np.isfinite(x) & np.isfinite(y)
    back: _Step = {"wgs84": _unchanged, "gcj02": _gcj_to_wgs, "bd09": _bd_to_wgs}[_datum(datum)]
    inside = inside_mainland(*back(x[finite], y[finite]))
    return bool(2 * np.count_nonzero(inside) > inside.size)


def inside_mainland(lng: ArrayLike, lat: ArrayLike) -> NDArray[np.bool_]:
    """Which WGS-84 points lie inside the mainland's outline; same shape, NaN gives False.

    Even-odd rule along the parallel; the outline is good to a few kilometres.
    """
    x, y = _arrays(lng, lat)
    order = np.argsort(y, axis=None)  # an edge then meets a slice of the points; NaN comes last
    x_sorted, y_sorted = x.ravel()[order], y.ravel()[order]
    odd = np.zeros(y.size, dtype=bool)
    ends = np.roll(MAINLAND_OUTLINE, -1, axis=0)
    for (x0, y0), (x1, y1) in zip(MAINLAND_OUTLINE, ends, strict=True):
        first, last = np.searchsorted(y_sorted, (min(y0, y1), max(y0, y1)))
        if first < last:
            height = (y_sorted[first:last] - y0) / (y1 - y0)
            odd[first:last] ^= x_sorted[first:last] < x0 + (x1 - x0) * height
    inside = np.empty(y.size, dtype=bool)
    inside[order] = odd
    return inside.reshape(y.shape)


# --- the one core: checked arrays in, new arrays out ---------------------------------------------


def _datum(datum: str) -> str:
    if datum not in DATUMS:
        raise ValueError(f"datum must be one of {', '.join(DATUMS)}, not {datum!r}")
    return datum


def _arrays(lng: ArrayLike, lat: ArrayLike) -> _Pair:
    x, y = np.asarray(lng, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if x.shape != y.shape:
        raise ValueError(f"longitudes and latitudes differ in shape: {x.shape} and {y.shape}")
    return x, y


def _applied(step: _Step, lng: Any, lat: Any) -> tuple[Any, Any]:
    """``step`` on arrays, or on scalars with Python floats as the answer."""
    x, y = _arrays(lng, lat)
    flat_x, flat_y = x.ravel(), y.ravel()
    first, second = np.empty(x.size), np.empty(x.size)
    with np.errstate(invalid="ignore"):
        for start in range(0, x.size, BLOCK):
            part = slice(start, start + BLOCK)
            first[part], second[part] = step(flat_x[part], flat_y[part])
    if np.ndim(lng) == 0:
        return float(first[0]), float(second[0])
    return first.reshape(x.shape), second.reshape(x.shape)


def _unchanged(lng: _Array, lat: _Array) -> _Pair:
    return lng.copy(), lat.copy()


def _wgs_to_gcj(lng: _Array, lat: _Array) -> _Pair:
    x, y, pi = lng - 105.0, lat - 35.0, np.pi
    root = np.sqrt(np.abs(x))
    common = (20.0 * np.sin(6.0 * x * pi) + 20.0 * np.sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + common
    north += (20.0 * np.sin(y * pi) + 40.0 * np.sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * pi) + 320.0 * np.sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + common
    east += (20.0 * np.sin(x * pi) + 40.0 * np.sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * pi) + 300.0 * np.sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi, a, ee = np.radians(lat), GCJ_SEMI_MAJOR_AXIS_M, GCJ_ECCENTRICITY_SQUARED
    w = 1.0 - ee * np.sin(phi) ** 2
    root_w = np.sqrt(w)
    meridian_radius, parallel_radius = a * (1.0 - ee) / (w * root_w), a / root_w * np.cos(phi)
    return lng + np.degrees(east / parallel_radius), lat + np.degrees(north / meridian_radius)


def _gcj_to_bd(lng: _Array, lat: _Array) -> _Pair:
    radius = np.hypot(lng, lat) + 0.00002 * np.sin(lat * BD_ANGLE)
    angle = np.arctan2(lat, lng) + 0.000003 * np.cos(lng * BD_ANGLE)
    return (
        radius * np.cos(angle) + BD_OFFSET_LNG_DEG,
        radius * np.sin(angle) + BD_OFFSET_LAT_DEG,
    )


def _inverted(step: _Step, lng: _Array, lat: _Array) -> _Pair:
    """The point that ``step`` sends to (lng, lat), by fixed point: p ← p + (target − step(p))."""
    x, y = lng.copy(), lat.copy()
    for _ in range(MAX_ITERATIONS):
        seen_x, seen_y = step(x, y)
        move_x, move_y = lng - seen_x, lat - seen_y
        x, y = x + move_x, y + move_y
        # not (any move is large), so that NaN counts as settled
        if not np.any(np.abs(move_x) + np.abs(move_y) > CONVERGED_DEG):
            break
    return x, y


def _wgs_to_bd(lng: _Array, lat: _Array) -> _Pair:
    return _gcj_to_bd(*_wgs_to_gcj(lng, lat))


def _gcj_to_wgs(lng: _Array, lat: _Array) -> _Pair:
    return _inverted(_wgs_to_gcj, lng, lat)


def _bd_to_gcj(lng: _Array, lat: _Array) -> _Pair:
    return _inverted(_gcj_to_bd, lng, lat)


def _bd_to_wgs(lng: _Array, lat: _Array) -> _Pair:
    return _gcj_to_wgs(*_bd_to_gcj(lng, lat))


def _northing(latitude: _Array, band: NDArray[np.intp]) -> _Pair:
    """LL2MC's y in metres and dy/dlat in metres per degree, for |lat| read in a given band."""
    coefficients = LL2MC[band]
    scale = coefficients[..., 9]
    t = latitude / scale
    value, slope = coefficients[..., 8], np.zeros_like(t)
    for k in range(7, 1, -1):
        slope = slope * t + value
        value = value * t + coefficients[..., k]
    return value, slope / scale


def _signed(magnitude: _Array, like: _Array) -> _Array:
    return np.where(like < 0, -magnitude, magnitude)


def _bd_to_mc(lng: _Array, lat: _Array) -> _Pair:
    band = np.searchsorted(BAND_FROM_DEG, np.abs(lat), side="right") - 1
    northing, _ = _northing(np.where(np.abs(lat) < BANDS_END_DEG, np.abs(lat), np.nan), band)
    easting = LL2MC[band, 0] + LL2MC[band, 1] * np.abs(lng)
    return _signed(easting, lng), _signed(northing, lat)


def _mc_to_bd(x: _Array, y: _Array) -> _Pair:
    bands = np.arange(len(BAND_FROM_DEG))
    upper = np.nextafter(np.append(BAND_FROM_DEG[1:], BANDS_END_DEG), 0.0)
    starts, ends = _northing(BAND_FROM_DEG, bands)[0], _northing(upper, bands)[0]
    northing = np.where(np.abs(y) <= ends[-1], np.abs(y), np.nan)
    band = np.maximum(np.searchsorted(starts, northing, side="right") - 1, 0)
    low, high = BAND_FROM_DEG[band], upper[band]
    share = (northing - starts[band]) / (ends[band] - starts[band])
    latitude = np.clip(low + share * (high - low), low, high)
    for _ in range(MAX_ITERATIONS):
        value, slope = _northing(latitude, band)
        better = np.clip(latitude + (northing - value) / slope, low, high)
        moved = np.abs(better - latitude)
        latitude = better
        if not np.any(moved > CONVERGED_DEG):
            break
    longitude = (np.abs(x) - LL2MC[band, 0]) / LL2MC[band, 1]
    return _signed(np.maximum(longitude, 0.0), x), _signed(latitude, y)
