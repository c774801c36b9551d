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

from plans import (
    CANDIDATES,
    DEMAND,
    EXISTING,
    demand_row,
    main_street,
    metres_east,
    saved,
    site_row,
    with_status,
    write_scenario,
    write_table,
)
from servicecircle.check import Report, check_folder, summary
from servicecircle.check_streets import rebuild
from servicecircle.check_tables import same_cell
from servicecircle.errors import OutputError
from servicecircle.inputs import sha256
from servicecircle.plan_schema import misfits, schema
from towns import line_town

# --- honest folders -------------------------------------------------------------------------------


def knapsack(folder: Path) -> Path:
    """Three sites with their own demand, 10 yuan: {5, 5} gives 18.3, {6} alone 11.3.

    The relaxation takes 6 and four fifths of a 5, 18.66: only a tree proves 18.3.
    """
    demand = [demand_row(f"d{i}", 2000 * i, w) for i, w in enumerate((11.3, 9.1, 9.2))]
    sites = [site_row(f"C{i}", 2000 * i, c) for i, c in enumerate((6, 5, 5))]
    return write_scenario(folder, demand=demand, candidates=sites, budget=10.0)


def dear_cover(folder: Path) -> Path:
    """Six sites with their own demand, 55 % of it as cheaply as can be: 26 yuan, by a tree."""
    weights, costs = (8.9, 9.6, 3.0, 10.0, 6.6, 6.6), (9, 10, 3, 10, 7, 7)
    demand = [demand_row(f"d{i}", 2000 * i, w) for i, w in enumerate(weights)]
    sites = [site_row(f"C{i}", 2000 * i, c) for i, c in enumerate(costs)]
    asked = {"share": 0.55, "minimise": "cost", "length": 10_000.0}
    return write_scenario(folder, demand=demand, candidates=sites, **asked)


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
        "median": {"model": "p_median", "new_sites": 2},
        "center": {"model": "p_center", "new_sites": 1},
        "decay": {"new_sites": 2, "decay_to_minutes": 15.0},
        "capacities": {
            "new_sites": 2,
            "capacities": True,
            "candidates": [{**row, "capacity": 30} for row in CANDIDATES],
            "existing": [{**row, "capacity": 5} for row in EXISTING],
        },
    }
    folders = {
        name: saved(main_street(base / name, **asked), base / name / "out")
        for name, asked in questions.items()
    }
    folders["tree"] = saved(knapsack(base / "tree"), base / "tree" / "out")
    folders["dear"] = saved(dear_cover(base / "dear"), base / "dear" / "out")
    return folders


@pytest.fixture
def copy(good, tmp_path):
    """A copy of a good folder, with the town's own files beside it."""

    def make(name):
        shutil.copytree(good[name].parent, tmp_path / name)
        return tmp_path / name / "out"

    return make


MODELS = ("mclp", "budget", "lscp", "partial", "cheapest", "districts", "tree", "dear",
          "median", "center", "decay", "capacities")  # fmt: skip


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
    assert check_folder(folder).exit_code == 1  # stopped by proof, it says
    edit_json(folder, lambda said: said.update(stopped="time"))
    assert check_folder(folder).exit_code == 3


def test_a_folder_from_before_the_reason_of_the_end_was_stored_passes(copy):
    folder = copy("mclp")
    edit_json(folder, lambda said: said.pop("stopped"))
    assert check_folder(folder).exit_code == 0


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


# the models that count minutes, credit or flows: (folder, what is said instead), and the folder's
# own figures moved by a share
MOVED = {
    f"{figure} of {name}, {by:+}": (name, figure, by)
    for name in ("median", "center", "decay", "capacities")
    for figure in ("objective", "bound")
    for by in (-0.05, 0.05)
}


@pytest.mark.parametrize("case", MOVED)
def test_a_false_objective_or_bound_of_any_model_is_refused(copy, case):
    """With gap and proven made to fit."""
    name, figure, by = MOVED[case]
    folder = copy(name)

    def change(said):
        said[figure] *= 1 + by
        said["gap"] = abs(said["bound"] - said["objective"]) / said["objective"]
        said["proven"], said["stopped"] = False, "time"

    edit_json(folder, change)
    assert check_folder(folder).exit_code == 1


@pytest.mark.parametrize("name", ["median", "center", "decay", "capacities"])
def test_objective_and_bound_moved_together_are_refused(copy, name):
    folder = copy(name)
    better = 1.05 if name in ("decay", "capacities") else 0.95
    edit_json(folder, lambda said: said.update(
        objective=said["objective"] * better, bound=said["bound"] * better
    ))  # fmt: skip
    assert check_folder(folder).exit_code == 1


@pytest.mark.parametrize("name", ["median", "center", "decay", "capacities"])
def test_a_site_flipped_in_any_model_is_refused(copy, name):
    """In the certificate and in plan.json; the tables tell."""
    folder = copy(name)

    def swap(arrays):
        chosen = arrays["chosen"].copy()
        taken, left = np.flatnonzero(chosen[1:5])[0] + 1, np.flatnonzero(~chosen[1:5])[0] + 1
        chosen[[taken, left]] = False, True
        ids = arrays["site_id"]
        edit_json(folder, lambda said: said.update(
            chosen=ids[chosen].tolist(), new_sites=ids[1:][chosen[1:]].tolist()
        ))  # fmt: skip
        return {"chosen": chosen}

    edit_npz(folder, swap)
    assert check_folder(folder).exit_code == 1


def test_stopped_by_proof_without_a_proof_is_refused(copy):
    folder = copy("mclp")
    edit_json(folder, lambda said: said.update(
        proof="solver", bound=93.5, gap=0.1, proven=False, stopped="proof"
    ))  # fmt: skip
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
    "a key that nobody knows": lambda said: said.update(covered_people=1),
    "attribution": lambda said: said.update(attribution="© OpenStreetMap, and me"),
    "no attribution": lambda said: said.pop("attribution"),
    "no seconds": lambda said: said.pop("seconds"),
    "notes as text": lambda said: said.update(notes="none"),
    "a note in one language": lambda said: said["notes"].append({"zh": "好"}),
    "seconds below zero": lambda said: said["seconds"].update(network=-1.0),
    "seconds as text": lambda said: said["seconds"].update(network="1"),
    "a key of the islands": lambda said: said["islands"].update(people=0),
    "a key of a district": lambda said: said["districts"][0].update(people=0),
    "a key of an input": lambda said: said["inputs"][1].update(author="me"),
    "sha256 of a table, no digest": lambda said: said["inputs"][1].update(sha256="abc"),
    "osm_date as a number": lambda said: said["inputs"][0].update(osm_date=2020),
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
UNCOUNTED = {"seconds", "notes", "osm_date"}
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
    "multipliers under a tree not finite": (
        "tree", lambda a: {"multipliers": put(a["multipliers"], 0, np.nan)},
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
    "multipliers of p_median scaled": ("median", lambda a: {"multipliers": a["multipliers"] * 0.9}),
    "multipliers of p_median raised": ("median", lambda a: {"multipliers": a["multipliers"] * 3}),
    "multipliers of p_center dropped": (
        "center", lambda a: {"multipliers": a["multipliers"] * 0},
    ),
    "multipliers of decay scaled": ("decay", lambda a: {"multipliers": a["multipliers"] * 1.1}),
    "multipliers of decay too few": ("decay", lambda a: {"multipliers": a["multipliers"][:-1]}),
    "multipliers of capacities raised": (
        "capacities", lambda a: {"multipliers": a["multipliers"] + 1e3},
    ),
    "a weight of p_median": ("median", lambda a: {"weight": put(a["weight"], 2, 60.0)}),
    "a far walk within the cutoff": (
        "center", lambda a: {"beyond_minutes": put(a["beyond_minutes"], 0, 29.0)},
    ),
    "a far walk not finite": (
        "center", lambda a: {"beyond_minutes": put(a["beyond_minutes"], 0, np.inf)},
    ),
    "a far walk to another site": (
        "center", lambda a: {"beyond_indices": put(a["beyond_indices"], 0, 99)},
    ),
    "a far walk stored twice": (
        "center",
        lambda a: {"beyond_indices": put(a["beyond_indices"], 0, a["beyond_indices"][1])},
    ),
    "far walks kept for a model that has none": (
        "mclp",
        lambda a: {"beyond_indptr": a["indptr"] * 0, "beyond_indices": a["indices"][:0],
                   "beyond_minutes": a["minutes"][:0]},
    ),
    "more served than comes": ("capacities", lambda a: {"flow": a["flow"] * 1.5}),
    "less served than is said": ("capacities", lambda a: {"flow": a["flow"] * 0.5}),
    "a flow below 0": ("capacities", lambda a: {"flow": put(a["flow"], 0, -1.0)}),
    "a flow too short": ("capacities", lambda a: {"flow": a["flow"][:-1]}),
    "capacities raised": ("capacities", lambda a: {"capacity": a["capacity"] * 2}),
    "a capacity lowered": ("capacities", lambda a: {"capacity": a["capacity"] * 0.5}),
    "a capacity unknown": (
        "capacities", lambda a: {"capacity": put(a["capacity"], 3, np.nan)},
    ),
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
        "dear", lambda a: {"table_multipliers": a["table_multipliers"] * 0,
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
    "name": lambda rows: rows[1].update(name="市政府"),
    "kind": lambda rows: rows[1].update(kind="bank"),
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
    "another geometry": lambda layer: layer["features"][1]["geometry"].update(type="LineString"),
    "a name": lambda layer: layer["features"][1]["properties"].update(name="市政府"),
    "no name": lambda layer: layer["features"][1]["properties"].update(name=None),
    "a kind": lambda layer: layer["features"][1]["properties"].update(kind="bank"),
    "a column more": lambda layer: layer["features"][1]["properties"].update(price=1),
    "a column less": lambda layer: layer["features"][1]["properties"].pop("kind"),
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
    "two targets": ("mclp", {"budget": 1e9}),
    "a key that nobody knows": ("mclp", {"sites": 2}),
    "a seed as text": ("mclp", {"seed": "0"}),
}


@pytest.mark.parametrize("case", SCENARIO_EDITS)
def test_another_question_is_refused(copy, case):
    name, changes = SCENARIO_EDITS[case]
    folder = copy(name)
    edit_toml(folder, **changes)
    assert check_folder(folder).exit_code == 1


@pytest.mark.parametrize("model", ["p_median", "p_center", "faith"])
@pytest.mark.parametrize("name", ["mclp", "lscp"])
def test_a_model_without_a_proof_is_refused(copy, name, model):
    """Asked for and said alike, on the solver's word: nothing here could recount it."""
    folder = copy(name)
    edit_json(folder, lambda said: said.update(model=model, proof="solver"))
    edit_toml(folder, model=model)
    failed = summary(check_folder(folder).failed, "en")
    wanted = (
        "scenario.toml" if model == "faith" else "the certificate holds the arrays of its model"
    )
    assert f"✗ {wanted}" in failed


def test_a_target_that_does_not_fit_the_model_is_refused(copy):
    """mclp's plan said to be lscp's or partial_cover's, scenario and plan.json alike."""
    for model in ("lscp", "partial_cover"):
        folder = copy("mclp")
        edit_json(folder, lambda said, model=model: said.update(model=model, proof="solver"))
        edit_toml(folder, model=model)
        assert "✗ scenario.toml" in summary(check_folder(folder).failed, "en")
        shutil.rmtree(folder.parent)


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


def edit_text(folder, name, before, after):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


DOUBLES = {
    "a key of plan.json": ("plan.json", "{", '{"covered_share": 0.99, '),
    "a key of a district": ("plan.json", '"district":', '"covered_share": 0.99, "district":'),
    "a property": ("stations.geojson", '"site_id":', '"covers_weight": 99999, "site_id":'),
    "a geometry": ("stations.geojson", '"geometry":', '"geometry": null, "geometry":'),
    "a reference system": ("stations.geojson", '"features":', '"crs": {}, "features":'),
    "a cell too many": ("stations.csv", "\n", ",more\n"),
    "an empty line": ("stations.csv", "\n", "\n\n"),
}


@pytest.mark.parametrize("case", DOUBLES)
def test_what_readers_could_take_two_ways_is_unreadable(copy, case):
    folder = copy("mclp")
    name, before, after = DOUBLES[case]
    edit_text(folder, name, before, after)
    with pytest.raises(OutputError, match=name):
        check_folder(folder)


@pytest.mark.parametrize("double", ["covers_weight", "name", "'=sum"])
def test_a_column_that_comes_twice_is_unreadable(copy, double):
    """The first `covers_weight` says 99999, the one behind the truth."""
    folder = copy("mclp")
    path = folder / "stations.csv"
    header, *lines = path.read_text(encoding="utf-8-sig").splitlines()
    more = "=sum," if double == "'=sum" else ""
    lines = [f"99999,{more and '1,'}{line}" for line in lines]
    text = "\n".join([f"{double},{more}{header}", *lines])
    path.write_text(text + "\n", encoding="utf-8-sig")
    with pytest.raises(OutputError, match="comes twice"):
        check_folder(folder)


def test_an_array_that_comes_twice_is_unreadable(copy):
    folder = copy("mclp")
    with zipfile.ZipFile(folder / "certificate.npz", "a") as whole:
        data = whole.read("weight.npy")
        with pytest.warns(UserWarning, match="Duplicate name"):
            whole.writestr("weight.npy", data)
    with pytest.raises(OutputError, match="comes twice"):
        check_folder(folder)


def test_the_planners_own_columns_are_held_to_each_other(tmp_path):
    """Text that spreadsheets would compute is guarded in the CSV only; numbers go by value."""
    own = {"=算": "=1+1", "备注": "0971", "引号": "'=2", "空": ""}
    sites = [{**row, **own} for row in CANDIDATES]
    folder = saved(main_street(tmp_path, candidates=sites, new_sites=2), tmp_path / "out")
    report = check_folder(folder)
    rebuild(folder, report)
    assert summary(report.failed) == ""
    edit_csv(folder, lambda rows: rows[1].update({"备注": "971"}))
    assert "✗ stations.csv = stations.geojson: 备注" in summary(check_folder(folder).failed)
    edit_json(
        folder,
        lambda layer: layer["features"][1]["properties"].update({"备注": "971"}),
        "stations.geojson",
    )
    assert check_folder(folder).exit_code == 0
    assert "stations.csv: 备注" in summary(rebuilt(folder).failed)


def test_cells_are_compared_by_value():
    alike = [("1.0", 1), ("1e3", 1000.0), ("", None), ("true", True), ("'=a", "=a"), ("a", "a")]
    other = [("1.0", 1.1), ("x", 1), ("", 0), ("1", True), ("1", "1.0"), ("a", ["a"]), ("a", None)]
    assert [same_cell(text, value) for text, value in alike] == [True] * len(alike)
    assert [same_cell(text, value) for text, value in other] == [False] * len(other)


def keywords_of(rule):
    """Every keyword of a JSON Schema that can refuse something."""
    if isinstance(rule, list):
        return {word for part in rule for word in keywords_of(part)}
    if not isinstance(rule, dict):
        return set()
    named = [part for key in ("properties", "$defs") for part in rule.get(key, {}).values()]
    words = set(rule) - {"$schema", "$defs", "title", "description"}
    inner = [rule.get(key) for key in ("anyOf", "items", "additionalProperties")]
    return words | keywords_of(named) | keywords_of(inner)


def test_every_keyword_of_the_schema_is_known(good):
    """One value that each keyword refuses; a new keyword in the schema wants one too."""
    refused = {
        "$ref": ({"$ref": "#/$defs/count"}, -1),
        "anyOf": ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 1),
        "type": ({"type": "integer"}, True),
        "const": ({"const": "a"}, "b"),
        "enum": ({"enum": ["a"]}, "b"),
        "required": ({"required": ["a"]}, {"b": 1}),
        "properties": ({"properties": {"a": {"type": "null"}}}, {"a": 1}),
        "additionalProperties": ({"properties": {}, "additionalProperties": False}, {"a": 1}),
        "items": ({"items": {"type": "null"}}, [1]),
        "minItems": ({"minItems": 2}, [1]),
        "uniqueItems": ({"uniqueItems": True}, ["a", "a"]),
        "minLength": ({"minLength": 1}, ""),
        "pattern": ({"pattern": "^a$"}, "b"),
        "minimum": ({"minimum": 0}, -1),
        "maximum": ({"maximum": 1}, 1.1),
        "exclusiveMinimum": ({"exclusiveMinimum": 0}, 0),
    }
    assert keywords_of(schema()) <= set(refused)
    assert [name for name, (rule, value) in refused.items() if not any(misfits(value, rule))] == []
    for folder in good.values():
        assert list(misfits(json.loads((folder / "plan.json").read_text()), schema())) == []


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


def test_rebuild_finds_far_walks_that_were_edited(copy):
    """Nobody walks so far in the plan: only the streets can tell."""
    folder = copy("median")
    edit_npz(folder, lambda a: {"beyond_minutes": a["beyond_minutes"] * 0 + 30.5})
    report = check_folder(folder)
    assert report.exit_code == 0
    rebuild(folder, report)
    assert [claim.en for claim in report.failed] == ["the same minutes"]


def test_rebuild_finds_capacities_that_are_not_the_tables(copy):
    folder = copy("capacities")
    edit_npz(folder, lambda a: {"capacity": put(a["capacity"], 5, 7.0)})  # of the forbidden C5
    report = check_folder(folder)
    assert report.exit_code == 0
    rebuild(folder, report)
    assert [claim.en for claim in report.failed] == ["as read again: sites: capacity"]


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


# what the tables are said to have been: the forged plan is the honest answer to these
FORGED_TABLES = {
    "a rival forbidden": {"candidates": with_status("forbidden", "C2")},
    "a candidate required": {"candidates": with_status("required", "C4")},
    "a candidate built": {"existing": [*EXISTING, CANDIDATES[0]], "candidates": CANDIDATES[1:]},
    "a rival left out": {"candidates": [r for r in CANDIDATES if r["site_id"] != "C2"]},
    "weight of demand": {"demand": [{**r, "weight": 500} if r["demand_id"] == "d6" else r
                                    for r in DEMAND]},
    "a point left out": {"demand": DEMAND[:6]},
    "a point moved": {"demand": [{**r, "lng": r["lng"] + 0.001} for r in DEMAND]},
    "a point renamed": {"demand": [{**r, "demand_id": r["demand_id"] + "x"} for r in DEMAND]},
    "standards of the points": {"demand": [{**r, "minutes": 9} for r in DEMAND]},
    "cost": {"candidates": [{**r, "cost": 1} for r in CANDIDATES]},
    "a name": {"candidates": [{**r, "name": "市政府"} for r in CANDIDATES]},
    "a kind": {"candidates": [{**r, "kind": "银行"} for r in CANDIDATES]},
    "districts": {"districts": {"W": (-200, 3000, None), "E": (3000, 9000, 3.0)}},
    "minutes of a district": {"districts": {"W": (-200, 2000, None), "E": (2000, 9000, 5.0)}},
}  # fmt: skip
TRUE_DISTRICTS = {"W": (-200, 2000, None), "E": (2000, 9000, 3.0)}


@pytest.mark.parametrize("digests", ["as forged", "of the true tables"])
@pytest.mark.parametrize("case", FORGED_TABLES)
def test_rebuild_finds_tables_that_were_forged(tmp_path, case, digests):
    """Sound in itself, so a plain check passes; the true tables lie in the scenario's place."""
    forged = {"districts": TRUE_DISTRICTS, **FORGED_TABLES[case]}
    folder = saved(main_street(tmp_path, new_sites=2, **forged), tmp_path / "out")
    main_street(tmp_path, new_sites=2, districts=TRUE_DISTRICTS)
    if digests == "of the true tables":
        edit_json(folder, true_digests(tmp_path))
    assert summary(check_folder(folder).failed) == ""
    assert rebuilt(folder).exit_code == 1


def true_digests(town):
    def change(said):
        for entry in said["inputs"]:
            entry["sha256"] = sha256(town / entry["file"])

    return change


def test_rebuild_says_which_table_was_changed(copy):
    folder = copy("mclp")
    write_table(folder.parent / "demand.csv", DEMAND[:5])
    failed = rebuilt(folder).failed
    assert ["demand.csv" in claim.en for claim in failed] == [True]


@pytest.mark.parametrize("sha", ["0" * 64, "f" * 64])
def test_rebuild_compares_the_digests_of_tables(copy, sha):
    folder = copy("mclp")
    edit_json(folder, lambda said: said["inputs"][3].update(sha256=sha))
    assert check_folder(folder).exit_code == 0
    assert "candidates.csv" in summary(rebuilt(folder).failed)


@pytest.mark.parametrize("entry", [0, 1])
def test_rebuild_compares_the_date_of_the_streets(copy, entry):
    folder = copy("mclp")
    edit_json(folder, lambda said: said["inputs"][entry].update(osm_date="2026-11-01"))
    assert check_folder(folder).exit_code == 0
    assert "osm_date" in summary(rebuilt(folder).failed)


@pytest.mark.parametrize(
    "name", ["demand.csv", "candidates.csv", "existing.csv", "districts.geojson"]
)
def test_rebuild_without_a_table_is_unreadable(copy, name):
    folder = copy("districts")
    (folder.parent / name).unlink()
    with pytest.raises(OutputError, match=name):
        rebuilt(folder)


def test_rebuild_of_a_question_that_cannot_be_asked_does_not_crash(copy):
    folder = copy("mclp")
    edit_toml(folder, new_sites="many")
    assert rebuilt(folder).exit_code == 1


DERIVED = """<osm version="0.6"><node id="1" lon="0" lat="0" version="1"/>
<node id="2" lon="0.03" lat="0" version="1"/>
<node id="3" lon="0.001" lat="0.0001" version="1"><tag k="amenity" v="bank"/></node>
<node id="4" lon="0.028" lat="0.0001" version="1"><tag k="amenity" v="pharmacy"/></node>
<node id="5" lon="0.027" lat="0.0001" version="1"><tag k="amenity" v="restaurant"/></node>
<way id="9" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way></osm>
"""


def derived(folder: Path, **parts) -> Path:
    """A scenario of an OSM file alone."""
    (folder / "town.osm").write_text(DERIVED, encoding="utf-8")
    data = {"network": {"osm": "town.osm"}, "question": {"minutes": 6.0, "new_sites": 1}, **parts}
    path = folder / "scenario.toml"
    path.write_text(tomli_w.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "forged",
    [
        {},
        {"demand": {"weights": {"food": 0.0}}},
        {"demand": {"cell_m": 200.0}},
        {"sites": {"kinds": ["bank"]}},
    ],
)
def test_rebuild_derives_demand_and_sites_again(tmp_path, forged):
    """The plan was made with other weights, cells or kinds than its scenario says."""
    folder = saved(derived(tmp_path, **forged), tmp_path / "out")
    true = saved(derived(tmp_path), tmp_path / "true")
    shutil.copy(true / "scenario.toml", folder / "scenario.toml")
    assert summary(check_folder(folder).failed) == ""
    assert rebuilt(folder).exit_code == (1 if forged else 0)
