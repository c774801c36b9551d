"""The main job on real cities: plan, check, and an independent recount of what is covered."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

import real_cities
from conftest import shared_file
from judge import Judge
from servicecircle import plan_folder
from servicecircle.check import check_folder
from servicecircle.check_streets import rebuild
from servicecircle.maps import map_html
from servicecircle.plan import make_plan
from servicecircle.scenario import load_scenario


def recount(folder: Path, osm: Path) -> dict[str, float]:
    """Coverage of a finished plan, from its tables and the OSM file alone, by networkx."""
    demand = pd.read_parquet(folder / "demand.parquet")
    with (folder / "stations.csv").open(encoding="utf-8-sig", newline="") as file:
        stations = list(csv.DictReader(file))
    judge = Judge.read(osm)
    points = {f"d{i}": (p.lng, p.lat) for i, p in enumerate(demand.itertuples()) if p.snapped}
    sites = {f"s{j}": (float(s["lng"]), float(s["lat"])) for j, s in enumerate(stations)}
    judge.place(points | sites)
    times = dict.fromkeys(points, 0)
    for name in sites:
        for point, metres in judge.metres_to(name, 1000.001).items():
            if point in times:
                assert abs(metres - 1000) > 0.01, "too near the standard to be a fair recount"
                times[point] += metres <= 1000
    count = pd.Series([times.get(f"d{i}", 0) for i in range(len(demand))])
    return {
        "covered_weight": float(demand["weight"][count > 0].sum()),
        "covered_points": int((count > 0).sum()),
        "cross_covered_share": float(demand["weight"][count > 1].sum() / demand["weight"].sum()),
        "total_weight": float(demand["weight"].sum()),
    }


@pytest.mark.parametrize("city", ["porto", "saopaulo"])
def test_plan_check_and_recount(city, tmp_path, request):
    osm = request.getfixturevalue(city)
    extra = [shared_file("data/saopaulo_hexgrid.csv")] if city == "saopaulo" else []
    scenario = load_scenario(getattr(real_cities, city)(tmp_path / "case", osm, *extra))
    folder = plan_folder.save(make_plan(scenario), tmp_path / "plan", map_html=map_html)
    report = check_folder(folder)
    rebuild(folder, report)
    assert report.failed == [] and report.exit_code == 0
    said = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert said["proven"] and said["proof"] in ("multipliers", "tree")
    for name, counted in recount(folder, osm).items():
        assert said[name] == pytest.approx(counted, rel=1e-12), name


def test_fewest_stations_and_budget_on_saopaulo(saopaulo, tmp_path):
    """The other two models, and a budget, on the same city; each proven again from its folder."""
    grid = shared_file("data/saopaulo_hexgrid.csv")
    questions = {
        "all": {"new_sites": None},
        "share": {"new_sites": None, "share": 0.6},
        "budget": {"new_sites": None, "budget": 60_000},
        "cheapest": {"new_sites": None, "share": 0.6, "minimise": "cost"},
    }
    for name, asked in questions.items():
        question = {key: value for key, value in {"new_sites": 8, **asked}.items() if value}
        path = real_cities.draw(
            tmp_path / name, saopaulo, candidates=100, existing=4, question=question, demand=grid
        )
        plan = make_plan(load_scenario(path))
        folder = plan_folder.save(plan, tmp_path / f"{name}-plan", map_html=lambda _: "")
        report = check_folder(folder)
        assert (name, report.failed, report.exit_code) == (name, [], 0)
        assert plan.selection.proven, name
