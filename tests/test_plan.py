"""Whole plans on towns answered by hand: files in, figures out; then properties of any plan."""

from __future__ import annotations

import csv
import json
from importlib import resources

import geopandas as gpd
import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point

from plans import (
    CANDIDATES,
    DEMAND,
    answer,
    chosen,
    demand_row,
    main_street,
    metres_east,
    place,
    saved,
    site_row,
    with_status,
    write_scenario,
)
from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.plan_folder import FILES, default_folder, figures
from servicecircle.stored_plan import guard

SCHEMA = json.loads(resources.files("servicecircle").joinpath("plan.schema.json").read_text())


def said(folder):
    """plan.json, held to its schema."""
    data = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(data)
    return data


def station_rows(folder):
    with (folder / "stations.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# --- main street, answered by hand (the town is drawn in plans.py) --------------------------------


def test_every_figure_of_a_plan(tmp_path):
    """Two new sites: C1 + C2 cover 20 + 30 + 25; C2 + C3 70, C1 + C3 65. E1 covers 10: 85 of 153.

    Only d3 (30) is within reach of two stations. d7 (40) is reached by a forbidden site alone, d8
    (8) is not snapped: both stay in the denominator.
    """
    plan = said(saved(main_street(tmp_path, new_sites=2), tmp_path / "out"))
    assert len(plan.pop("inputs")) == 4
    assert set(plan.pop("seconds")) == {"network", "tables", "snap", "reach", "locate"}
    share = plan.pop("covered_share"), plan.pop("covered_share_before")
    assert share == pytest.approx((85 / 153, 10 / 153))
    assert plan.pop("cross_covered_share") == pytest.approx(30 / 153)
    assert plan.pop("far_weight_share") == pytest.approx(8 / 153)
    (whole,) = plan.pop("districts")
    assert whole.pop("covered_share") == pytest.approx(85 / 153)
    assert whole == {"district": "", "minutes": 6.0, "stations": 3}
    assert plan == {
        "schema": "servicecircle-plan/1",
        "model": "mclp",
        "minutes": 6.0,
        "speed_kmh": 4.0,
        "weight_unit": "people",
        "chosen": ["E1", "C1", "C2"],
        "new_sites": ["C1", "C2"],
        "objective": 85.0,
        "bound": 85.0,
        "gap": 0.0,
        "proven": True,
        "proof": "multipliers",
        "stopped": "proof",
        "covered_weight": 85.0,
        "total_weight": 153.0,
        "covered_points": 4,
        "total_points": 8,
        "unreachable_weight": 40.0,
        "unsnapped_demand": 1,
        "unsnapped_sites": 0,
        "islands": {"count": 0, "metres": 0.0},
        "cost": 400.0,
        "notes": [],
        "attribution": "© OpenStreetMap contributors, ODbL 1.0",
    }


def test_inputs_name_files_and_rows(tmp_path):
    inputs = said(saved(main_street(tmp_path, new_sites=2), tmp_path / "out"))["inputs"]
    assert [(i["role"], i["file"], i["rows"], i["datum"]) for i in inputs] == [
        ("network", "town.osm", 1, "wgs84"),
        ("demand", "demand.csv", 8, "wgs84"),
        ("existing", "existing.csv", 1, "wgs84"),
        ("candidates", "candidates.csv", 5, "wgs84"),
    ]


@pytest.mark.parametrize(
    ("changes", "sites", "objective"),
    [
        # C1 + C2 + C3 = 90, with C4 95: every candidate adds something
        ({"new_sites": 3}, {"C1", "C2", "C3"}, 100),
        ({"new_sites": 99}, {"C1", "C2", "C3", "C4"}, 105),
        ({"new_sites": 0}, set(), 10),
        # a required site uses one up: C4 (5) + C2 (55), the best single one
        ({"new_sites": 2, "candidates": with_status("required", "C4")}, {"C2", "C4"}, 70),
        # without C2: C1 (50) + C3 (15)
        ({"new_sites": 2, "candidates": with_status("forbidden", "C2", "C5")}, {"C1", "C3"}, 75),
        # E1 closed (forbidden in its own table): its 10 are lost
        ({"new_sites": 2, "existing": [site_row("E1", 0, "", "关闭")]}, {"C1", "C2"}, 75),
        ({"new_sites": 2, "existing": ()}, {"C1", "C2"}, 75),
        # 300 yuan: C2 gains 55, C1 + C3 (250) 65, C1 + C3 + C4 (300) 70
        ({"budget": 300.0}, {"C1", "C3", "C4"}, 80),
        ({"budget": 299.0}, {"C1", "C3"}, 75),
        # an open C5 covers d7 (40): C2 (55) + C1 adds 20, + C5 adds 40
        ({"new_sites": 2, "candidates": with_status("", "C5")}, {"C2", "C5"}, 105),
    ],
)
def test_mclp(tmp_path, changes, sites, objective):
    plan = answer(main_street(tmp_path, **changes))
    assert (chosen(plan), plan.selection.objective) == (sites, objective)
    assert plan.selection.proven


@pytest.mark.parametrize(
    ("changes", "sites", "objective"),
    [
        # each of C1 … C4 has a point of its own (d2, d4, d5, d6); d7 and d8 cannot be covered
        ({}, {"C1", "C2", "C3", "C4"}, 4),
        ({"minimise": "cost"}, {"C1", "C2", "C3", "C4"}, 600),
        # without d2 and d4, d3 is left to C1 (100) or C2 (300): money decides
        (
            {"minimise": "cost", "demand": [d for d in DEMAND if d["demand_id"] not in "d2 d4"]},
            {"C1", "C3", "C4"},
            300,
        ),
        # C1 forbidden: d2 (700 m) is out of reach, and no longer asked for
        ({"candidates": with_status("forbidden", "C1", "C5")}, {"C2", "C3", "C4"}, 3),
    ],
)
def test_lscp(tmp_path, changes, sites, objective):
    plan = answer(main_street(tmp_path, **changes))
    assert (chosen(plan), plan.selection.objective) == (sites, objective)
    assert plan.selection.proven
    assert np.array_equal(plan.times_covered > 0, plan.reachable)


@pytest.mark.parametrize(
    ("changes", "sites", "objective"),
    [
        # half of 153 is 76.5, E1 has 10: two more are needed; of the pairs, C1 + C2 and C2 + C3 do
        ({"share": 0.5}, None, 2),
        # by money: C1 + C3 + C4 (300) reach 80, C1 + C2 cost 400, C1 + C3 (250) reach only 75
        ({"share": 0.5, "minimise": "cost"}, {"C1", "C3", "C4"}, 300),
        ({"share": 10 / 153}, set(), 0),
        ({"share": 105 / 153}, {"C1", "C2", "C3", "C4"}, 4),
        # 15.3 are wanted: E1 has 10, the required C4 5, one more makes it
        ({"share": 0.1, "candidates": with_status("required", "C4")}, None, 2),
    ],
)
def test_partial_cover(tmp_path, changes, sites, objective):
    plan = answer(main_street(tmp_path, **changes))
    assert plan.selection.objective == objective
    assert plan.selection.proven
    assert plan.covered_share >= changes["share"] - 1e-9
    if sites is not None:
        assert chosen(plan) == sites


def test_an_unattainable_share_says_what_can_be_had(tmp_path):
    """All allowed sites together cover 105 of 153, 68.6 %."""
    with pytest.raises(InfeasibleError, match=r"68\.6275%") as caught:
        answer(main_street(tmp_path, share=0.7))
    assert caught.value.attainable == pytest.approx(105 / 153)


# --- standards by place ---------------------------------------------------------------------------


def test_own_minutes_come_before_the_question(tmp_path):
    """d4 (25) asks for 4 minutes = 267 m; C2 is 300 m off: C2 gains 30, C1 50, C3 15."""
    demand = [{**row, "minutes": 4 if row["demand_id"] == "d4" else ""} for row in DEMAND]
    plan = answer(main_street(tmp_path, demand=demand, new_sites=1))
    assert chosen(plan) == {"C1"}
    assert plan.minutes_required.tolist() == [6, 6, 6, 4, 6, 6, 6, 6]
    assert not plan.reachable[3]


def test_districts_have_their_own_standard(tmp_path):
    """West (-200 … 2000 m) keeps the question's 6 minutes, East (2000 … 3300 m) has 3 = 200 m.

    C3 is 100 m from d5: covered. In the middle of East d9 (7), 250 m from C3: not covered.
    d6, d7, C4, C5 are in no district. d3 names West itself, and so does d2, with a standard of
    its own of 5 minutes = 333 m, which C1 (300 m) keeps.
    """
    extra = {"d2": {"district": "West", "minutes": 5}, "d3": {"district": "West"}}
    demand = [
        {**row, "district": "", "minutes": "", **extra.get(row["demand_id"], {})}
        for row in (*DEMAND, demand_row("d9", 2850, 7))
    ]
    districts = {"West": (-200, 2000, None), "East": (2000, 3300, 3.0)}
    path = main_street(tmp_path, demand=demand, districts=districts)
    plan = said(saved(path, tmp_path / "out"))
    assert plan["districts"] == [
        # d1 10, d2 20, d3 30, d4 25 covered of them and d8 8
        {"district": "West", "minutes": 6.0, "covered_share": 85 / 93, "stations": 3},
        {"district": "East", "minutes": 3.0, "covered_share": 15 / 22, "stations": 1},
        {"district": "", "minutes": 6.0, "covered_share": 5 / 45, "stations": 1},
    ]
    table = pd.read_parquet(tmp_path / "out" / "demand.parquet").set_index("demand_id")
    assert table["minutes_required"].to_dict() == {
        "d1": 6, "d2": 5, "d3": 6, "d4": 6, "d5": 3, "d6": 6, "d7": 6, "d8": 6, "d9": 3,
    }  # fmt: skip
    assert not table.loc["d9", "covered"]
    assert {row["site_id"]: row["district"] for row in station_rows(tmp_path / "out")} == {
        "E1": "West", "C1": "West", "C2": "West", "C3": "East", "C4": "",
    }  # fmt: skip


def test_a_station_in_no_district_is_counted_under_the_empty_name(tmp_path):
    """All demand lies in the one district, C4 (4000 m) does not."""
    demand = [row for row in DEMAND if row["demand_id"] not in ("d6", "d7")]
    districts = {"West": (-200, 3000, None)}
    candidates = with_status("required", "C4")
    path = main_street(
        tmp_path, demand=demand, districts=districts, candidates=candidates, new_sites=2
    )
    rows = said(saved(path, tmp_path / "out"))["districts"]
    assert [(r["district"], r["stations"]) for r in rows] == [("West", 2), ("", 1)]
    assert rows[1]["covered_share"] is None


def test_the_smallest_of_nested_districts_counts(tmp_path):
    districts = {"all": (-200, 7000, 12.0), "core": (600, 1400, 6.0)}
    plan = answer(main_street(tmp_path, districts=districts, new_sites=1))
    assert plan.demand["district"].tolist() == ["all", "core", "core"] + ["all"] * 5
    assert plan.minutes_required.tolist() == [12, 6, 6] + [12] * 5


def test_districts_nobody_knows_are_noted(tmp_path):
    demand = [{**row, "district": "Wset"} for row in DEMAND]
    districts = {"West": (-200, 7000, 3.0)}
    plan = answer(main_street(tmp_path, demand=demand, districts=districts, new_sites=1))
    assert plan.minutes_required.tolist() == [6.0] * 8
    assert any("Wset" in zh and "Wset" in en for zh, en in plan.notes)


def test_a_standard_above_thirty_widens_the_cutoff(tmp_path):
    """45 minutes are 3,000 m: C1 alone (1000 m) covers d1 … d5 and its own 45-minute point d6."""
    demand = [{**row, "minutes": 50 if row["demand_id"] == "d6" else ""} for row in DEMAND]
    plan = answer(main_street(tmp_path, demand=demand, new_sites=1, existing=(), minutes=5.0))
    assert plan.times.cutoff == 50
    assert plan.times_covered[5] == 1  # 3100 m = 46.5 minutes
    out = saved(
        main_street(tmp_path, demand=demand, new_sites=1, existing=(), minutes=5.0),
        tmp_path / "out",
    )
    table = pd.read_parquet(out / "demand.parquet").set_index("demand_id")
    assert table.loc["d6", "covered"]
    # beyond its own standard, but within the cutoff: the nearest station is still named
    assert table.loc["d5", "minutes"] > 5
    assert isinstance(table.loc["d5", "site_id"], str)


# --- odd towns ------------------------------------------------------------------------------------


def test_weights_all_zero(tmp_path):
    """Nobody lives here: nothing is worth covering, and shares are 0, not a division by zero."""
    demand = [{**row, "weight": 0} for row in DEMAND]
    plan = said(saved(main_street(tmp_path, demand=demand, new_sites=2), tmp_path / "out"))
    assert (plan["objective"], plan["covered_share"], plan["proven"]) == (0, 0, True)
    assert plan["districts"][0]["covered_share"] is None


def test_one_demand_point_one_candidate(tmp_path):
    path = main_street(
        tmp_path, demand=DEMAND[2:3], candidates=CANDIDATES[:1], existing=(), new_sites=5
    )
    plan = said(saved(path, tmp_path / "out"))
    assert (plan["chosen"], plan["covered_share"]) == (["C1"], 1.0)


def test_points_without_weights_count_as_one_each(tmp_path):
    demand = [{k: v for k, v in row.items() if k != "weight"} for row in DEMAND]
    plan = said(saved(main_street(tmp_path, demand=demand, new_sites=1), tmp_path / "out"))
    assert (plan["weight_unit"], plan["total_weight"], plan["objective"]) == ("points", 8, 3)
    assert [note["zh"].startswith("demand.csv：没有权重列") for note in plan["notes"]] == [True]


def test_all_candidates_forbidden_leaves_todays_stations(tmp_path):
    candidates = with_status("forbidden", *(row["site_id"] for row in CANDIDATES))
    plan = answer(main_street(tmp_path, candidates=candidates, new_sites=2))
    assert (chosen(plan), plan.selection.objective, plan.cost) == (set(), 10, 0)
    with pytest.raises(QuestionError, match="所有站点都是禁用状态"):
        answer(main_street(tmp_path, candidates=candidates, existing=(), new_sites=2))


def test_cost_is_null_where_one_is_unknown(tmp_path):
    """C1 has no cost: nothing can be said of C1 + C2; C2 + C3 are 450."""
    candidates = [{**r, "cost": "" if r["site_id"] == "C1" else r["cost"]} for r in CANDIDATES]
    assert answer(main_street(tmp_path, candidates=candidates, new_sites=2)).cost is None
    forced = [{**r, "status": "forbidden" if r["site_id"] == "C1" else r["status"]}
              for r in candidates]  # fmt: skip
    assert answer(main_street(tmp_path, candidates=forced, new_sites=2)).cost == 450
    assert answer(main_street(tmp_path, candidates=candidates, new_sites=0)).cost == 0


def test_a_required_site_beside_no_street_is_opened_and_counted(tmp_path):
    candidates = [*CANDIDATES, {**site_row("C9", 1000, 1, "required"), **place(1000, 700)}]
    plan = said(saved(main_street(tmp_path, candidates=candidates, new_sites=2), tmp_path / "o"))
    assert (plan["new_sites"], plan["unsnapped_sites"]) == (["C2", "C9"], 1)


def test_odd_ids_stay_text(tmp_path):
    """Leading zeros, a minus, Chinese, slashes: all ids of the contract's alphabet."""
    demand = [
        demand_row("007", 100, 1), demand_row("-1", 200, 1), demand_row("点/1", 300, 1),
    ]  # fmt: skip
    candidates = [site_row("-1", 200), site_row("0010", 5000), site_row("-a", 300)]
    path = write_scenario(tmp_path, demand=demand, candidates=candidates)
    out = saved(path, tmp_path / "out")
    assert said(out)["chosen"] in (["-1"], ["-a"])
    assert pd.read_parquet(out / "demand.parquet")["demand_id"].tolist() == ["007", "-1", "点/1"]
    assert station_rows(out)[0]["site_id"] in ("-1", "'-a")  # -1 computes nothing, -a does
    with np.load(out / "certificate.npz", allow_pickle=False) as arrays:
        assert arrays["site_id"].tolist() == ["-1", "0010", "-a"]


NAMES = [
    '=HYPERLINK("http://x","y")',
    "+86 10",
    "a,b;c",
    'say "hi"',
    "two\nlines",
    "🏥 社区",
    "@x",
    "\tx",
]


def test_names_survive_and_cannot_compute(tmp_path):
    """Excel opens stations.csv as UTF-8 (BOM), and takes no cell for a formula."""
    candidates = [
        site_row(f"C{i}", 500 * i, **{"负责人": name}) | {"name": name}
        for i, name in enumerate(NAMES)
    ]
    demand = [demand_row(f"d{i}", 500 * i, 1) for i in range(len(NAMES))]
    path = write_scenario(tmp_path, demand=demand, candidates=candidates, minutes=1.0)
    out = saved(path, tmp_path / "out")
    raw = (out / "stations.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = station_rows(out)
    assert [row["name"] for row in rows] == [guard(name.strip()) for name in NAMES]
    for column in ("name", "负责人"):
        assert not any(row[column].startswith(("=", "+", "@", "\t")) for row in rows)
    layer = gpd.read_file(out / "stations.geojson")
    assert layer["name"].tolist() == [name.strip() for name in NAMES]


def test_own_columns_of_any_type_travel_along(tmp_path):
    """A GeoPackage with dates, truths and gaps in the planner's own columns."""
    path = main_street(tmp_path, new_sites=2)
    rows = pd.DataFrame(CANDIDATES).drop(columns=["lng", "lat", "cost"])
    rows["opened"] = pd.to_datetime(["2020-01-02", None, None, None, None])
    rows["area"] = [1.5, None, 3, 4, 5]
    points = [Point(c["lng"], c["lat"]) for c in CANDIDATES]
    layer = gpd.GeoDataFrame(rows, geometry=points, crs=4326)
    layer.to_file(tmp_path / "candidates.gpkg")
    text = path.read_text(encoding="utf-8").replace("candidates.csv", "candidates.gpkg")
    path.write_text(text, encoding="utf-8")
    out = saved(path, tmp_path / "out")
    row = next(row for row in station_rows(out) if row["site_id"] == "C1")
    assert row["opened"].startswith("2020-01-02")
    assert row["area"] == "1.5"
    assert len(gpd.read_file(out / "stations.geojson")) == 3


# --- the files ------------------------------------------------------------------------------------


def test_the_files_of_the_contract(tmp_path):
    out = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    assert {path.name for path in out.iterdir()} == set(FILES)
    rows = station_rows(out)
    assert list(rows[0])[:10] == [
        "site_id", "name", "lng", "lat", "status", "kind", "cost", "new", "covers_weight",
        "only_covers_weight",
    ]  # fmt: skip
    # C1 covers d2 20 + d3 30, and d3 is C2's too
    c1 = rows[1]
    assert (c1["site_id"], c1["new"]) == ("C1", "true")
    assert (float(c1["covers_weight"]), float(c1["only_covers_weight"])) == (50, 20)


def test_demand_parquet_by_hand(tmp_path):
    """d1 is 100 m from E1: 1.5 minutes; d7 is 3400 m from C2 (51 minutes): beyond the cutoff."""
    out = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    table = pd.read_parquet(out / "demand.parquet").set_index("demand_id")
    assert list(table.columns)[:9] == [
        "lng", "lat", "weight", "minutes_required", "snapped", "site_id", "minutes", "covered",
        "times_covered",
    ]  # fmt: skip
    assert table["site_id"].fillna("-").tolist() == ["E1", "C1", "C1", "C2", "C2", "-", "-", "-"]
    assert table.loc["d1", "minutes"] == pytest.approx(1.5, abs=1e-3)
    assert table["minutes"].isna().tolist() == [False] * 5 + [True] * 3
    assert table["times_covered"].tolist() == [1, 1, 2, 1, 0, 0, 0, 0]
    assert table["snapped"].tolist() == [True] * 7 + [False]
    assert table["covered"].dtype == bool
    assert table["minutes"].dtype == float


def test_the_certificate_holds_no_pickle(tmp_path):
    out = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    with np.load(out / "certificate.npz", allow_pickle=False) as arrays:
        assert {
            "indptr", "indices", "minutes", "demand_id", "weight", "minutes_required", "site_id",
            "status", "cost", "chosen", "multipliers",
        } <= set(arrays.files)  # fmt: skip
        assert all(arrays[name].dtype != object for name in arrays.files)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("西宁", "西宁-plan"),
        ("../../x", "x-plan"),
        ("/etc/passwd", "etc_passwd-plan"),
        ("a\x1b[31m\nb\u202ec", "a_[31m_b_c-plan"),
        ("...", "plan-plan"),
        ("", "plan-plan"),
        ('C:\\x|"y"', "C_x_y-plan"),
    ],
)
def test_titles_make_harmless_folder_names(title, name):
    folder = default_folder(title)
    assert len(folder.parts) == 1
    assert folder.name == name


def test_a_long_title_makes_a_name_that_fits():
    assert len(default_folder("🏥" * 300).name.encode()) < 230


# --- properties -----------------------------------------------------------------------------------


@st.composite
def street_towns(draw):
    """Demand and candidates at random places of the street, with random weights."""
    metres = st.integers(0, 5900)
    demand = draw(st.lists(st.tuples(metres, st.integers(0, 9)), min_size=1, max_size=12))
    sites = draw(st.lists(metres, min_size=1, max_size=6))
    return (
        [demand_row(f"d{i}", x, w) for i, (x, w) in enumerate(demand)],
        [site_row(f"c{i}", x, 10 + i) for i, x in enumerate(sites)],
    )


def covered(folder, town, **question):
    """Covered weight of the best plan; nothing where no candidate is in reach of anything."""
    demand, candidates = town
    path = write_scenario(folder, demand=demand, candidates=candidates, **question)
    try:
        return answer(path).selection.objective
    except QuestionError:
        return 0.0


@settings(max_examples=15, deadline=None)
@given(street_towns(), st.integers(1, 4))
def test_one_more_site_never_covers_less(tmp_path_factory, town, sites):
    folder = tmp_path_factory.mktemp("town")
    fewer = covered(folder, town, new_sites=sites)
    assert covered(folder, town, new_sites=sites + 1) >= fewer


@settings(max_examples=15, deadline=None)
@given(street_towns(), st.floats(1, 40), st.floats(0.1, 20))
def test_a_longer_standard_never_covers_less(tmp_path_factory, town, minutes, more):
    folder = tmp_path_factory.mktemp("town")
    shorter = covered(folder, town, new_sites=2, minutes=minutes)
    assert covered(folder, town, new_sites=2, minutes=minutes + more) >= shorter


@settings(max_examples=15, deadline=None)
@given(street_towns(), st.lists(st.sampled_from(["", 1, 4, 35]), min_size=12, max_size=12))
def test_every_point_is_held_to_its_own_standard(tmp_path_factory, town, minutes):
    """Recounted from the places: metres to the nearest open station against 1 km per 15 minutes."""
    demand, candidates = town
    rows = [{**row, "minutes": m} for row, m in zip(demand, minutes, strict=False)]
    candidates = [{**row, "status": "required"} for row in candidates]
    path = write_scenario(
        tmp_path_factory.mktemp("town"), demand=rows, candidates=candidates, new_sites=9
    )
    try:
        plan = answer(path)
    except QuestionError:
        return
    at = np.array([row["lng"] for row in candidates]) / metres_east(1)
    for i, row in enumerate(rows):
        metres = np.abs(at - row["lng"] / metres_east(1)).min()
        allowed = (row["minutes"] or 6.0) * 4000 / 60
        if abs(metres - allowed) > 0.1:
            assert (plan.times_covered[i] > 0) == (metres < allowed)


def test_figures_hold_to_the_schema_on_a_real_city(helsinki, tmp_path):
    """Random points around the centre of Helsinki."""
    rng = np.random.default_rng(0)
    lng, lat = 24.945 + rng.uniform(-0.006, 0.006, 60), 60.172 + rng.uniform(-0.003, 0.003, 60)
    rows = [
        {"demand_id": f"d{i}", "lng": x, "lat": y, "weight": i % 7}
        for i, (x, y) in enumerate(zip(lng, lat, strict=True))
    ]
    sites = [{"site_id": f"c{i}", "lng": r["lng"], "lat": r["lat"]} for i, r in enumerate(rows)]
    path = write_scenario(tmp_path, demand=rows[:40], candidates=sites[40:], new_sites=4)
    text = path.read_text(encoding="utf-8").replace('"town.osm"', json.dumps(str(helsinki)))
    path.write_text(text, encoding="utf-8")
    jsonschema.Draft202012Validator(SCHEMA).validate(figures(answer(path)))
