"""``check``: honest folders pass, and every tampering that could be thought of is refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w

from plans import demand_row, main_street, metres_east, saved, site_row, write_scenario
from servicecircle.check import Report, check_folder, summary
from servicecircle.check_streets import rebuild
from servicecircle.errors import OutputError
from towns import line_town

# --- honest folders -------------------------------------------------------------------------------


def knapsack(folder: Path) -> Path:
    """Three sites with their own demand, 10 yuan: {5, 5} gives 18.3, {6} alone 11.3.

    The relaxation takes 6 and four fifths of a 5, 18.66: only a tree proves 18.3.
    """
    demand = [demand_row(f"d{i}", 2000 * i, w) for i, w in enumerate((11.3, 9.1, 9.2))]
    sites = [site_row(f"C{i}", 2000 * i, c) for i, c in enumerate((6, 5, 5))]
    return write_scenario(folder, demand=demand, candidates=sites, budget=10.0)


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """Folders of every model and proof, by name; never written to."""
    base = tmp_path_factory.mktemp("good")
    west_and_east = {"W": (-200, 2000, None), "E": (2000, 9000, 3.0)}
    questions = {
        "mclp": {"new_sites": 2},
        "budget": {"budget": 300.0},
        "lscp": {},
        "partial": {"share": 0.5},
        "cheapest": {"share": 0.5, "minimise": "cost"},
        "districts": {"new_sites": 2, "districts": west_and_east},
    }
    folders = {
        name: saved(main_street(base / name, **asked), base / name / "out")
        for name, asked in questions.items()
    }
    folders["tree"] = saved(knapsack(base / "tree"), base / "tree" / "out")
    return folders


@pytest.fixture
def copy(good, tmp_path):
    """A copy of a good folder, with the town's own files beside it."""

    def make(name):
        shutil.copytree(good[name].parent, tmp_path / name)
        return tmp_path / name / "out"

    return make


MODELS = ("mclp", "budget", "lscp", "partial", "cheapest", "districts", "tree")


@pytest.mark.parametrize("name", MODELS)
def test_honest_folders_pass(good, name):
    report = check_folder(good[name])
    assert summary(report.failed) == ""
    rebuild(good[name], report)
    assert summary(report.failed) == ""
    assert report.exit_code == 0


def test_a_tree_carries_the_bound_of_the_knapsack(good):
    said = json.loads((good["tree"] / "plan.json").read_text())
    assert said["proof"] == "tree"
    assert said["bound"] == said["objective"] == pytest.approx(18.3)


def test_the_solvers_word_alone_is_told_apart(copy):
    folder = copy("mclp")
    edit_json(folder, lambda said: said.update(proof="solver"))
    report = check_folder(folder)
    assert (summary(report.failed), report.exit_code) == ("", 3)


def test_a_weaker_bound_without_proof_of_the_optimum_passes(copy):
    """What a run stopped early says: gap 10 %, not proven, on the word of the solver."""
    folder = copy("mclp")
    edit_json(folder, lambda said: said.update(proof="solver", bound=93.5, gap=0.1, proven=False))
    assert check_folder(folder).exit_code == 3


def test_check_needs_no_solver_and_no_spatial_library(good):
    code = (
        "import sys; from servicecircle.check import check_folder; from pathlib import Path;"
        f"assert check_folder(Path({str(good['tree'])!r})).exit_code == 0;"
        "print([m for m in ('highspy', 'scipy', 'numba', 'geopandas', 'shapely')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_claims_are_said_in_both_languages(copy):
    folder = copy("mclp")
    edit_json(folder, lambda said: said.update(covered_points=5))
    failed = check_folder(folder).failed
    assert summary(failed) == "✗ covered_points: 所述 5，复算 4"
    assert summary(failed, "en") == "✗ covered_points: said 5, counted 4"


# --- ways to edit a folder ------------------------------------------------------------------------


def edit_json(folder, change, name="plan.json"):
    path = folder / name
    said = json.loads(path.read_text(encoding="utf-8"))
    change(said)
    path.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")


def edit_npz(folder, change):
    path = folder / "certificate.npz"
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays.update(change(arrays))
    np.savez(path, **arrays)


def edit_parquet(folder, change):
    path = folder / "demand.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)


def edit_csv(folder, change):
    path = folder / "stations.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    changed = change(rows)
    rows = rows if changed is None else changed
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def edit_toml(folder, **question):
    path = folder / "scenario.toml"
    scenario = tomllib.loads(path.read_text(encoding="utf-8"))
    scenario["question"].update(question)
    path.write_text(tomli_w.dumps(scenario), encoding="utf-8")


def put(array, at, value):
    """A copy of an array with one entry replaced."""
    array = array.copy()
    array[at] = value
    return array


# --- tamperings -----------------------------------------------------------------------------------

# plan.json: (folder, what is said instead); figures that are off, and figures of another type
SAID = {
    "objective up": ("mclp", {"objective": 86.0}),
    "objective as text": ("mclp", {"objective": "85.0"}),
    "objective as a list": ("mclp", {"objective": [85.0]}),
    "objective of lscp down": ("lscp", {"objective": 3.0}),
    "objective and bound down": ("lscp", {"objective": 3.0, "bound": 3.0}),
    "bound raised": ("mclp", {"bound": 90.0, "gap": 5 / 85, "proven": False}),
    "bound lowered": ("mclp", {"bound": 84.0, "gap": 1 / 85, "proven": False}),
    "bound of the tree": ("tree", {"bound": 18.2, "gap": 0.1 / 18.3, "proven": False}),
    "bound of lscp raised": ("lscp", {"bound": 5.0, "gap": 0.25, "proven": False}),
    "bound of partial_cover lowered": ("partial", {"bound": 1.0, "gap": 0.5, "proven": False}),
    "bound on the wrong side, solver": ("mclp", {"bound": 80.0, "gap": 5 / 85, "proof": "solver"}),
    "gap": ("mclp", {"gap": 0.01}),
    "gap hidden": ("mclp", {"bound": 90.0, "proof": "solver"}),
    "proven denied": ("mclp", {"proven": False}),
    "proven as a number": ("mclp", {"proven": 1}),
    "proven without a proof": (
        "mclp", {"bound": 90.0, "gap": 5 / 85, "proven": True, "proof": "solver"},
    ),
    "tree's proof said to be multipliers": ("tree", {"proof": "multipliers"}),
    "multipliers said to be a tree": ("mclp", {"proof": "tree"}),
    "proof of an unknown kind": ("mclp", {"proof": "faith"}),
    "model": ("mclp", {"model": "lscp"}),
    "minutes": ("mclp", {"minutes": 5.0}),
    "speed": ("mclp", {"speed_kmh": 3.0}),
    "weight_unit": ("mclp", {"weight_unit": "points"}),
    "weight_unit unknown": ("mclp", {"weight_unit": "households"}),
    "another site chosen": ("mclp", {"chosen": ["E1", "C1", "C3"], "new_sites": ["C1", "C3"]}),
    "one more site": ("mclp", {"new_sites": ["C1", "C2", "C4"]}),
    "an existing station left out": ("mclp", {"chosen": ["C1", "C2"]}),
    "covered_weight": ("mclp", {"covered_weight": 95.0}),
    "total_weight": ("mclp", {"total_weight": 145.0}),
    "covered_share": ("mclp", {"covered_share": 85 / 145}),
    "covered_share_before": ("mclp", {"covered_share_before": 0.0}),
    "covered_points": ("mclp", {"covered_points": 5}),
    "covered_points as a truth": ("mclp", {"covered_points": True}),
    "total_points": ("mclp", {"total_points": 7}),
    "cross_covered_share": ("mclp", {"cross_covered_share": 0.0}),
    "unreachable_weight": ("mclp", {"unreachable_weight": 0.0}),
    "unsnapped_demand": ("mclp", {"unsnapped_demand": 0}),
    "unsnapped_sites": ("mclp", {"unsnapped_sites": 1}),
    "far_weight_share": ("mclp", {"far_weight_share": 0.0}),
    "cost": ("mclp", {"cost": 300.0}),
    "cost kept quiet": ("mclp", {"cost": None}),
    "cost of lscp": ("lscp", {"cost": 0.0}),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_a_false_figure_is_refused(copy, case):
    name, changes = SAID[case]
    folder = copy(name)
    edit_json(folder, lambda said: said.update(changes))
    assert check_folder(folder).exit_code == 1


def _district(**changes):
    return lambda said: said["districts"][0].update(changes)


PLAN_EDITS = {
    "a figure removed": lambda said: said.pop("covered_share"),
    "share of a district": _district(covered_share=0.99),
    "share of a district kept quiet": _district(covered_share=None),
    "stations of a district": _district(stations=1),
    "minutes of a district": _district(minutes=15.0),
    "a district left out": lambda said: said["districts"].pop(1),
    "a district twice": lambda said: said["districts"].append(said["districts"][0]),
    "no districts": lambda said: said.update(districts=[]),
    "sha256 of the streets": lambda said: said["inputs"][0].update(sha256="0" * 64),
    "another OSM file": lambda said: said["inputs"][0].update(file="other.osm"),
    "rows of the demand": lambda said: said["inputs"][1].update(rows=7),
    "an input left out": lambda said: said["inputs"].pop(),
    "an input twice": lambda said: said["inputs"].append(said["inputs"][1]),
    "datum of the demand": lambda said: said["inputs"][1].update(datum="gcj02"),
}


@pytest.mark.parametrize("case", PLAN_EDITS)
def test_a_false_detail_is_refused(copy, case):
    folder = copy("districts")
    edit_json(folder, PLAN_EDITS[case])
    assert check_folder(folder).exit_code == 1


def leaves_of(value, path=()):
    """(path, value) of every number, text, truth and null in a JSON document."""
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in leaves_of(part, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, part in enumerate(value) for leaf in leaves_of(part, (*path, i))]
    return [(path, value)]


def another(value):
    """A value of the same kind that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value * 1.001 + 0.001 if isinstance(value, float) else value + 1
    return "x" if value is None else value + "x"


# said, but by no means countable from the folder: times, words, digests of tables …
UNCOUNTED = {"seconds", "notes", "attribution", "osm_date"}
WITH_THE_STREETS = {"islands"}  # … and what only --rebuild can tell


def is_counted(path):
    digest_of_a_table = path[0] == "inputs" and path[2] == "sha256" and path[1] > 0
    edges = path == ("inputs", 0, "rows")
    rows_of_districts = path[0] == "inputs" and path[1] == 4 and path[2] == "rows"
    return not (
        (UNCOUNTED | WITH_THE_STREETS) & set(path)
        or digest_of_a_table or edges or rows_of_districts
    )  # fmt: skip


def test_no_figure_can_be_changed_alone(copy):
    """Every single number, word and truth of plan.json, one after the other."""
    folder = copy("districts")
    text = (folder / "plan.json").read_text(encoding="utf-8")
    passed = []
    for path, value in leaves_of(json.loads(text)):
        said = json.loads(text)
        part = said
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = another(value)
        (folder / "plan.json").write_text(json.dumps(said), encoding="utf-8")
        try:
            holds = check_folder(folder).exit_code in (0, 3)
        except OutputError:
            holds = False
        if holds:
            passed.append(path)
    assert [path for path in passed if is_counted(path)] == []


def test_no_cell_of_the_demand_table_can_be_changed_alone(copy):
    folder = copy("districts")
    table = pd.read_parquet(folder / "demand.parquet")
    passed = []
    for column in table.columns:
        for row in range(len(table)):
            value = table[column].iloc[row]
            value = value.item() if isinstance(value, np.generic) else value
            value = None if pd.isna(value) else value
            changed = 1.0 if value is None and column == "minutes" else another(value)
            cells = table[column].tolist()
            cells[row] = changed
            table.assign(**{column: pd.Series(cells, dtype=table[column].dtype)}).to_parquet(
                folder / "demand.parquet", index=False
            )
            if check_folder(folder).exit_code != 1:
                passed.append((column, row))
    assert passed == []


# certificate.npz; sites are E1, C1 … C5, demand d1 … d8
CERTIFICATE = {
    "chosen flipped": ("mclp", lambda a: {"chosen": ~a["chosen"]}),
    "a site chosen": ("mclp", lambda a: {"chosen": put(a["chosen"], 3, True)}),
    "a nearer walk": ("mclp", lambda a: {"minutes": a["minutes"] * 0.5}),
    "minutes of walks beyond the standard": (
        "mclp", lambda a: {"minutes": np.minimum(a["minutes"], 5.9)},
    ),
    "a weight": ("mclp", lambda a: {"weight": put(a["weight"], 2, 60.0)}),
    "a weight not finite": ("mclp", lambda a: {"weight": put(a["weight"], 2, np.nan)}),
    "a weight negative": ("mclp", lambda a: {"weight": put(a["weight"], 6, -40.0)}),
    "weight of the unreachable dropped": (
        "mclp", lambda a: {"weight": put(a["weight"], slice(6, 8), 0.0)},
    ),
    "minutes_required": ("mclp", lambda a: {"minutes_required": a["minutes_required"] + 9}),
    "minutes_required and own minutes": (
        "mclp",
        lambda a: {"minutes_required": a["minutes_required"] * 0 + 9,
                   "minutes_own": a["minutes_required"] * 0 + 9},
    ),
    "multipliers doubled": ("mclp", lambda a: {"multipliers": a["multipliers"] * 2}),
    "multipliers halved": ("partial", lambda a: {"multipliers": a["multipliers"] * 0.5}),
    "multipliers of lscp halved": ("lscp", lambda a: {"multipliers": a["multipliers"] * 0.5}),
    "multipliers not finite": (
        "mclp", lambda a: {"multipliers": put(a["multipliers"], 0, np.nan)},
    ),
    "multipliers infinite": (
        "lscp", lambda a: {"multipliers": put(a["multipliers"], 1, np.inf)},
    ),
    "multipliers negative": (
        "mclp", lambda a: {"multipliers": put(a["multipliers"], 1, -1.0)},
    ),
    "multipliers too few": ("mclp", lambda a: {"multipliers": a["multipliers"][:-1]}),
    "share_multiplier": ("partial", lambda a: {"share_multiplier": np.float64(0.0)}),
    "share_multiplier negative": ("partial", lambda a: {"share_multiplier": np.float64(-1.0)}),
    "budget_multiplier": ("budget", lambda a: {"budget_multiplier": np.float64(99.0)}),
    "status: forbidden chosen": (
        "mclp", lambda a: {"status": put(a["status"], 1, "forbidden")},
    ),
    "status: existing closed": ("mclp", lambda a: {"status": put(a["status"], 0, "forbidden")}),
    "status: required not chosen": ("mclp", lambda a: {"status": put(a["status"], 3, "required")}),
    "status unknown": ("mclp", lambda a: {"status": put(a["status"], 4, "maybe")}),
    "status: new made existing": ("mclp", lambda a: {"status": put(a["status"], 1, "existing")}),
    "cost lowered": ("budget", lambda a: {"cost": put(a["cost"], 1, 1.0)}),
    "cost negative": ("budget", lambda a: {"cost": put(a["cost"], 2, -300.0)}),
    "cost of a rival unknown": ("budget", lambda a: {"cost": put(a["cost"], 2, np.nan)}),
    "a site moved": ("mclp", lambda a: {"site_lng": a["site_lng"] + 1e-5}),
    "a point moved": ("mclp", lambda a: {"demand_lat": a["demand_lat"] + 1e-5}),
    "gaps longer than the walks": ("mclp", lambda a: {"gap_m": a["gap_m"] + 300}),
    "an unsnapped point": ("mclp", lambda a: {"gap_m": put(a["gap_m"], 1, np.inf)}),
    "gap negative": ("mclp", lambda a: {"gap_m": put(a["gap_m"], 1, -1.0)}),
    "an unsnapped site": ("mclp", lambda a: {"site_gap_m": put(a["site_gap_m"], 4, np.inf)}),
    "a station's district": (
        "districts", lambda a: {"site_district": put(a["site_district"], 1, "E")},
    ),
    "two sites of one id": ("mclp", lambda a: {"site_id": put(a["site_id"], 5, "C4")}),
    "two points of one id": ("mclp", lambda a: {"demand_id": put(a["demand_id"], 5, "d1")}),
    "a pair twice": (
        "mclp",
        lambda a: {"indices": np.insert(a["indices"], 0, a["indices"][0]),
                   "minutes": np.insert(a["minutes"], 0, a["minutes"][0]),
                   "indptr": a["indptr"] + (np.arange(len(a["indptr"])) > 0)},
    ),
    "a site that does not exist": ("mclp", lambda a: {"indices": put(a["indices"], 0, 6)}),
    "a site below zero": ("mclp", lambda a: {"indices": put(a["indices"], 0, -1)}),
    "indptr runs back": ("mclp", lambda a: {"indptr": put(a["indptr"], 2, 0)}),
    "indptr beyond the end": ("mclp", lambda a: {"indptr": a["indptr"] + 1}),
    "walks removed": (
        "mclp",
        lambda a: {"indptr": np.minimum(a["indptr"], 3), "indices": a["indices"][:3],
                   "minutes": a["minutes"][:3]},
    ),
    "a walk beyond the cutoff": ("mclp", lambda a: {"minutes": put(a["minutes"], -1, 31.0)}),
    "minutes negative": ("mclp", lambda a: {"minutes": put(a["minutes"], 0, -1.0)}),
    "minutes not finite": ("mclp", lambda a: {"minutes": put(a["minutes"], 0, np.nan)}),
    # the tree of the knapsack
    "a leaf dropped": (
        "tree",
        lambda a: {"leaf_indptr": a["leaf_indptr"][:-1], "leaf_row": a["leaf_row"][:-1],
                   "leaf_site": a["leaf_site"][: a["leaf_indptr"][-2]],
                   "leaf_value": a["leaf_value"][: a["leaf_indptr"][-2]]},
    ),
    "a branch's value": ("tree", lambda a: {"leaf_value": a["leaf_value"] * 0}),
    "a branch's site below zero": ("tree", lambda a: {"leaf_site": a["leaf_site"] - 3}),
    "a branch's site beyond the end": ("tree", lambda a: {"leaf_site": a["leaf_site"] + 3}),
    "a leaf's row beyond the end": ("tree", lambda a: {"leaf_row": a["leaf_row"] + 99}),
    "a leaf without its multipliers": ("tree", lambda a: {"leaf_row": a["leaf_row"] * 0 - 1}),
    "the tree's multipliers": (
        "cheapest", lambda a: {"table_multipliers": a["table_multipliers"] * 0,
                           "table_share": a["table_share"] * 0},
    ),
    "the tree's multipliers not finite": (
        "tree", lambda a: {"table_multipliers": a["table_multipliers"] * np.nan},
    ),
    "the tree's groups": ("tree", lambda a: {"table_group": a["table_group"] * 0}),
    "rows left out of the groups": ("tree", lambda a: {"table_group": a["table_group"] * 0 - 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", CERTIFICATE)
def test_a_false_certificate_is_refused(copy, case):
    name, change = CERTIFICATE[case]
    folder = copy(name)
    edit_npz(folder, change)
    assert check_folder(folder).exit_code == 1


DEMAND_EDITS = {
    "covered": lambda t: t.assign(covered=~t["covered"]),
    "times_covered": lambda t: t.assign(times_covered=t["times_covered"] + 1),
    "site_id": lambda t: t.assign(site_id=t["site_id"].replace("C1", "C2")),
    "site_id given where there is none": lambda t: t.assign(site_id=t["site_id"].fillna("C1")),
    "site_id all null": lambda t: t.assign(site_id=pd.Series([None] * len(t), dtype="string")),
    "minutes": lambda t: t.assign(minutes=t["minutes"] / 2),
    "minutes given where there are none": lambda t: t.assign(minutes=t["minutes"].fillna(1.0)),
    "weight": lambda t: t.assign(weight=t["weight"] + 1),
    "minutes_required": lambda t: t.assign(minutes_required=t["minutes_required"] + 1),
    "snapped": lambda t: t.assign(snapped=True),
    "lng": lambda t: t.assign(lng=t["lng"] + 1e-6),
    "row removed": lambda t: t.iloc[:-1],
    "row added": lambda t: pd.concat([t, t.iloc[:1].assign(demand_id="d9")]),
    "rows reordered": lambda t: t.iloc[::-1],
    "demand_id": lambda t: t.assign(demand_id=t["demand_id"].replace("d1", "d0")),
    "district": lambda t: t.assign(district="E"),
}


@pytest.mark.parametrize("case", DEMAND_EDITS)
def test_a_false_demand_table_is_refused(copy, case):
    folder = copy("districts")
    edit_parquet(folder, DEMAND_EDITS[case])
    assert check_folder(folder).exit_code == 1


STATION_EDITS = {
    "row removed": lambda rows: rows[:-1],
    "row added": lambda rows: [*rows, {**rows[-1], "site_id": "C9"}],
    "row twice": lambda rows: [*rows, rows[-1]],
    "rows swapped": lambda rows: rows[::-1],
    "no rows": lambda rows: [],
    "site_id": lambda rows: rows[1].update(site_id="C3"),
    "covers_weight": lambda rows: rows[1].update(covers_weight="500.0"),
    "covers_weight empty": lambda rows: rows[1].update(covers_weight=""),
    "only_covers_weight": lambda rows: rows[1].update(only_covers_weight="50.0"),
    "lng": lambda rows: rows[1].update(lng="0.5"),
    "lng not a number": lambda rows: rows[1].update(lng="nan"),
    "lat": lambda rows: rows[1].update(lat="text"),
    "status": lambda rows: rows[1].update(status="existing"),
    "new": lambda rows: rows[1].update(new="false"),
    "new as another word": lambda rows: rows[1].update(new="yes"),
    "cost": lambda rows: rows[1].update(cost="1"),
    "cost kept quiet": lambda rows: rows[1].update(cost=""),
}


@pytest.mark.parametrize("case", STATION_EDITS)
def test_a_false_station_table_is_refused(copy, case):
    folder = copy("mclp")
    edit_csv(folder, STATION_EDITS[case])
    assert check_folder(folder).exit_code == 1


LAYER_EDITS = {
    "a station removed": lambda layer: layer["features"].pop(),
    "a station moved": lambda layer: layer["features"][1]["geometry"].update(coordinates=[1, 1]),
    "covers_weight": lambda layer: layer["features"][1]["properties"].update(covers_weight=500),
    "an id": lambda layer: layer["features"][1]["properties"].update(site_id="C3"),
    "no geometry": lambda layer: layer["features"][1].update(geometry=None),
}


@pytest.mark.parametrize("case", LAYER_EDITS)
def test_a_false_station_layer_is_refused(copy, case):
    folder = copy("mclp")
    edit_json(folder, LAYER_EDITS[case], "stations.geojson")
    assert check_folder(folder).exit_code == 1


SCENARIO_EDITS = {
    "fewer new sites asked": ("mclp", {"new_sites": 1}),
    "more new sites asked": ("mclp", {"new_sites": 3}),
    "minutes": ("mclp", {"minutes": 5.0}),
    "budget lowered": ("budget", {"budget": 299.0}),
    "budget raised": ("budget", {"budget": 400.0}),
    "share raised": ("partial", {"share": 0.6}),
    "share lowered": ("partial", {"share": 0.1}),
    "money instead of stations": ("lscp", {"minimise": "cost"}),
    "stations instead of money": ("cheapest", {"minimise": "stations"}),
    "model": ("partial", {"model": "lscp"}),
    "a target of another model": ("mclp", {"model": "lscp"}),
}


@pytest.mark.parametrize("case", SCENARIO_EDITS)
def test_another_question_is_refused(copy, case):
    name, changes = SCENARIO_EDITS[case]
    folder = copy(name)
    edit_toml(folder, **changes)
    assert check_folder(folder).exit_code == 1


def test_a_site_exchanged_everywhere_is_refused(copy):
    """C3 in C2's place, in plan.json and certificate alike, its figures recounted: 75 of 153.

    The plan is then sound, but not the best: the bound of 85 shows it.
    """
    folder = copy("mclp")
    edit_json(
        folder,
        lambda said: said.update(
            chosen=["E1", "C1", "C3"], new_sites=["C1", "C3"], objective=75.0, covered_weight=75.0,
            covered_share=75 / 153, cross_covered_share=0.0, cost=250.0, bound=75.0,
        ),
    )  # fmt: skip
    edit_npz(folder, lambda a: {"chosen": np.array([1, 1, 0, 1, 0, 0], bool)})
    failed = summary(check_folder(folder).failed, "en")
    assert "✗ bound: said 75.0, counted 85.0" in failed


def test_two_fixings_of_one_site_under_two_numbers_are_refused(copy):
    """Site -1 is site 2 by numpy's rules; fixed twice it would count, and cost, twice."""
    folder = copy("tree")

    def change(a):
        n = len(a["table_share"]) - 1
        return {
            "leaf_indptr": np.array([0, 2, 4, 6, 8]),
            "leaf_site": np.array([2, -1] * 4),
            "leaf_value": np.array([1, 1, 1, 0, 0, 1, 0, 0]),
            "leaf_row": np.array([n] * 4),
        }

    edit_npz(folder, change)
    assert check_folder(folder).exit_code == 1


# --- unreadable -----------------------------------------------------------------------------------

FILES = (
    "plan.json", "scenario.toml", "stations.csv", "stations.geojson", "demand.parquet",
    "certificate.npz",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy, name):
    folder = copy("mclp")
    (folder / name).unlink()
    with pytest.raises(OutputError, match=name):
        check_folder(folder)


@pytest.mark.parametrize("name", [n for n in FILES if n not in ("scenario.toml", "stations.csv")])
def test_a_truncated_file_is_named(copy, name):
    path = copy("mclp") / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(OutputError, match=name):
        check_folder(path.parent)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b'{"a": NaN}', b"[" * 100_000])
def test_a_file_of_something_else_never_crashes(copy, name, content):
    folder = copy("mclp")
    (folder / name).write_bytes(content)
    try:
        assert check_folder(folder).exit_code == 1
    except OutputError as error:
        assert name in str(error)


@pytest.mark.parametrize("name", FILES)
def test_flipped_bytes_never_crash(copy, name):
    folder = copy("tree")
    whole = (folder / name).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(40):
        broken = bytearray(whole)
        broken[rng.integers(len(broken))] ^= 1 << int(rng.integers(8))
        (folder / name).write_bytes(bytes(broken))
        try:
            assert check_folder(folder).exit_code in (0, 1)
        except OutputError as error:
            assert name in str(error)


def test_pickles_are_refused(copy):
    folder = copy("mclp")

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(folder / "exploded"),)

    path = folder / "certificate.npz"
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    np.savez(path, allow_pickle=True, **{**arrays, "cost": np.array([Bomb()] * 6, object)})
    with pytest.raises(OutputError, match=r"certificate\.npz"):
        check_folder(folder)
    assert not (folder / "exploded").exists()


def test_a_later_schema_is_not_guessed_at(copy):
    folder = copy("mclp")
    edit_json(folder, lambda said: said.update(schema="servicecircle-plan/2"))
    with pytest.raises(OutputError, match="servicecircle-plan/2"):
        check_folder(folder)


def test_an_array_of_another_type_is_unreadable(copy):
    folder = copy("mclp")
    edit_npz(folder, lambda a: {"indptr": a["indptr"].astype(np.uint64)})
    with pytest.raises(OutputError, match="indptr"):
        check_folder(folder)


def test_a_missing_array_is_unreadable(copy):
    folder = copy("mclp")
    path = folder / "certificate.npz"
    with zipfile.ZipFile(path) as whole:
        kept = {n: whole.read(n) for n in whole.namelist() if n != "multipliers.npy"}
    with zipfile.ZipFile(path, "w") as part:
        for name, data in kept.items():
            part.writestr(name, data)
    with pytest.raises(OutputError, match="multipliers"):
        check_folder(folder)


# --- rebuild --------------------------------------------------------------------------------------


def rebuilt(folder) -> Report:
    report = check_folder(folder)
    rebuild(folder, report)
    return report


def test_rebuild_finds_minutes_that_were_edited_everywhere(copy):
    """Walks 1 % shorter change nobody's coverage; certificate and table agree, streets do not."""
    folder = copy("mclp")
    edit_npz(folder, lambda a: {"minutes": a["minutes"] * 0.99})
    edit_parquet(folder, lambda t: t.assign(minutes=t["minutes"] * 0.99))
    assert check_folder(folder).exit_code == 0
    assert "步行分钟数相同" in summary(rebuilt(folder).failed)


def test_rebuild_finds_walks_that_are_not_there(copy):
    """d7 walks to C2 in 29 minutes, says the folder; it is 3,400 m."""
    folder = copy("mclp")
    with np.load(folder / "certificate.npz") as a:
        at = int(a["indptr"][6])
    edit_npz(
        folder,
        lambda a: {
            "indices": np.insert(a["indices"], at, 2),
            "minutes": np.insert(a["minutes"], at, 29.0),
            "indptr": a["indptr"] + (np.arange(9) > 6),
        },
    )
    edit_parquet(
        folder,
        lambda t: t.assign(
            site_id=t["site_id"].where(t["demand_id"] != "d7", "C2"),
            minutes=t["minutes"].where(t["demand_id"] != "d7", 29.0),
        ),
    )
    assert check_folder(folder).exit_code == 0
    assert "截断时间内的步行相同" in summary(rebuilt(folder).failed)


def test_rebuild_finds_points_that_were_moved_everywhere(copy):
    """Everything 50 m north, legs and walks left as they were."""
    folder = copy("mclp")
    edit_npz(folder, lambda a: {"demand_lat": a["demand_lat"] + 0.00045})
    edit_parquet(folder, lambda t: t.assign(lat=t["lat"] + 0.00045))
    assert check_folder(folder).exit_code == 0
    assert rebuilt(folder).exit_code == 1


@pytest.mark.parametrize("islands", [{"count": 1, "metres": 0.0}, {"count": 0, "metres": 5.0}])
def test_rebuild_counts_islands(copy, islands):
    folder = copy("mclp")
    edit_json(folder, lambda said: said.update(islands=islands))
    assert check_folder(folder).exit_code == 0
    assert rebuilt(folder).exit_code == 1


def test_rebuild_refuses_another_osm_file(copy):
    folder = copy("mclp")
    line_town(folder.parent / "town.osm", [3000, 3000])
    report = rebuilt(folder)
    assert [claim.zh for claim in report.failed] == ["OSM 文件就是规划时的那份"]
    assert report.exit_code == 1


def test_rebuild_without_the_osm_file_is_unreadable(copy):
    folder = copy("mclp")
    (folder.parent / "town.osm").unlink()
    with pytest.raises(OutputError, match=r"town\.osm"):
        rebuilt(folder)


def test_rebuild_after_a_failed_check_does_not_crash(copy):
    folder = copy("mclp")
    edit_npz(folder, lambda a: {"indptr": put(a["indptr"], 2, 99), "weight": a["weight"][:2]})
    assert rebuilt(folder).exit_code == 1


def test_rebuild_of_a_longer_standard(tmp_path):
    """50 minutes: the cutoff of the stored walks grows, and is redone."""
    demand = [demand_row("d1", 0, 1, minutes=50), demand_row("d2", 4000, 2, minutes="")]
    path = write_scenario(
        tmp_path, demand=demand, candidates=[site_row("C1", 3000)], new_sites=1, minutes=15.5
    )
    folder = saved(path, tmp_path / "out")
    assert metres_east(3000) > 0
    assert rebuilt(folder).exit_code == 0
