"""Slopes, steps and lights: towns solved by hand, and a judge that walks every segment."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby

import networkx as nx
import numpy as np
import osmium
import pytest
import rasterio
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from osmium.osm.mutable import Node, Way
from pyproj import Transformer
from rasterio.transform import Affine, from_bounds

from effort_judge import EffortJudge, Grid, signals_of, tags_of, tobler
from judge import Judge
from servicecircle.errors import InputError
from servicecircle.reach import travel_times
from servicecircle.snapping import Streets, snap
from servicecircle.streets.effort import slope_factor, walking_effort
from servicecircle.streets.osm_file import read_osm
from towns import WALK, line_town, metres_east, write_osm

METRES_PER_MINUTE = 4000 / 60
TOWN = (-0.02, -0.02, 0.03, 0.02)  # around the small towns at (0, 0)


def write_dem(path, cells, bounds=TOWN, *, crs="EPSG:4326", transform=None, **profile):
    """A GeoTIFF of these cells (rows from the north), or bands × rows × columns."""
    cells = np.asarray(cells)
    bands = cells if cells.ndim == 3 else cells[None]
    _, rows, columns = bands.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=rows,
        width=columns,
        count=len(bands),
        dtype=bands.dtype,
        crs=crs,
        transform=transform or from_bounds(*bounds, columns, rows),
        **profile,
    ) as file:
        file.write(bands)
    return path


def plane_cells(slope_east, bounds=TOWN, shape=(80, 100), base=100.0):
    """Cells of a plane that rises eastwards by so much per metre along the equator."""
    west, _, east, _ = bounds
    lng = west + (np.arange(shape[1]) + 0.5) / shape[1] * (east - west)
    return np.tile(base + slope_east * lng * 111_319.490793, (shape[0], 1))


def bumpy_cells(shape=(80, 100), seed=0, height=20.0):
    rng = np.random.default_rng(seed)
    i, j = np.mgrid[: shape[0], : shape[1]]
    waves = np.sin(i / 4.7) * np.cos(j / 6.1) + 0.3 * np.sin((i + 2 * j) / 2.9)
    return 100 + height * waves + rng.normal(0, 0.4, shape)


@pytest.fixture
def line(tmp_path):
    """One street of 1 km east from (0, 0), with a node after 300 m."""
    return read_osm(line_town(tmp_path / "line.osm", [300, 700]))


def ends(effort):
    """(along, against) of the only edge."""
    along, against = effort.network.edge_effort
    assert len(along) == 1
    return float(along[0]), float(against[0])


def said(effort):
    return " ".join(en for _, en in effort.notes)


# --- the formula ----------------------------------------------------------------------------------


def test_the_formula_is_toblers():
    slopes = np.linspace(-0.99, 0.99, 100)
    assert slope_factor(slopes) == pytest.approx([tobler(s) for s in slopes], rel=1e-12)
    assert slope_factor(np.array([0.0, -0.0])).tolist() == [1.0, 1.0]
    assert slope_factor(np.array([-0.05]))[0] == pytest.approx(math.exp(-0.175))
    fine = np.linspace(-0.5, 0.5, 100_001)
    assert fine[np.argmin(slope_factor(fine))] == pytest.approx(-0.05, abs=1e-5)
    assert slope_factor(np.array([-7.0, 7.0])) == pytest.approx([tobler(-1.0), tobler(1.0)])


@pytest.mark.parametrize("slope", [0.02, 0.10, -0.05, -0.30])
def test_on_an_inclined_plane(tmp_path, line, slope):
    dem = write_dem(tmp_path / "d.tif", plane_cells(slope))
    along, against = ends(walking_effort(line, dem=dem))
    assert along == pytest.approx(line.length * tobler(slope), rel=1e-6)
    assert against == pytest.approx(line.length * tobler(-slope), rel=1e-6)


def test_minutes_uphill_and_down(tmp_path, line):
    """10 % up from A to C: 15 min on the flat become 15 exp(0.35); down exp(0) as |−5 %| twice."""
    dem = write_dem(tmp_path / "d.tif", plane_cells(0.10))
    network = walking_effort(line, dem=dem).network
    a, c = (0.0, 0.0), (metres_east(1000), 0.0)
    up, down = (minutes(network, [x], [y])[0, 0] for x, y in ((a, c), (c, a)))
    assert up == pytest.approx(15 * math.exp(0.35), abs=2e-3)
    assert down == pytest.approx(15.0, abs=2e-3)


def minutes(network, demand, sites, cutoff=60.0):
    """Dense demand × site minutes, inf where absent."""
    streets = Streets(network)
    feet = [snap(streets, *np.asarray(points, float).T) for points in (demand, sites)]
    times = travel_times(network, *feet, cutoff=cutoff)
    out = np.full((times.n_demand, times.n_sites), np.inf)
    out[times.rows, times.indices] = times.minutes
    return out


# --- nothing asked, nothing changed ---------------------------------------------------------------


def test_without_anything_the_same_network(line):
    effort = walking_effort(line)
    assert effort.network is line and effort.notes == () and effort.heights is None


def test_bad_numbers(tmp_path, line):
    for bad in (
        {"steps_factor": 0.5}, {"steps_factor": math.nan}, {"signal_seconds": -1},
        {"signal_seconds": math.inf}, {"speed_kmh": 0},
    ):  # fmt: skip
        with pytest.raises(ValueError):
            walking_effort(line, **bad)
    weighed = replace(line, vertex_forward=line.vertex_offset, vertex_backward=line.vertex_offset)
    with pytest.raises(ValueError, match="already"):
        walking_effort(weighed)


def test_flat_helsinki_is_bitwise_the_plain_one(helsinki, tmp_path):
    """A level model whose bilinear weights round, bridges and all."""
    plain = read_osm(helsinki)
    west, south, east, north = plain.bounds
    bounds = (west - 0.01, south - 0.01, east + 0.01, north + 0.01)
    dem = write_dem(tmp_path / "d.tif", np.full((97, 131), 12.3, "float32"), bounds)
    effort = walking_effort(plain, dem=dem)
    assert effort.network is not plain
    assert (effort.network.vertex_forward == plain.vertex_offset).all()
    assert (effort.network.vertex_backward == plain.vertex_offset).all()
    rng = np.random.default_rng(1)
    points = [rng.uniform([west, south], [east, north], (n, 2)) for n in (400, 60)]
    times = []
    for network in (plain, effort.network):
        feet = [snap(Streets(network), *p.T) for p in points]
        times.append(travel_times(network, *feet, cutoff=15.0))
    assert len(times[0].minutes) > 5000
    for name in ("indptr", "indices", "minutes"):
        assert getattr(times[0], name).tobytes() == getattr(times[1], name).tobytes()


# --- the judge ------------------------------------------------------------------------------------


def agree(network, judge, feet_of, cutoff_m, pairs_wanted):
    """Efforts between snapped places, both ways, against networkx.

    ``feet_of``: (lng, lat) places on streets. Returns how many pairs take longer one way round.
    """
    streets = Streets(network)
    feet = snap(streets, *np.asarray(feet_of, float).T)
    assert feet.found.all()
    names = [f"p{i}" for i in range(len(feet))]
    placed = {
        n: (int(feet.way[i]), int(feet.segment[i]), float(feet.lng[i]), float(feet.lat[i]))
        for i, n in enumerate(names)
    }
    graph = judge.graph(placed)
    times = travel_times(network, feet, feet, cutoff=cutoff_m / METRES_PER_MINUTE)
    ours = np.full((len(feet), len(feet)), np.inf)
    ours[times.rows, times.indices] = times.minutes
    theirs = np.full_like(ours, np.inf)
    for i, name in enumerate(names):
        reach = nx.single_source_dijkstra_path_length(graph, name, weight="m")
        for j, other in enumerate(names):
            if other in reach:
                theirs[i, j] = (reach[other] + feet.gap[i] + feet.gap[j]) / METRES_PER_MINUTE
    sure = np.abs(theirs - times.cutoff) > 1e-3
    theirs[theirs > times.cutoff] = np.inf
    assert (np.isfinite(ours) == np.isfinite(theirs))[sure].all()
    both = np.isfinite(ours) & np.isfinite(theirs)
    assert np.abs(ours[both] - theirs[both]).max() < 1e-6
    assert both.sum() >= pairs_wanted
    two_way = both & both.T
    return int((np.abs(ours[two_way] - ours.T[two_way]) > 1e-3).sum())


def places_on(network, n, seed):
    """Random places on the streets, off their nodes, and some nodes."""
    rng = np.random.default_rng(seed)
    stays = np.repeat(~network.edge_island, np.diff(network.vertex_start))
    begins = np.ones(len(stays), bool)
    begins[network.vertex_start[1:] - 1] = False
    long = np.append(np.diff(network.vertex_offset), 0) > 2.0
    at = rng.choice(np.flatnonzero(stays & begins & long), n)
    t = rng.uniform(0.05, 0.95, n)
    t[::10] = 0.0
    lng, lat = network.vertex_lng, network.vertex_lat
    return np.column_stack(
        [lng[at] + t * (lng[at + 1] - lng[at]), lat[at] + t * (lat[at + 1] - lat[at])]
    )


@pytest.mark.parametrize("hole", [False, True])
def test_helsinki_agrees_with_the_judge(helsinki, tmp_path, hole):
    plain = read_osm(helsinki)
    west, south, east, north = plain.bounds
    bounds = (west - 0.002, south - 0.002, east + 0.002, north + 0.002)
    shape = (30, 30)  # cells of 41 m and more: steps of 30 m, as the judge takes them
    cells = bumpy_cells(shape)
    if hole:
        cells[:12, :12] = np.nan
    dem = write_dem(tmp_path / "d.tif", np.nan_to_num(cells, nan=-9999.0), bounds, nodata=-9999)
    effort = walking_effort(plain, dem=dem, steps_factor=2.5, signal_seconds=40)
    reader, tags, signals = Judge.read(helsinki), tags_of(helsinki), signals_of(helsinki)
    judge = EffortJudge(
        reader.segments,
        reader.where,
        tags,
        height=Grid(cells, *bounds),
        steps_factor=2.5,
        wait_m=40 / 3.6 * 4,
        signals=signals,
    )
    asymmetric = agree(effort.network, judge, places_on(plain, 90, seed=4), 1500, 1000)
    assert asymmetric > 500
    for i in range(0, len(plain.vertex_id), 97):
        theirs = judge.node_height[int(plain.vertex_id[i])]
        assert effort.heights[i] == pytest.approx(theirs, abs=1e-6, nan_ok=True)
    kinds = {tags[s[2]]["highway"] for s in judge.segments}
    assert "steps" in kinds
    assert any(s[0] in signals and tags[s[2]]["highway"] == "footway" for s in judge.segments)
    assert ("has no heights" in said(effort)) == hole == (judge.unknown_m > 0)
    if hole:
        assert f"for {judge.unknown_m / 1000:,.1f} km" in said(effort)


TAGS = [
    {"highway": "residential"}, {"highway": "footway"}, {"highway": "steps"},
    {"highway": "footway", "bridge": "yes"}, {"highway": "residential", "bridge": "viaduct"},
    {"highway": "footway", "tunnel": "yes"}, {"highway": "footway", "bridge": "no"},
    {"highway": "footway", "footway": "crossing", "crossing": "traffic_signals"},
    {"highway": "footway", "footway": "crossing", "crossing:signals": "yes"},
    {"highway": "steps", "bridge": "yes"}, {"highway": "path", "oneway:foot": "yes"},
]  # fmt: skip


@st.composite
def hilly_towns(draw):
    n = draw(st.integers(3, 10))
    spots = draw(st.lists(st.integers(0, 24), min_size=n, max_size=n, unique=True))
    nodes = {i + 1: (0.0011 * (c % 5), 0.0013 * (c // 5)) for i, c in enumerate(spots)}
    run = st.lists(st.sampled_from(sorted(nodes)), min_size=2, max_size=5)
    drawn = [[k for k, _ in groupby(r)] for r in draw(st.lists(run, min_size=1, max_size=6))]
    runs = [r for r in drawn if len(r) > 1] + [sorted(nodes)]
    ways = {i + 1: (r, draw(st.sampled_from(TAGS))) for i, r in enumerate(runs)}
    lights = draw(st.frozensets(st.sampled_from(sorted(nodes)), max_size=3))
    height = st.sampled_from([0.0, 3.0, 5.0, 9.5, 20.0, 31.0, 60.0, 500.0, -9999.0])
    cells = draw(st.lists(height, min_size=30, max_size=30))
    dem = draw(st.sampled_from([True, True, True, False]))
    return (
        nodes, ways, lights, np.array(cells).reshape(5, 6) if dem else None,
        draw(st.sampled_from([1.0, 1.7])), draw(st.sampled_from([0.0, 25.0])),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(hilly_towns())
def test_random_towns_agree_with_the_judge(tmp_path_factory, town):
    nodes, ways, lights, cells, steps_factor, seconds = town
    folder = tmp_path_factory.mktemp("town")
    path = write_lit(folder / "t.osm", nodes, ways, lights)
    plain = read_osm(path)
    bounds = (-0.00103, -0.00107, 0.00557, 0.00623)  # no node on a line of the grid
    dem = height = None
    if cells is not None:
        known = np.where(cells < -9000, np.nan, cells)
        height = Grid(known, *bounds)
        spots = zip(plain.vertex_lng, plain.vertex_lat, strict=True)
        assume(not all(math.isnan(height(*spot)) for spot in spots))  # that is another test
        dem = write_dem(folder / "d.tif", cells, bounds, nodata=-9999)
    effort = walking_effort(plain, dem=dem, steps_factor=steps_factor, signal_seconds=seconds)
    reader = Judge.read(path)
    judge = EffortJudge(
        reader.segments, reader.where, {i: tags for i, (_, tags) in ways.items()}, height=height,
        steps_factor=steps_factor, wait_m=seconds * 4 / 3.6, signals=lights,
    )  # fmt: skip
    agree(effort.network, judge, places_on(plain, 6, seed=len(ways)), 1e6, 6)
    inner = np.setdiff1d(np.arange(len(plain.vertex_id)), plain.vertex_start[:-1])
    forward, backward = effort.network.effort
    metres = plain.vertex_offset[inner] - plain.vertex_offset[inner - 1]
    there = forward[inner] - forward[inner - 1]
    back = backward[inner] - backward[inner - 1]
    least = math.exp(-0.175) * (1 - 1e-9)
    assert (there >= least * metres).all() and (back >= least * metres).all()
    assert (there + back >= 2 * metres * (1 - 1e-9)).all()
    assert ("has no heights" in said(effort)) == (judge.unknown_m > 0)
    assert ("steeper than" in said(effort)) == (judge.clipped_m > 0)


def write_lit(path, nodes, ways, lights, node_tags=None):
    """An OSM file whose nodes ``lights`` are crossings with traffic lights."""
    lit = node_tags or {"highway": "crossing", "crossing": "traffic_signals"}
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for i in sorted(nodes):
            writer.add_node(
                Node(id=i, location=nodes[i], version=1, tags=lit if i in lights else {})
            )
        for i in sorted(ways):
            writer.add_way(Way(id=i, nodes=list(ways[i][0]), tags=dict(ways[i][1]), version=1))
    return path


# --- models of every kind -------------------------------------------------------------------------


def degrees_of(line):
    return line.length * tobler(0.08), line.length * tobler(-0.08)


def test_utm_model(tmp_path, line):
    """A plane in UTM: its grid is scaled by up to 0.1 % against the ground."""
    x0, y0 = Transformer.from_crs(4326, 32631, always_xy=True).transform(0.0, 0.0)
    j = np.tile(np.arange(200), (100, 1))
    cells = 50 + 0.08 * (j + 0.5) * 25.0
    place = Affine(25.0, 0, x0 - 1500.0, 0, -25.0, y0 + 1200.0)
    dem = write_dem(tmp_path / "d.tif", cells, crs="EPSG:32631", transform=place)
    assert ends(walking_effort(line, dem=dem)) == pytest.approx(degrees_of(line), rel=1e-3)


def test_rotated_model(tmp_path, line):
    """The same plane on a grid turned by 30°, fine enough to be read in tiles."""
    place = (
        Affine.translation(-0.012, 0.0) @ Affine.rotation(30) @ Affine.scale(0.0001, -0.0001)
        @ Affine.translation(0, -100)
    )  # fmt: skip
    i, j = np.mgrid[:300, :300]
    lng = place.a * (j + 0.5) + place.b * (i + 0.5) + place.c
    cells = 100 + 0.08 * lng * 111_319.490793
    dem = write_dem(tmp_path / "d.tif", cells, transform=place)
    effort = walking_effort(line, dem=dem)
    assert ends(effort) == pytest.approx(degrees_of(line), rel=1e-6)
    assert "no heights" not in said(effort)


def test_read_in_tiles(tmp_path, line, monkeypatch):
    dem = write_dem(tmp_path / "d.tif", bumpy_cells((300, 500)))
    whole = walking_effort(line, dem=dem)
    for tile in (1, 7, 64):
        monkeypatch.setattr("servicecircle.streets.terrain._TILE", tile)
        tiled = walking_effort(line, dem=dem)
        assert (tiled.network.vertex_forward == whole.network.vertex_forward).all()


def test_whole_numbers_with_scale_offset_and_feet(tmp_path, line):
    plain = plane_cells(0.08)
    expected = ends(walking_effort(line, dem=write_dem(tmp_path / "p.tif", plain)))
    dem = write_dem(tmp_path / "d.tif", np.round((plain + 400) / 0.3048 / 0.002).astype("int32"))
    with rasterio.open(dem, "r+") as file:
        file.scales, file.offsets, file.units = (0.002,), (-400 / 0.3048,), ("ft",)
    effort = walking_effort(line, dem=dem)
    assert ends(effort) == pytest.approx(expected, rel=1e-3)
    assert effort.heights[0] == pytest.approx(100, abs=0.01)


def test_several_bands_mask_and_longitudes_to_360(tmp_path, line):
    plain = plane_cells(0.08)
    expected = ends(walking_effort(line, dem=write_dem(tmp_path / "p.tif", plain)))
    both = write_dem(tmp_path / "b.tif", np.stack([plain, plain * 0]))
    effort = walking_effort(line, dem=both)
    assert ends(effort) == expected and "2 bands; the first" in said(effort)
    west, south, east, north = TOWN
    around = write_dem(tmp_path / "w.tif", plain, (west + 360, south, east + 360, north))
    assert ends(walking_effort(line, dem=around)) == pytest.approx(expected, rel=1e-9)
    masked = write_dem(tmp_path / "m.tif", plain)
    with rasterio.open(masked, "r+") as file:
        mask = np.full(plain.shape, 255, "uint8")
        mask[:, 50:] = 0
        file.write_mask(mask)
    assert "has no heights for" in said(walking_effort(line, dem=masked))


def test_compound_crs_cgcs2000_and_a_chinese_path(tmp_path, line):
    folder = tmp_path / "武汉 高程！(30米)"
    folder.mkdir()
    plain = plane_cells(0.08)
    expected = ends(walking_effort(line, dem=write_dem(tmp_path / "p.tif", plain)))
    for crs in ("EPSG:4326+5773", "EPSG:4490"):
        dem = write_dem(folder / "数字高程.tif", plain, crs=crs)
        effort = walking_effort(line, dem=dem)
        assert ends(effort) == pytest.approx(expected, rel=1e-9)
        assert "数字高程.tif" in effort.notes[0][0]


def test_fine_models_are_walked_in_steps_of_five_metres(tmp_path, line):
    """A comb of 1 m kerbs: at 5 m steps it lies level, sampled at every cell it would be a wall."""
    side = 1 / 111_319.490793
    columns = np.arange(1200)
    cells = np.tile(np.where(columns % 5 == 2, 1.0, 0.0), (40, 1))
    west = -100.5 * side
    bounds = (west, -20 * side, west + 1200 * side, 20 * side)
    dem = write_dem(tmp_path / "d.tif", cells, bounds)
    along, _ = ends(walking_effort(line, dem=dem))
    assert along < 1.3 * line.length


# --- where heights are missing --------------------------------------------------------------------


def test_what_is_missing_counts_as_flat(tmp_path, line):
    """Heights only for the western half: the rest costs its metres, and is said."""
    west, south, _, north = TOWN
    east = metres_east(500)
    bounds = (west, south, east, north)
    dem = write_dem(tmp_path / "d.tif", plane_cells(0.10, bounds, (40, 125)), bounds)
    effort = walking_effort(line, dem=dem)
    along, _ = ends(effort)
    known_m = 500 - 30 - (east - west) / 125 * 111_319 / 2  # the last whole bit before the margin
    assert along - line.length == pytest.approx(known_m * (tobler(0.1) - 1), abs=30 * 0.42)
    assert "0.5 km of street (5" in said(effort) and "平地" in effort.notes[-1][0]
    assert np.isnan(effort.heights[-1]) and np.isfinite(effort.heights[0])


@pytest.mark.parametrize("hole", [np.nan, -32768.0, 65535.0, np.inf])
def test_holes_without_a_nodata_value(tmp_path, line, hole):
    cells = plane_cells(0.05)
    cells[:, 50:] = hole
    effort = walking_effort(line, dem=write_dem(tmp_path / "d.tif", cells))
    assert np.isfinite(effort.network.vertex_forward).all()
    assert "has no heights for" in said(effort)
    assert ("are treated as missing" in said(effort)) == (not math.isnan(hole))


def test_steeper_than_any_street_is_clipped(tmp_path, line):
    cells = plane_cells(0.0, base=0.0)
    cells[:, 45:] = 4000.0
    along, against = ends(effort := walking_effort(line, dem=write_dem(tmp_path / "d.tif", cells)))
    assert line.length < against < along < 40 * line.length
    assert "steeper than 100%" in said(effort)


REFUSED = {
    "elsewhere": "100.0000…101.0000, 30.0000…31.0000",
    "empty": "no height for any street",
    "absurd": "no height for any street",
    "one_cell": "no height for any street",
    "no_crs": "gdal_edit.py -a_srs",
    "local_crs": "gdal_edit.py -a_srs",
    "no_place": "gdal_edit.py -a_srs",
    "picture": "picture",
    "cut": "cut short or damaged",
    "head_only": "cut short or damaged",
    "scrambled": "cut short or damaged",
    "junk": "cut short or damaged",
    "text": "not a GeoTIFF",
    "nothing": "not a GeoTIFF",
    "folder": "no such elevation model",
    "absent": "no such elevation model",
}


def bad_dem(kind, path):  # noqa: PLR0911
    cells = bumpy_cells().astype("float32")
    rng = np.random.default_rng(0)
    match kind:
        case "elsewhere":
            return write_dem(path, cells, (100, 30, 101, 31))
        case "empty":
            return write_dem(path, np.full_like(cells, -1), nodata=-1)
        case "absurd":
            return write_dem(path, np.full((20, 20), -32768, "int16"))
        case "one_cell":
            return write_dem(path, cells[:1, :1])
        case "no_crs":
            return write_dem(path, cells, crs=None)
        case "local_crs":
            return write_dem(path, cells, crs='LOCAL_CS["site",UNIT["metre",1]]')
        case "picture":
            return write_dem(path, np.stack([cells] * 3).astype("uint8"), photometric="RGB")
        case "cut" | "head_only":
            data = write_dem(path, cells).read_bytes()
            path.write_bytes(data[: len(data) // 2 if kind == "cut" else 60])
        case "scrambled":
            data = bytearray(write_dem(path, cells, compress="deflate").read_bytes())
            data[len(data) // 3 : -200] = rng.integers(
                0, 256, len(data) - 200 - len(data) // 3, np.uint8
            ).tobytes()
            path.write_bytes(data)
        case "junk":
            path.write_bytes(b"II*\0" + rng.integers(0, 256, 3000, np.uint8).tobytes())
        case "text":
            path.write_text("ncols 4\nnrows 4\n")
        case "nothing":
            path.write_bytes(b"")
        case "folder":
            path.mkdir()
    return path


@pytest.mark.parametrize("kind", [k for k in REFUSED if k != "no_place"])
def test_refused_models(tmp_path, line, kind, capfd):
    dem = bad_dem(kind, tmp_path / "高程.tif")
    with pytest.raises(InputError, match=REFUSED[kind].replace(".", r"\.")) as found:
        walking_effort(line, dem=dem)
    assert "高程.tif" in found.value.zh and "高程.tif" in found.value.en
    assert capfd.readouterr() == ("", "")


def test_a_tiff_without_a_place(tmp_path, line, recwarn):
    dem = tmp_path / "scan.tif"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        write_dem(dem, bumpy_cells(), transform=Affine.identity())
    recwarn.clear()
    with pytest.raises(InputError, match=REFUSED["no_place"].replace(".", r"\.")):
        walking_effort(line, dem=dem)
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


# --- bridges and tunnels --------------------------------------------------------------------------


def valley(tmp_path):
    """Level at 100 m, but for a valley 80 m deep between 350 and 650 m east."""
    east = (TOWN[0] + (np.arange(500) + 0.5) * 0.05 / 500) * 111_319.490793
    cells = np.tile(np.where((east > 350) & (east < 650), 20.0, 100.0), (60, 1))
    return write_dem(tmp_path / "valley.tif", cells)


def crossing_town(path, tags, fork=False):
    """West bank, a bridge of three segments from 300 to 700 m, east bank; a fork on the bridge."""
    at = {1: 0, 2: 300, 3: 420, 4: 560, 5: 700, 6: 1000}
    nodes = {i: (metres_east(m), 0.0) for i, m in at.items()}
    ways = {1: ([1, 2], WALK), 2: ([2, 3, 4, 5], {**WALK, **tags}), 3: ([5, 6], WALK)}
    if fork:
        nodes |= {7: (metres_east(500), 0.0009), 8: (metres_east(800), 0.0009)}
        ways |= {4: ([4, 7, 8], {**WALK, **tags}), 5: ([8, 6], WALK)}
    return write_osm(path, nodes, ways)


@pytest.mark.parametrize(
    ("tags", "level"),
    [
        ({"bridge": "yes"}, True), ({"bridge": "viaduct"}, True), ({"tunnel": "yes"}, True),
        ({"bridge": "no"}, False), ({}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fork", [False, True])
def test_bridge_over_a_valley(tmp_path, tags, level, fork):
    network = read_osm(crossing_town(tmp_path / "t.osm", tags, fork))
    effort = walking_effort(network, dem=valley(tmp_path))
    a, c = [(0.0, 0.0)], [(metres_east(1000), 0.0)]
    plain, hilly = minutes(network, a, c)[0, 0], minutes(effort.network, a, c, 900)[0, 0]
    if level:
        assert hilly == plain
        assert (effort.network.vertex_forward == network.vertex_offset).all()
        assert effort.heights == pytest.approx(100.0)
    else:
        assert hilly > 2 * plain


def test_bridge_rises_evenly_from_bank_to_bank(tmp_path):
    """Banks at 100 m and 112 m: 400 m of bridge at 3 %, whatever the valley and a fork on it."""
    network = read_osm(crossing_town(tmp_path / "t.osm", {"bridge": "yes"}))
    cells = plane_cells(0.0, shape=(60, 500))
    east = (TOWN[0] + (np.arange(500) + 0.5) * 0.05 / 500) * 111_319.490793
    cells[:, (east > 350) & (east < 650)] = 5.0
    cells[:, east >= 650] = 112.0
    effort = walking_effort(network, dem=write_dem(tmp_path / "d.tif", cells))
    along, against = ends(effort)
    assert along == pytest.approx(600 + 400 * tobler(0.03), abs=0.2)
    assert against == pytest.approx(600 + 400 * tobler(-0.03), abs=0.2)
    height = dict(zip(network.vertex_id.tolist(), effort.heights, strict=True))
    assert height[3] == pytest.approx(100 + 12 * 120 / 400, abs=0.01)
    assert height[4] == pytest.approx(100 + 12 * 260 / 400, abs=0.01)


def test_bridge_hung_on_a_missing_height_and_one_in_the_air(tmp_path):
    network = read_osm(crossing_town(tmp_path / "t.osm", {"bridge": "yes"}))
    cells = plane_cells(0.0, shape=(60, 500))
    east = (TOWN[0] + (np.arange(500) + 0.5) * 0.05 / 500) * 111_319.490793
    cells[:, (east > 600) & (east < 800)] = np.nan  # the eastern bank
    cells[:, (east > 350) & (east < 500)] = 5.0
    effort = walking_effort(network, dem=write_dem(tmp_path / "d.tif", cells))
    assert (effort.network.vertex_forward == network.vertex_offset).all()
    assert "for 0.5 km of street" in said(effort)
    air = read_osm(line_town(tmp_path / "air.osm", [300, 700], bridge="yes"))
    effort = walking_effort(air, dem=write_dem(tmp_path / "d.tif", plane_cells(0.1)))
    assert ends(effort) == (air.length, air.length)
    assert effort.heights == pytest.approx(100.0)


def test_streets_that_a_planner_drew_count_too(tmp_path, line):
    """Their ways have numbers below zero."""
    dem = write_dem(tmp_path / "d.tif", plane_cells(0.1))
    way = np.where(line.vertex_way < 0, -1, -2)
    ways = line.ways.set_axis([-2]).assign(highway="steps")
    drawn = replace(line, vertex_way=way, ways=ways)
    assert ends(walking_effort(drawn, dem=dem)) == ends(walking_effort(line, dem=dem))
    assert ends(walking_effort(drawn, steps_factor=3)) == pytest.approx((3 * line.length,) * 2)


# --- steps and traffic lights ---------------------------------------------------------------------


def test_steps_cost_their_factor(tmp_path):
    nodes = {i: (metres_east(m), 0.0) for i, m in ((1, 0), (2, 400), (3, 500), (4, 1000))}
    ways = {1: ([1, 2], WALK), 2: ([2, 3], {"highway": "steps"}), 3: ([3, 4], WALK)}
    network = read_osm(write_osm(tmp_path / "t.osm", nodes, ways))
    effort = walking_effort(network, steps_factor=2.5)
    assert ends(effort) == pytest.approx((1150, 1150), abs=0.02)
    assert "0.1 km of steps; each metre counts as 2.5" in said(effort)
    middle = [(metres_east(450), 0.0)]
    away = minutes(effort.network, middle, [(0.0, 0.0)])[0, 0] * METRES_PER_MINUTE
    assert away == pytest.approx(400 + 50 * 2.5, abs=0.02)
    # on the steps the factor stands for the slope, beside them the slope counts
    dem = write_dem(tmp_path / "d.tif", plane_cells(0.1))
    sloped, _ = ends(walking_effort(network, dem=dem, steps_factor=2.5))
    assert sloped == pytest.approx(900 * tobler(0.1) + 250, abs=0.1)
    sloped, _ = ends(walking_effort(network, dem=dem))
    assert sloped == pytest.approx(1000 * tobler(0.1), abs=0.1)


def test_nothing_to_weigh_is_said(line):
    effort = walking_effort(line, steps_factor=2.0, signal_seconds=30)
    assert (effort.network.vertex_forward == line.vertex_offset).all()
    assert "no steps" in said(effort) and "No crossing with traffic lights" in said(effort)


@pytest.mark.parametrize(
    "lit",
    [
        {"highway": "crossing", "crossing": "traffic_signals"},
        {"highway": "crossing", "crossing:signals": "yes"},
        {"highway": "traffic_signals"},
    ],
)
def test_walkers_wait_and_the_carriageway_does_not(tmp_path, lit):
    """A footway crosses a street at node 3, which has lights."""
    y = 200 / 110_574.2757
    nodes = {1: (metres_east(-300), 0), 2: (metres_east(300), 0), 3: (0, 0), 4: (0, y), 5: (0, -y)}
    ways = {1: ([1, 3, 2], WALK), 2: ([4, 3, 5], {"highway": "footway"})}
    network = read_osm(write_lit(tmp_path / "t.osm", nodes, ways, {3}, lit))
    effort = walking_effort(network, signal_seconds=36, speed_kmh=4.0)
    ends_of = [nodes[i] for i in (1, 2, 4, 5)]
    waits = (minutes(effort.network, ends_of, ends_of) - minutes(network, ends_of, ends_of)) * 60
    expected = np.array([[0, 0, 18, 18], [0, 0, 18, 18], [18, 18, 0, 36], [18, 18, 36, 0]])
    assert waits == pytest.approx(expected, abs=1e-6)
    assert "at 1 crossings" in said(effort)


@pytest.mark.parametrize("node", [False, True])
def test_a_crossing_way_with_lights_waits_once(tmp_path, node):
    """The lights stand on the way, or on it and on its middle node: one wait either way."""
    nodes = {i: (metres_east(m), 0.0) for i, m in ((1, 0), (2, 100), (3, 108), (4, 130), (5, 200))}
    foot = {"highway": "footway"}
    lit = {**foot, "footway": "crossing", "crossing": "traffic_signals"}
    ways = {1: ([1, 2], foot), 2: ([2, 3, 4], lit), 3: ([4, 5], foot)}
    network = read_osm(write_lit(tmp_path / "t.osm", nodes, ways, {3} if node else set()))
    effort = walking_effort(network, signal_seconds=45)
    wait_m = 45 / 60 * METRES_PER_MINUTE
    assert ends(effort) == pytest.approx((network.length + wait_m,) * 2, abs=1e-9)
    assert "at 1 crossings" in said(effort)
    part = effort.network.vertex_forward - network.vertex_offset
    share = 0.5 if node else 8 / 30
    at = dict(zip(network.vertex_id.tolist(), part, strict=True))
    from_west = at[3] if at[1] == 0 else wait_m - at[3]
    assert at[2] in (0.0, pytest.approx(wait_m)) and from_west == pytest.approx(
        share * wait_m, rel=1e-3
    )


def test_the_network_handed_in_stays_as_it_was(tmp_path, line):
    before = line.vertex_offset.copy()
    dem = write_dem(tmp_path / "d.tif", bumpy_cells())
    effort = walking_effort(line, dem=dem, steps_factor=2, signal_seconds=9)
    assert line.vertex_forward is None and (line.vertex_offset == before).all()
    assert effort.network.ways is line.ways
    assert effort.network.edge_length is line.edge_length
