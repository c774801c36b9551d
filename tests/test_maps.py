"""The map as HTML, without a browser: nothing fetched, the plan's figures, pixels in place."""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyproj import Transformer

from map_town import HOSTILE, town_plan
from servicecircle import map_images, map_stations
from servicecircle.map_images import DotClass, Frame
from servicecircle.map_layers import safe
from servicecircle.maps import map_html, plan_map
from servicecircle.plan import Plan

# only names inside Leaflet's code (never fetched), and the link to OSM's licence
KNOWN_ADDRESSES = {
    "http://www.w3.org/2000/svg",
    "https://leafletjs.com",
    "https://bugzilla.mozilla.org/show_bug.cgi",
    "https://www.openstreetmap.org/copyright",
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return town_plan(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def page(plan: Plan) -> str:
    return map_html(plan)


def picture(address: str) -> np.ndarray:
    """A data address as an array of rows × columns × (red, green, blue, alpha)."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def test_nothing_is_fetched(page: str) -> None:
    assert set(re.findall(r"https?://[\w./-]+", page)) <= KNOWN_ADDRESSES
    # Leaflet's own attribution prefix, which is switched off, and the licence are links to follow
    links = set(re.findall(r"""(?:src|href)\s*=\s*[\\"']*((?:https?:)?//[\w./-]+)""", page))
    assert links <= {"https://leafletjs.com", "https://www.openstreetmap.org/copyright"}
    assert not re.search(r"url\((?!data:|#)[\"']?\w", page)
    assert "default-src 'none'" in page
    for word in ("jquery", "bootstrap", "awesome", "L.tileLayer(\n", "sourceMappingURL"):
        assert word not in page.lower()


def test_figures_are_the_plans(page: str, plan: Plan) -> None:
    def figure(name: str) -> tuple[float, str]:
        found = re.search(rf'id="fig-{name}" data-value="([^"]*)"[^>]*>([^<]*)<', page)
        assert found, name
        return float(found[1]), found[2]

    covered = plan.times_covered > 0
    assert figure("covered-share") == (plan.covered_share, f"{plan.covered_share:.2%}")
    assert figure("covered-share-before")[0] == plan.covered_share_before
    assert figure("cross-covered-share")[0] == plan.cross_covered_share
    assert figure("existing-stations")[0] == len(plan.existing) == 2
    assert figure("new-stations")[0] == len(plan.new) == 3
    assert figure("covered-points")[0] == covered.sum()
    assert figure("total-points")[0] == 62
    assert figure("gap")[0] == plan.selection.gap
    assert figure("unsnapped-demand")[0] == 2
    assert figure("cost") == (3000.0, "3,000")
    assert figure("outside")[0] == 1  # the one half a degree away
    snapped = plan.demand["snapped"].to_numpy(bool)
    assert figure("unreachable-weight")[0] == plan.weight[snapped & ~plan.reachable].sum()


def test_equal_plans_give_equal_files(page: str, plan: Plan) -> None:
    assert map_html(plan) == page


def test_no_station_today_and_a_notebook(tmp_path: Path) -> None:
    plan = town_plan(tmp_path, existing=False)
    root = plan_map(plan).get_root()
    text = root.render()
    assert 'id="fig-existing-stations" data-value="0"' in text
    assert "today, 6 min" not in text and "plan, 6 min" in text


@given(st.text() | st.sampled_from(HOSTILE))
def test_safe_text_is_text(text: str) -> None:
    made = safe(text)
    assert not set(made) & set("<>\"'`${}")
    assert html.unescape(made) == html.unescape(html.escape(text))


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    text = map_html(town_plan(tmp_path, HOSTILE))
    for name in HOSTILE:
        assert name not in text
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", text)[0]


def test_best_unchosen_sites_add_most(plan: Plan) -> None:
    """Judged by adding each unchosen site to the plan and counting again."""
    open_now = plan.times_covered > 0
    added = {}
    for row in np.setdiff1d(np.flatnonzero(plan.sites["status"] == "candidate"), plan.chosen):
        more = plan.times_covered_by(np.append(plan.chosen, row)) > 0
        added[int(row)] = plan.weight[more & ~open_now].sum()
    rows = map_stations.rows_of(plan, "rejected")
    assert set(rows) == {row for row, weight in added.items() if weight > 0}
    assert [added[r] for r in rows] == sorted((w for w in added.values() if w > 0), reverse=True)


def test_records_say_what_is_lost(plan: Plan) -> None:
    for kind in ("existing", "new", "rejected", "closed"):
        rows, records = map_stations.rows_of(plan, kind), map_stations.records(plan, kind)
        assert len(rows) == len(records) > 0
        for row, record in zip(rows, records, strict=True):
            assert plan.sites["site_id"].iloc[row] in record["popup"]
    row, record = map_stations.rows_of(plan, "new")[0], map_stations.records(plan, "new")[0]
    rest = np.setdiff1d(plan.chosen, [row])
    lost = plan.weight[(plan.times_covered > 0) & (plan.times_covered_by(rest) == 0)].sum()
    assert record["value"] == f"{lost:,.0f}"


# --- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lat", [0.0, 40.0, -33.5])
def test_frame_is_linear_in_web_mercator(lat: float) -> None:
    rng = np.random.default_rng(1)
    lng, lat_ = 116.3 + rng.uniform(-0.1, 0.1, 50), lat + rng.uniform(-0.05, 0.05, 50)
    frame = Frame.around(lng, lat_)
    assert frame.holds(lng, lat_).all()
    assert max(frame.width, frame.height) <= map_images.MAX_PIXELS + 1
    to_mercator = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
    (south, west), (north, east) = frame.bounds
    x, y = to_mercator.transform(lng, lat_)
    (x0, x1), (y0, y1) = to_mercator.transform([west, east], [south, north])
    expected = np.column_stack(
        [(x - x0) / (x1 - x0) * frame.width, (y1 - y) / (y1 - y0) * frame.height]
    )
    assert np.allclose(frame.pixels(lng, lat_), expected, atol=1e-3)


def test_dots_lie_where_they_belong() -> None:
    lng, lat = np.array([116.30, 116.32]), np.array([39.98, 40.01])
    frame = Frame.around(lng, lat)
    classes = [
        DotClass(np.array([True, False]), "disc", (10, 20, 30), 1.0),
        DotClass(np.array([False, True]), "diamond", (200, 90, 0), 0.5),
    ]
    image = picture(map_images.dots_png(frame, lng, lat, np.ones(2), classes))
    assert image.shape[:2] == (frame.height, frame.width)
    for point, colour in enumerate([(10, 20, 30, 255), (200, 90, 0, 128)]):
        column, row = frame.pixels(lng, lat)[point].astype(int)
        assert tuple(image[row, column]) == colour
        rows, columns = np.nonzero((image == colour).all(axis=2))
        assert abs(rows.mean() - row) < 1 and abs(columns.mean() - column) < 1


def test_an_island_in_the_water_stays_dry() -> None:
    lake = shapely.box(0, 0, 0.02, 0.02) - shapely.box(0.005, 0.005, 0.015, 0.015)
    pool = shapely.box(0.009, 0.009, 0.011, 0.011)  # on the island, and smaller than the lake
    frame = Frame.around(np.array([0, 0.02]), np.array([0, 0.02]))
    for order in ([lake, pool], [pool, lake]):
        water = gpd.GeoDataFrame(geometry=order, crs="EPSG:4326")
        address = map_images.water_png(frame, water)
        assert address is not None
        image = picture(address)
        spots = np.array([[0.002, 0.002], [0.007, 0.007], [0.01, 0.01], [-0.001, 0.01]])
        columns, rows = frame.pixels(spots[:, 0], spots[:, 1]).astype(int).T
        assert (image[rows, columns, 3] > 0).tolist() == [True, False, True, False]
    nowhere = gpd.GeoDataFrame(geometry=[shapely.box(5, 5, 6, 6)], crs="EPSG:4326")
    assert map_images.water_png(frame, nowhere) is None


def test_streets_are_drawn_along_their_lines(plan: Plan) -> None:
    net = plan.network
    frame = Frame.around(net.vertex_lng, net.vertex_lat)
    image = picture(map_images.streets_png(frame, net))
    columns, rows = frame.pixels(net.vertex_lng, net.vertex_lat).astype(int).T
    assert (image[rows, columns, 3] > 0).all()
    assert (image[..., 3] > 0).mean() < 0.1
