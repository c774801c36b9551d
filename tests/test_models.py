"""Models and options beyond plain coverage, the whole way, against brute force over all plans.

The town is the street of `plans.py`; the judges know it by metres along the street alone.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
import time
from dataclasses import replace
from itertools import combinations

import jsonschema
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from plans import (
    CANDIDATES,
    DEMAND,
    EXISTING,
    answer,
    busy_town,
    chosen,
    demand_row,
    main_street,
    saved,
    site_row,
    with_status,
    write_scenario,
)
from servicecircle import distances
from servicecircle.check import check_folder, summary
from servicecircle.check_streets import rebuild
from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.plan import make_plan
from servicecircle.plan_schema import schema
from servicecircle.reasons import reasons
from servicecircle.scenario import load_scenario
from servicecircle.steps import Search, plain
from servicecircle.stopping import Stopping
from servicecircle.summary import gap_text, summary_lines
from towns import WALK, metres_east, write_osm

METRES_PER_MINUTE = 1000 / 15
POINTS = {"d1": (100, 10), "d2": (700, 20), "d3": (1290, 30), "d4": (1900, 25), "d5": (2500, 15),
          "d6": (4100, 5), "d7": (5010, 40)}  # fmt: skip
SITES = {"C1": (1000, 100), "C2": (1600, 300), "C3": (2600, 150), "C4": (4000, 50)}
OURS = [demand_row(name, *row) for name, row in POINTS.items()]
OURS.append(demand_row("d8", 100, 8, north=600))  # beside no street
LIMITED = [{**row, "capacity": c} for row, c in zip(CANDIDATES, (35, 40, 10, 3, ""), strict=True)]
STANDING = [{**EXISTING[0], "capacity": 4}]


def minutes(point: str, site: str) -> float:
    east = {"E1": 0, **{name: at for name, (at, _) in SITES.items()}}[site]
    return abs(POINTS[point][0] - east) / METRES_PER_MINUTE


def plans_within(new_sites: int | None = None, budget: float | None = None) -> list[set[str]]:
    """All sets of open stations, E1 included."""
    every = [set(c) for k in range(len(SITES) + 1) for c in combinations(SITES, k)]
    return [
        {"E1", *plan} for plan in every
        if (new_sites is None or len(plan) <= new_sites)
        and (budget is None or sum(SITES[s][1] for s in plan) <= budget)
    ]  # fmt: skip


def mean_minutes(plan: set[str]) -> float:
    walks = [(w, min(minutes(d, s) for s in plan)) for d, (_, w) in POINTS.items()]
    return sum(w * m for w, m in walks) / sum(w for w, _ in walks)


def most_minutes(plan: set[str]) -> float:
    return max(min(minutes(d, s) for s in plan) for d in POINTS)


def credited(plan: set[str], end: float) -> float:
    total = 0.0
    for point, (_, weight) in POINTS.items():
        walk = min(minutes(point, s) for s in plan)
        over = math.ceil(walk - 6 - 1e-6)  # begun minutes beyond the standard
        total += weight * min(1.0, max(0.0, 1 - over / (end - 6)))
    return total


def served(plan: set[str]) -> float:
    """A maximum flow from people to stations."""
    capacity = {"E1": 4, "C1": 35, "C2": 40, "C3": 10, "C4": 3}
    graph = nx.DiGraph()
    graph.add_nodes_from(["people", "stations"])
    for point, (_, weight) in POINTS.items():
        graph.add_edge("people", point, capacity=weight)
        for site in plan:
            if minutes(point, site) <= 6:
                graph.add_edge(point, site, capacity=weight)
    for site in plan:
        graph.add_edge(site, "stations", capacity=capacity[site])
    return nx.maximum_flow_value(graph, "people", "stations")


def town(folder, **asked):
    return main_street(folder, demand=OURS, **asked)


def proved(folder, path):
    """The plan of a scenario, saved, checked and rebuilt; plan.json held to its schema."""
    out = saved(path, folder / "out")
    report = check_folder(out)
    rebuild(out, report)
    assert summary(report.failed) == ""
    said = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema()).validate(said)
    assert report.exit_code == (3 if said["proof"] == "solver" else 0)
    assert said["proven"]
    assert said["stopped"] == "proof"
    return said


TARGETS = [
    {"new_sites": 1},
    {"new_sites": 2},
    {"new_sites": 9},
    {"budget": 300.0},
    {"budget": 99.0},
]


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(
    ("asked", "judge", "best"),
    [
        ({"model": "p_median"}, mean_minutes, min),
        ({"model": "p_center"}, most_minutes, min),
        ({"decay_to_minutes": 15.0}, lambda plan: credited(plan, 15), max),
        ({"decay_to_minutes": 45.0}, lambda plan: credited(plan, 45), max),
        ({"capacities": True, "candidates": LIMITED, "existing": STANDING}, served, max),
    ],
    ids=["p_median", "p_center", "decay 15", "decay 45", "capacities"],
)
def test_every_model_against_all_plans(tmp_path, target, asked, judge, best):
    said = proved(tmp_path, town(tmp_path, **asked, **target))
    expected = best(map(judge, plans_within(**target)))
    assert said["objective"] == pytest.approx(expected, rel=1e-6)
    assert judge(set(said["chosen"])) == pytest.approx(expected, rel=1e-6)
    # coverage stays what the standard says
    covered = {d for d in POINTS if any(minutes(d, s) <= 6 for s in said["chosen"])}
    assert said["covered_weight"] == sum(POINTS[d][1] for d in covered)
    assert said["total_weight"] == 153


@pytest.mark.parametrize("model", ["p_median", "p_center"])
def test_required_forbidden_and_closed_sites(tmp_path, model):
    """C4 must be among the two; E1 is closed."""
    closed, judge = (
        [site_row("E1", 0, "", "关闭")],
        {"p_median": mean_minutes}.get(model, most_minutes),
    )
    candidates = with_status("required", "C4", rows=with_status("forbidden", "C2", "C5"))
    path = town(tmp_path, model=model, new_sites=2, candidates=candidates, existing=closed)
    said = proved(tmp_path, path)
    best = min(judge({"C4", other}) for other in ("C1", "C3"))
    assert said["objective"] == pytest.approx(best, rel=1e-6)
    assert "C4" in said["new_sites"]


@pytest.mark.parametrize("model", ["p_median", "p_center"])
def test_tables_keep_their_meaning_where_minutes_are_counted(tmp_path, model):
    """d7 is 60 minutes from C4's neighbour C1: no station within the cutoff, yet it counts."""
    said = proved(
        tmp_path,
        town(
            tmp_path,
            model=model,
            new_sites=1,
            candidates=with_status("forbidden", "C2", "C3", "C4", "C5"),
        ),
    )
    assert said["objective"] == pytest.approx(
        {"p_median": mean_minutes, "p_center": most_minutes}[model]({"E1", "C1"}), rel=1e-6
    )
    table = pd.read_parquet(tmp_path / "out" / "demand.parquet").set_index("demand_id")
    assert table.loc["d6", ["site_id", "minutes"]].isna().all()  # 46.5 minutes, cutoff 30
    assert table.loc["d4", "site_id"] == "C1"
    with np.load(tmp_path / "out" / "certificate.npz") as arrays:
        assert arrays["minutes"].max() <= 30 < arrays["beyond_minutes"].min()
        assert len(arrays["minutes"]) + len(arrays["beyond_minutes"]) == 7 * 6
    (note,) = said["notes"]
    assert "d8" in note["zh"] and "d8" in note["en"] and model in note["zh"]


def test_demand_without_weight_does_not_set_the_longest_walk(tmp_path):
    demand = [*OURS, demand_row("far", 5900, 0)]
    said = proved(tmp_path, main_street(tmp_path, demand=demand, model="p_center", new_sites=2))
    assert said["objective"] == pytest.approx(
        min(map(most_minutes, plans_within(new_sites=2))), rel=1e-6
    )


def two_banks(folder, **asked):
    """Two streets that do not meet, 1,000 m each and 2 km apart; C1 on one, C2 on the other."""
    east = [0, 500, 1000]
    nodes = {i + 1: (metres_east(x), 0.0) for i, x in enumerate(east)}
    nodes |= {i + 11: (metres_east(x), 0.02) for i, x in enumerate(east)}
    ways = {1: ([1, 2, 3], WALK), 2: ([11, 12, 13], WALK)}
    demand = [demand_row("s", 100, 1), demand_row("n", 900, 3) | {"lat": 0.02}]
    sites = [site_row("C1", 600), site_row("C2", 600) | {"lat": 0.02}]
    path = write_scenario(folder, demand=demand, candidates=sites, **asked)
    write_osm(folder / "town.osm", nodes, ways)
    return path


def test_streets_that_do_not_meet(tmp_path):
    """One station cannot be reached by all; with both, 500 m and 300 m are walked."""
    said = proved(tmp_path, two_banks(tmp_path, model="p_median", new_sites=2))
    assert said["objective"] == pytest.approx((7.5 * 1 + 4.5 * 3) / 4, rel=1e-5)
    with pytest.raises(InfeasibleError):
        answer(two_banks(tmp_path / "one", model="p_median", new_sites=1))
    with pytest.raises(InfeasibleError):
        answer(two_banks(tmp_path / "one", model="p_center", new_sites=1))


def test_who_walks_to_no_allowed_site_is_left_out_and_said(tmp_path):
    path = two_banks(tmp_path, model="p_median", new_sites=1)
    text = (tmp_path / "candidates.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "candidates.csv").write_text("\n".join(text[:2]), encoding="utf-8")  # C1 alone
    said = proved(tmp_path, path)
    assert said["objective"] == pytest.approx(7.5, rel=1e-5)
    assert "1 个需求点（权重 3）" in said["notes"][0]["zh"]
    assert said["total_weight"] == 4


def test_walks_of_any_length_are_those_of_a_long_cutoff(tmp_path):
    plan = answer(town(tmp_path, model="p_median", new_sites=1))
    walks = distances.all_walks(plan.walking, plan.demand_feet, plan.site_feet, 30.0)
    everything = plan.walking.times(plan.demand_feet, plan.site_feet, 600.0)
    expected = np.full(walks.matrix.shape, np.inf)
    expected[everything.rows, everything.indices] = everything.minutes
    assert np.array_equal(walks.matrix, expected)
    assert np.isinf(walks.matrix[7]).all()  # d8


# --- refused --------------------------------------------------------------------------------------


def refused(path, *words):
    with pytest.raises(QuestionError) as caught:
        answer(path)
    assert all(word in caught.value.zh or word in caught.value.en for word in words)
    assert caught.value.zh != caught.value.en


def test_too_many_pairs_are_refused_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(distances, "PAIR_LIMIT", 41)
    refused(town(tmp_path, model="p_median", new_sites=1), "42", "demand.cell_m", "41")


def test_a_missing_capacity_names_its_sites(tmp_path):
    asked = {"new_sites": 2, "capacities": True}
    refused(town(tmp_path, **asked), "E1", "C1", "容量", "capacity column")
    refused(town(tmp_path, candidates=LIMITED, **asked), "1 个站点没有容量（E1）")
    # a forbidden site needs none: LIMITED says nothing of C5
    answer(town(tmp_path, candidates=LIMITED, existing=STANDING, **asked))


def test_decay_must_end_beyond_every_standard(tmp_path):
    demand = [{**row, "minutes": 20 if row["demand_id"] == "d4" else ""} for row in OURS]
    path = main_street(tmp_path, demand=demand, new_sites=1, decay_to_minutes=20.0)
    refused(path, "decay_to_minutes = 20", "20 分钟")


def test_nobody_to_count_minutes_for(tmp_path):
    demand = [{**row, "weight": 0} for row in DEMAND]
    refused(main_street(tmp_path, demand=demand, model="p_median", new_sites=1), "权重都是 0")


# --- why a station is there, and what is shown ----------------------------------------------------


def test_reasons_name_the_demand_that_nothing_else_covers(tmp_path):
    """d2 only C1, d4 only C2, d5 only C3, d6 only C4; d3 has two."""
    plan = answer(town(tmp_path, new_sites=2))
    said = {plan.sites["site_id"].iloc[site]: why for site, why in reasons(plan).items()}
    assert set(said) == chosen(plan) == {"C1", "C2"}
    assert "d2（20 人）" in said["C1"][0]
    assert "d4 (25 people)" in said["C2"][1]
    assert any(label == "不可替代的新站点" for label, _ in summary_lines(plan))


def test_lscp_says_why_where_other_sites_are_dominated(tmp_path):
    """C4 covers d6 alone, C7 d9 alone, C6 both: nothing is covered by C6 only, yet it is forced."""
    demand = [*OURS[:6], demand_row("d9", 4500, 1)]
    candidates = [*CANDIDATES[:4], site_row("C6", 4250, 50), site_row("C7", 4750, 50)]
    plan = answer(main_street(tmp_path, demand=demand, candidates=candidates))
    assert chosen(plan) == {"C1", "C2", "C3", "C6"}
    why = {plan.sites["site_id"].iloc[site]: note for site, note in reasons(plan).items()}
    other = {"d6": "C4", "d9": "C7"}
    (point,) = [name for name in other if name in why["C6"][0]]
    assert other[point] in why["C6"][0] and other[point] in why["C6"][1]
    assert "只有它" in why["C1"][0]


@pytest.mark.parametrize(
    ("asked", "label", "value"),
    [
        ({"model": "p_median", "new_sites": 1}, "mean walk", "minutes"),
        ({"model": "p_center", "new_sites": 1}, "longest walk", "minutes"),
        ({"new_sites": 1, "decay_to_minutes": 12.0}, "0 at 12 minutes", "people"),
        ({"new_sites": 1, "capacities": True, "candidates": LIMITED, "existing": STANDING},
         "capacities", "people"),
    ],
)  # fmt: skip
def test_the_summary_tells_what_was_optimised(tmp_path, asked, label, value):
    lines = summary_lines(answer(town(tmp_path, **asked)), "en")
    assert [text for name, text in lines if label in name and value in text]
    assert len(summary_lines(answer(town(tmp_path, **asked)))) == len(lines)


def test_large_figures_are_told_without_exponents(tmp_path):
    made = answer(town(tmp_path, new_sites=1))
    found = {"objective": 942_850.06, "bound": 1_704_050.2, "gap": 0.8, "proven": False}
    vast = replace(made.selection, **found, stopped="time")
    for lang in ("zh", "en"):
        assert "942,850" in gap_text(replace(made, selection=vast), lang)
        assert "1,704,050" in gap_text(replace(made, selection=vast), lang)
    heavy = replace(made, demand=made.demand.assign(weight=made.demand["weight"] * 1e6))
    told = [*summary_lines(heavy), *(("", zh) for zh, _ in reasons(heavy).values())]
    assert reasons(heavy) and not [text for _, text in told if re.search(r"\de[+-]\d", text)]
    assert [plain(v) for v in (7.53214, 0.0, 999_999.4, 999_999.6, -2.5e9)] == [
        "7.53214", "0", "999,999", "1,000,000", "-2,500,000,000",
    ]  # fmt: skip


def test_demand_out_of_reach_is_out_of_reach_of_the_standard(tmp_path):
    made = answer(town(tmp_path, model="p_median", new_sites=1))
    assert "标准时间内任何站点都够不着的权重" in dict(summary_lines(made))
    assert "weight that no site reaches within the standard" in dict(summary_lines(made, "en"))


def test_how_far_a_search_is_in_words():
    search = Search("covered", "people", 3.2, 60.0, 12345.0, 12600.0, 255 / 12345)
    assert search.text() == "已覆盖 12,345 人 · 上界 12,600 · 差距 2.07% · 3/60 秒"
    assert search.text("en") == "covered 12,345 people · at most 12,600 · gap 2.07% · 3/60 s"
    ended = Search("mean_minutes", "people", 3.24, 60.0, 7.5, 7.5, 0.0, "proof")
    assert ended.text() == "平均 7.50 分钟 · 下界 7.50 · 差距 0.00% · 已证明最优 · 3.2 秒"
    none = Search("stations", "people", 0.1, 60.0, math.inf, 3.0, math.inf)
    assert none.text("en") == "looking for a first plan"
    vast = Search("covered", "points", 0.1, 60.0, 0.0, 10.0, 1e10)
    assert "> 1000%" in vast.text()


@pytest.mark.parametrize(
    "asked",
    [
        {"new_sites": 2},
        {},
        {"share": 0.5, "minimise": "cost"},
        {"model": "p_median", "new_sites": 2},
    ],
)
def test_the_listener_hears_of_the_search_in_the_units_of_the_plan(tmp_path, asked):
    heard = []
    plan = make_plan(
        load_scenario(town(tmp_path, **asked)),
        progress=lambda step, done, search=None: heard.append((step, search)),
    )
    ends = [search for step, search in heard if search is not None and search.ended]
    assert [step for step, search in heard if search is not None and step != "locate"] == []
    (end,) = ends
    assert (end.objective, end.bound) == (plan.selection.objective, plan.selection.bound)
    for search in (s for _, s in heard if s is not None):
        assert search.counts == plan.scenario.question.counts
        assert search.objective >= plan.selection.objective * 0.2


def test_who_watches_can_stop_the_search(helsinki, tmp_path):
    """From a thread, where no signal arrives: the first sign of progress ends the search."""
    path = busy_town(tmp_path, helsinki)
    plans = []
    thread = threading.Thread(
        target=lambda: plans.append(make_plan(load_scenario(path), stop=lambda: True))
    )
    thread.start()
    thread.join()
    (plan,) = plans
    assert plan.selection.stopped == "interrupt"
    assert len(plan.new) == 8
    assert plan.selection.bound >= plan.selection.objective
    assert any("中途停止" in zh for zh, _ in plan.notes)
    assert any("中途停止" in value for _, value in summary_lines(plan))


def test_a_second_ctrl_c_goes_where_it_always_goes():
    """The first one is kept for the search; once that looks, another one is not ours to keep."""
    stopping = Stopping()
    with stopping.listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stopping.look()
    with pytest.raises(KeyboardInterrupt), stopping.listening():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)  # where Python hears of it
    searching = Stopping(lambda: False)
    with searching.listening():
        searching.look()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
