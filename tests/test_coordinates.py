"""The datums: published vectors, an independent projection, exact inverses, area decisions."""

from __future__ import annotations

import ast
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import eviltransform
import numpy as np
import pyproj
import pytest
import shapely
from coord_convert import transform
from hypothesis import given
from hypothesis import strategies as st

from conftest import shared_file
from servicecircle import coordinates as c

COLUMNS = [
    "wgs84_lng",
    "wgs84_lat",
    "gcj02_lng",
    "gcj02_lat",
    "bd09_lng",
    "bd09_lat",
    "bd09mc_x",
    "bd09mc_y",
]

# six of the forty cities in hujiulong/gcoord (MIT), test/fixtures/china-cities.json
CITIES = """
111.742268 40.8411422 111.7491897 40.8425914 111.7556994 40.8486111 12440722.912 4961827.275
116.6775114 23.3567569 116.6819735 23.3540964 116.6885014 23.3598884 12989845.895 2658504.617
130.2901208 47.3474834 130.2979644 47.3499192 130.3043975 47.3560741 14505577.014 5968659.566
100.7960252 22.0116717 100.7971547 22.0088162 100.8036002 22.0151176 11221527.542 2497179.553
82.977166 46.744664 82.9803223 46.7453692 82.9869576 46.7511176 9238166.387 5870125.033
119.6427465 29.0820414 119.6474509 29.0790641 119.6538875 29.0854003 13319954.761 3365559.32
"""

INSIDE = """
北京 116.40 39.90 上海 121.47 31.23 深圳 114.06 22.54 罗湖 114.12 22.545 盐田 114.24 22.56
大鹏 114.48 22.59 珠海 113.576 22.27 横琴 113.52 22.13 厦门 118.09 24.48 大嶝 118.33 24.565
平潭 119.79 25.50 南日 119.50 25.22 黄岐 119.88 26.33 丹东 124.385 40.125 集安 126.19 41.125
长白 128.20 41.42 图们 129.84 42.967 珲春 130.36 42.86 绥芬河 131.16 44.40 虎林 132.94 45.76
抚远 134.30 48.365 黑河 127.50 50.243 北极村 122.35 53.48 满洲里 117.38 49.60 阿尔山 119.94 47.18
二连浩特 111.977 43.653 额济纳 101.07 41.97 阿勒泰 88.14 47.84 塔城 82.98 46.75
阿拉山口 82.56 45.17 霍尔果斯 80.417 44.213 喀什 75.99 39.47 塔县 75.23 37.77 狮泉河 80.10 32.50
普兰 81.18 30.29 吉隆 85.33 28.39 樟木 85.98 27.99 亚东 88.91 27.48 错那 91.96 27.99
拉萨 91.11 29.65 墨脱 95.33 29.33 贡山 98.67 27.74 腾冲 98.49 25.02 瑞丽 97.852 24.013
南伞 98.83 23.78 景洪 100.80 22.01 勐腊 101.56 21.48 河口 103.96 22.53 凭祥 106.76 22.10
东兴 107.97 21.547 涠洲岛 109.11 21.04 海口 110.35 20.02 三亚 109.51 18.25 南澳 117.02 23.43
嵊泗 122.45 30.73 大连 121.61 38.91 威海 122.12 37.51 滨州 117.97 37.38 西宁 101.78 36.62
"""
OUTSIDE = """
香港 114.16 22.28 元朗 114.02 22.445 上水 114.13 22.50 东涌 113.94 22.29 西贡 114.27 22.38
澳门 113.545 22.195 氹仔 113.56 22.155 台北 121.56 25.03 高雄 120.30 22.63 金门 118.32 24.43
烈屿 118.235 24.43 马祖 119.93 26.155 东引 120.49 26.37 澎湖 119.57 23.57 新义州 124.40 40.09
平壤 125.75 39.03 满浦 126.29 41.15 稳城 129.99 42.95 海参崴 131.88 43.11 格罗杰科沃 131.38 44.40
伯力 135.07 48.48 海兰泡 127.53 50.275 后贝加尔斯克 117.32 49.65 乌兰巴托 106.92 47.92
扎门乌德 111.905 43.727 阿拉木图 76.95 43.25 扎尔肯特 80.0 44.17 多斯特克 82.487 45.253
奥什 72.80 40.53 列城 77.58 34.15 加德满都 85.32 27.71 廷布 89.64 27.47 甘托克 88.61 27.33
密支那 97.40 25.38 木姐 97.905 23.972 老街 103.97 22.48 谅山 106.76 21.85 芒街 107.966 21.522
河内 105.85 21.03 首尔 126.98 37.57 济州 126.53 33.50 冲绳 127.68 26.21 波尔图 -8.61 41.15
"""


def places(text: str) -> list[tuple[str, float, float]]:
    words = text.split()
    return [
        (n, float(x), float(y))
        for n, x, y in zip(words[::3], words[1::3], words[2::3], strict=True)
    ]


def cities() -> np.ndarray:
    return np.array(CITIES.split(), dtype=float).reshape(-1, 8)


def metres(a: tuple, b: tuple) -> np.ndarray:
    """Distance on the ellipsoid of points given as (lng, lat) arrays."""
    return np.abs(pyproj.Geod(ellps="WGS84").inv(a[0], a[1], b[0], b[1])[2])


def check_vectors(rows: np.ndarray) -> None:
    wgs, gcj, bd, mc = [(rows[:, i], rows[:, i + 1]) for i in (0, 2, 4, 6)]
    assert metres(c.wgs84_to_gcj02(*wgs), gcj).max() < 1.0  # their constant bias: 0.67 m
    assert metres(c.gcj02_to_bd09(*gcj), bd).max() < 0.013
    assert metres(c.bd09_to_gcj02(*bd), gcj).max() < 0.013
    assert np.hypot(*(np.array(c.bd09_to_bd09mc(*bd)) - mc)).max() < 0.009
    assert metres(c.bd09mc_to_bd09(*mc), bd).max() < 0.009
    assert metres(c.bd09_to_wgs84(*bd), wgs).max() < 1.0
    assert metres(c.wgs84_to_bd09(*wgs), bd).max() < 1.0


def test_six_cities() -> None:
    check_vectors(cities())


def test_forty_cities() -> None:
    with shared_file("reference/datum_vectors.csv").open(encoding="utf-8") as file:
        rows = np.array([[float(r[k]) for k in COLUMNS] for r in csv.DictReader(file)])
    assert len(rows) == 40
    assert c.inside_mainland(rows[:, 0], rows[:, 1]).all()
    check_vectors(rows)


def test_gaode_documented_example() -> None:
    lng, lat = c.wgs84_to_gcj02(116.481499, 39.990475)
    assert (lng, lat) == pytest.approx((116.487585177952, 39.991754014757), abs=1e-6)


def test_bd09mc_against_an_independent_projection() -> None:
    lng, lat = np.meshgrid(np.linspace(73, 135, 32), np.linspace(-53.5, 53.5, 1001))
    x, y = c.bd09_to_bd09mc(lng, lat)
    off = np.hypot(*(np.array(pyproj.Proj("+proj=merc +ellps=clrk66")(lng, lat)) - (x, y)))
    assert off[np.abs(lat) < 45].max() < 0.042
    assert off.max() < 0.38


mainland = st.tuples(st.floats(73.5, 134.5), st.floats(18.2, 53.5)).filter(
    lambda p: bool(c.inside_mainland(*p))
)


@given(mainland)
def test_round_trips_over_the_mainland(point: tuple[float, float]) -> None:
    for there, back in [
        (c.wgs84_to_gcj02, c.gcj02_to_wgs84),
        (c.wgs84_to_bd09, c.bd09_to_wgs84),
        (c.gcj02_to_bd09, c.bd09_to_gcj02),
        (c.bd09_to_bd09mc, c.bd09mc_to_bd09),
    ]:
        assert back(*there(*point)) == pytest.approx(point, abs=1e-9, rel=0)


@given(st.floats(1e-6, 180), st.floats(1e-6, 74.999), st.sampled_from([1, -1]))
def test_bd09mc_round_trip_in_every_band(lng: float, lat: float, sign: int) -> None:
    back = c.bd09mc_to_bd09(*c.bd09_to_bd09mc(sign * lng, sign * lat))
    assert back == pytest.approx((sign * lng, sign * lat), abs=1e-9, rel=0)


@pytest.mark.parametrize("border", [15.0, 30.0, 45.0, 60.0])
def test_bd09mc_at_the_band_borders(border: float) -> None:
    below = np.nextafter(border, 0)
    (_, low), (_, high) = c.bd09_to_bd09mc(116.0, below), c.bd09_to_bd09mc(116.0, border)
    assert 0 < high - low < 15
    for lat in (below, border):
        assert c.bd09mc_to_bd09(*c.bd09_to_bd09mc(116.0, lat))[1] == pytest.approx(lat, abs=1e-9)
    in_the_gap = c.bd09mc_to_bd09(12_913_000.0, (low + high) / 2)[1]
    assert in_the_gap == pytest.approx(border, abs=1e-9)


def test_bd09mc_ends_at_75_degrees() -> None:
    assert np.isnan(c.bd09_to_bd09mc(116.0, 75.0)[1])
    assert np.isnan(c.bd09mc_to_bd09(12_913_000.0, 13_000_000.0)[1])
    assert c.bd09mc_to_bd09(0.0, 0.0) == pytest.approx((0, 0), abs=1e-8)


def test_shift_has_the_size_the_field_knows() -> None:
    rows = np.array([p[1:] for p in places(INSIDE)])
    wgs = rows[:, 0], rows[:, 1]
    assert metres(c.wgs84_to_gcj02(*wgs), wgs).min() > 18
    assert metres(c.wgs84_to_gcj02(*wgs), wgs).max() < 710
    far = metres(c.wgs84_to_bd09(*wgs), wgs)
    assert far.min() > 690
    assert far.max() < 1524


@pytest.mark.parametrize(("name", "lng", "lat"), places(INSIDE))
def test_inside_the_outline(name: str, lng: float, lat: float) -> None:
    assert c.inside_mainland(lng, lat), name


@pytest.mark.parametrize(("name", "lng", "lat"), places(OUTSIDE))
def test_outside_the_outline(name: str, lng: float, lat: float) -> None:
    assert not c.inside_mainland(lng, lat), name
    assert c.wgs84_to_gcj02(lng, lat) == c.wgs84_to_bd09(lng, lat) == (lng, lat)
    assert c.gcj02_to_wgs84(lng, lat) == c.bd09_to_wgs84(lng, lat) == (lng, lat)
    assert c.wgs84_to_gcj02(lng, lat, area="all") != (lng, lat)


def test_outline_is_a_simple_ring() -> None:
    assert shapely.Polygon(c.MAINLAND_OUTLINE).is_valid
    assert len(c.MAINLAND_OUTLINE) > 70


def test_area_is_decided_once_per_call() -> None:
    shenzhen, hong_kong = (114.06, 22.54), (114.16, 22.28)
    lng, lat = np.array([shenzhen, shenzhen, hong_kong]).T
    moved = c.wgs84_to_gcj02(lng, lat)
    assert (moved[0] != lng).all()  # the one in Hong Kong goes with the others
    lng, lat = np.array([shenzhen, hong_kong, hong_kong]).T
    assert (c.wgs84_to_gcj02(lng, lat)[0] == lng).all()
    assert (c.wgs84_to_gcj02(lng, lat, area="all")[0] != lng).all()
    assert c.wgs84_to_gcj02(*shenzhen, area="none") == shenzhen
    assert not c.shift_applies(lng[:2], lat[:2], "mainland")  # no majority


def test_shift_applies_looks_at_finite_points_only() -> None:
    lng, lat = np.array([np.nan, np.inf, np.nan, 116.4]), np.array([39.9, 39.9, np.nan, 39.9])
    assert c.shift_applies(lng, lat, "mainland")
    assert not c.shift_applies(lng[:3], lat[:3], "mainland")
    assert not c.shift_applies([], [], "mainland")
    assert c.shift_applies([], [], "all")


def test_inverse_decides_by_the_wgs84_position() -> None:
    inside = 114.115, 22.5345  # 165 m inside the outline, and outside it in BD-09's numbers
    there = c.wgs84_to_bd09(*inside)
    assert there != inside
    assert c.shift_applies(*there, "mainland", datum="bd09")
    assert c.bd09_to_wgs84(*there) == pytest.approx(inside, abs=1e-9)


@pytest.mark.parametrize("datum", c.DATUMS)
def test_top_rung_equals_the_named_functions(datum: str) -> None:
    lng, lat = cities()[:, :2].T
    named = {"wgs84": (lng, lat), "gcj02": c.wgs84_to_gcj02(lng, lat)}
    named["bd09"] = c.wgs84_to_bd09(lng, lat)
    np.testing.assert_array_equal(c.from_wgs84(lng, lat, datum), named[datum])
    np.testing.assert_allclose(c.to_wgs84(*named[datum], datum), (lng, lat), atol=1e-9, rtol=0)


def test_scalars_and_arrays_agree_and_keep_their_kind() -> None:
    rows = cities()
    for function in (c.wgs84_to_gcj02, c.bd09_to_wgs84, c.bd09_to_bd09mc, c.gcj02_to_bd09):
        many = function(rows[:, 0], rows[:, 1])
        for i, (lng, lat) in enumerate(rows[:, :2]):
            one = function(float(lng), float(lat))
            assert type(one[0]) is type(one[1]) is float
            assert one == pytest.approx((many[0][i], many[1][i]), abs=1e-12)
        square = function(rows[:4, 0].reshape(2, 2), rows[:4, 1].reshape(2, 2))
        assert square[0].shape == (2, 2)
        np.testing.assert_array_equal(square[0].ravel(), many[0][:4])
        assert function(np.empty(0), np.empty(0))[0].shape == (0,)
    assert c.wgs84_to_gcj02(116, 40)[0] == c.wgs84_to_gcj02(116.0, 40.0)[0]


def test_inputs_stay_and_nan_passes() -> None:
    lng, lat = np.array([116.4, np.nan, 121.5]), np.array([39.9, 31.2, np.nan])
    before = lng.copy(), lat.copy()
    for function in (c.wgs84_to_gcj02, c.gcj02_to_wgs84, c.bd09_to_gcj02, c.bd09_to_bd09mc):
        out = function(lng, lat)
        assert np.isfinite([out[0][0], out[1][0]]).all()
        assert np.isnan(out[0][1])
        assert np.isnan(out[1][2])
    for area in c.AREAS:  # an untouched answer is a copy all the same
        out = c.wgs84_to_gcj02(lng, lat, area=area)
        assert not np.shares_memory(out[0], lng)
    np.testing.assert_array_equal((lng, lat), before)
    assert not c.inside_mainland(np.nan, 30.0)


def test_arrays_are_faster_than_the_scalar_packages() -> None:
    """A ratio in one run, of processor seconds: they convert some 0.25 million points a second."""
    n = 20_000
    rng = np.random.default_rng(0)
    lng, lat = rng.uniform(100, 120, n), rng.uniform(25, 40, n)
    points = list(zip(lng.tolist(), lat.tolist(), strict=True))
    for ours, theirs in (
        (c.wgs84_to_gcj02, transform.wgs2gcj),
        (c.wgs84_to_gcj02, lambda x, y: eviltransform.wgs2gcj(y, x)[::-1]),
        (c.wgs84_to_bd09, transform.wgs2bd),
    ):
        took, found = timed(lambda f=ours: f(lng, lat))
        scalar, expected = timed(lambda f=theirs: [f(x, y) for x, y in points])
        assert np.abs(np.transpose(found) - expected).max() < 2e-7  # theirs: another radius
        assert scalar / took >= 3, f"{n / took:,.0f} points/s against {n / scalar:,.0f}"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    seconds = []
    for _ in range(7):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return sorted(seconds)[3], result


@pytest.mark.parametrize("size", [0, 1, c.BLOCK - 1, c.BLOCK, c.BLOCK + 1, 3 * c.BLOCK])
def test_blocks_join_without_a_seam(size: int) -> None:
    lng, lat = np.linspace(100, 120, size), np.linspace(25, 40, size)
    x, y = c.gcj02_to_wgs84(lng, lat, area="all")
    assert x.shape == y.shape == (size,)
    for i in {0, size // 2, size - 1} if size else ():
        one = c.gcj02_to_wgs84(float(lng[i]), float(lat[i]), area="all")
        assert (x[i], y[i]) == pytest.approx(one, abs=1e-12)
    table = np.resize(lng, (2, size)), np.resize(lat, (2, size))
    assert c.wgs84_to_bd09(*table)[0].shape == (2, size)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="mainland, all, none"):
        c.wgs84_to_gcj02(116.4, 39.9, area="china")
    with pytest.raises(ValueError, match="wgs84, gcj02, bd09"):
        c.to_wgs84(116.4, 39.9, "cgcs2000")
    with pytest.raises(ValueError, match="shape"):
        c.gcj02_to_bd09(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="shape"):
        c.bd09_to_bd09mc(np.array(116.4), np.zeros(2))


def test_wall_numpy_only() -> None:
    tree = ast.parse(Path(c.__file__).read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names <= {"__future__", "collections.abc", "typing", "numpy", "numpy.typing"}
