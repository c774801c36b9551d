"""``servicecircle plan | check`` from the outside: files, exit codes, interruption, replacement."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from commands import Command, names, process, start
from plans import (
    CANDIDATES,
    DEMAND,
    answer,
    busy_town,
    main_street,
    saved,
    site_row,
    with_status,
    write_table,
)
from servicecircle import plan_folder
from servicecircle.check import check_folder
from servicecircle.errors import OutputError
from servicecircle.plan_folder import FILES, save


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)


def said(folder):
    return json.loads((folder / "plan.json").read_text(encoding="utf-8"))


def question(folder):
    return tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))["question"]


# --- the whole way --------------------------------------------------------------------------------


def test_plan_and_check_as_a_planner_runs_them(tmp_path):
    path = main_street(tmp_path, new_sites=2)
    done = process("plan", path, cwd=tmp_path)
    assert done.code == 0, done.err
    assert names(tmp_path / "town-plan") == set(FILES)
    assert "站点：已建 1 + 新建 2" in done.out
    assert "6.54% → 55.56%" in done.out
    assert "已证明最优" in done.out
    assert "计算步行时间 …" in done.err
    again = process("check", tmp_path / "town-plan", "--rebuild")
    assert (again.code, again.err) == (0, "")
    assert "界已重新证明" in again.out


def test_english_is_a_switch(run, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    done = run("--lang", "en", "plan", path)
    assert done.code == 0
    assert "stations: 1 existing + 2 new" in done.out
    assert "proven optimal" in done.out
    assert "walking times …" in done.err
    assert "claims hold" in run("--lang", "en", "check", "town-plan").out


def test_without_a_scenario_everything_comes_from_options(run, tmp_path):
    main_street(tmp_path, existing=[site_row("E1", 0)])
    (tmp_path / "scenario.toml").unlink()
    done = run(
        "plan", "--osm", "town.osm", "--demand", "demand.csv", "--candidates", "candidates.csv",
        "--existing", "existing.csv", "--minutes", "6", "--budget", "300", "--out", "a/b/out",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert said(tmp_path / "a/b/out")["objective"] == 80
    assert run("check", "a/b/out", "--rebuild").code == 0


def test_the_default_folder_is_named_after_the_osm_file(run, tmp_path):
    main_street(tmp_path)
    options = ["--osm", "town.osm", "--demand", "demand.csv", "--candidates", "candidates.csv"]
    assert run("plan", *options, "--new-sites", "1").code == 0
    assert (tmp_path / "town-plan").is_dir()


@pytest.mark.parametrize(
    ("asked", "options", "expected"),
    [
        ({"new_sites": 2}, ["--new-sites", "1"], {"model": "mclp", "new_sites": 1}),
        ({"new_sites": 2}, ["--budget", "300"], {"model": "mclp", "budget": 300.0}),
        ({"new_sites": 2}, ["--share", "0.5"], {"model": "partial_cover", "share": 0.5}),
        ({"share": 0.5, "model": "partial_cover"}, ["--new-sites", "1"], {"model": "mclp"}),
        ({"new_sites": 2}, ["--model", "lscp"], {"model": "lscp"}),
        ({}, ["--minutes", "7", "--seed", "5"], {"model": "lscp", "minutes": 7.0, "seed": 5}),
        ({"minimise": "cost"}, ["--time-limit", "9"], {"minimise": "cost", "time_limit": 9.0}),
        ({"new_sites": 2}, ["--model", "p_median"], {"model": "p_median", "new_sites": 2}),
        (
            {"new_sites": 2, "model": "p_center"},
            ["--new-sites", "1"],
            {"model": "p_center", "new_sites": 1},
        ),
        ({"new_sites": 2, "model": "p_center"}, ["--share", "0.5"], {"model": "partial_cover"}),
        (
            {"new_sites": 2},
            ["--decay-to-minutes", "15"],
            {"model": "mclp", "decay_to_minutes": 15.0},
        ),
        ({"new_sites": 2, "capacities": True}, ["--no-capacities"], {"capacities": False}),
    ],
)
def test_options_replace_the_scenarios(run, tmp_path, asked, options, expected):
    path = main_street(tmp_path, **asked)
    done = run("plan", path, *options, "--out", "out")
    assert done.code == 0, done.err
    found = question(tmp_path / "out")
    assert {key: found[key] for key in expected} == expected
    assert len({"new_sites", "budget", "share"} & set(found)) <= 1
    assert check_folder(tmp_path / "out").exit_code == 0


def test_what_a_search_found_is_one_line_more(run, tmp_path):
    done = run("plan", main_street(tmp_path, new_sites=2))
    lines = done.err.splitlines()
    found = [line for line in lines if "差距" in line]
    assert len(lines) == 7
    assert found == [lines[lines.index("选址优化 …") + 1]]
    assert found[0].startswith("  已覆盖 85 人 · 上界 85 · 差距 0.00% · 已证明最优 · ")
    done = run("--lang", "en", "plan", main_street(tmp_path, new_sites=2, model="p_center"))
    assert "farthest 15.00 minutes · at least 15.00 · gap 0.00% · proven optimal" in done.err
    assert "longest walk to the nearest station: 15.00 minutes" in done.out


def test_capacities_without_the_column_are_one_message(run, tmp_path):
    done = run("plan", main_street(tmp_path, new_sites=2), "--capacities", "--out", "out")
    assert done.code == 2
    assert "“容量”列" in done.err
    assert not (tmp_path / "out").exists()


def test_tables_on_the_command_line_replace_the_scenarios(run, tmp_path):
    """The other tables' columns are their own: the scenario's mapping goes with its table."""
    path = main_street(tmp_path, new_sites=1)
    text = path.read_text(encoding="utf-8")
    text = text.replace('file = "demand.csv"', 'file = "demand.csv"\ncolumns = {weight = "w"}')
    path.write_text(text, encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_table(elsewhere / "d.csv", DEMAND[:4])
    write_table(elsewhere / "c.csv", with_status("forbidden", "C2"))
    done = run(
        "plan", path, "--demand", "elsewhere/d.csv", "--candidates", "elsewhere/c.csv",
        "--speed-kmh", "3.9", "--out", "out",
    )  # fmt: skip
    assert done.code == 0, done.err
    plan = said(tmp_path / "out")
    assert (plan["new_sites"], plan["total_points"], plan["speed_kmh"]) == (["C1"], 4, 3.9)


def test_a_datum_on_the_command_line(run, tmp_path):
    """Off China's coast the shift does not apply, and a note says so."""
    path = main_street(tmp_path, new_sites=1)
    done = run("plan", path, "--demand-datum", "bd09", "--candidates-datum", "gcj02", "--out", "o")
    assert done.code == 0, done.err
    datums = {entry["role"]: entry["datum"] for entry in said(tmp_path / "o")["inputs"]}
    assert datums["demand"] == "bd09"
    assert datums["candidates"] == "gcj02"
    assert datums["existing"] == "wgs84"
    assert "坐标按 bd09 给出" in done.err


def test_exit_codes_of_check(run, tmp_path):
    folder = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    plan = said(folder)
    for change, code, word in (
        ({}, 0, "全部"),
        ({"proof": "solver"}, 3, "求解器"),
        ({"objective": 86.0}, 1, "✗ objective"),
    ):
        (folder / "plan.json").write_text(json.dumps({**plan, **change}), encoding="utf-8")
        done = run("check", folder)
        assert done.code == code
        assert word in done.out
    (folder / "plan.json").write_text("{", encoding="utf-8")
    done = run("check", folder)
    assert done.code == 2
    assert done.err.startswith("错误：")
    assert run("check", tmp_path / "nothing").code == 2
    assert "cannot be read" in run("--lang", "en", "check", tmp_path).err


def test_check_rebuild_without_streets(run, tmp_path):
    folder = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    (tmp_path / "town.osm").unlink()
    done = run("check", folder, "--rebuild")
    assert done.code == 2
    assert "town.osm" in done.err
    assert "--rebuild" in done.err
    assert run("check", folder).code == 0


def test_help_answers_without_heavy_libraries():
    heavy = ["geopandas", "numba", "osmnx", "pandas", "scipy", "highspy", "folium", "pydantic"]
    code = (
        "import sys; from servicecircle.cli import app\n"
        "try: app(['--help'])\n"
        f"except SystemExit: print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr.strip() == "[]"
    assert "plan" in done.stdout
    assert "check" in done.stdout


def test_a_console_without_our_characters_shows_a_question_mark(tmp_path):
    """Simplified-Chinese Windows consoles know neither ✓ nor ⚠."""
    folder = saved(main_street(tmp_path, new_sites=2), tmp_path / "out")
    done = process("check", folder, env={"PYTHONIOENCODING": "gbk"})
    assert done.code == 0, done.err


def test_names_from_files_do_not_steer_the_terminal(run, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    text = path.read_text(encoding="utf-8").replace("demand.csv", "\\u001b[31m:bug:[b]x.csv")
    path.write_text(text, encoding="utf-8")
    done = run("plan", path)
    assert done.code == 2
    assert "\x1b" not in done.err
    assert ":bug:[b]x.csv" in done.err


# --- replaced whole, or not at all ----------------------------------------------------------------


def test_an_older_plan_is_replaced_and_the_planners_files_stay(run, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    out = tmp_path / "out"
    assert run("plan", path, "--out", "out").code == 0
    (out / "memo.txt").write_text("mine")
    (out / "photos").mkdir()
    (out / "photos" / "a.jpg").write_bytes(b"1")
    assert run("plan", path, "--out", "out", "--new-sites", "1").code == 0
    assert names(out) == {*FILES, "memo.txt", "photos"}
    assert (out / "photos" / "a.jpg").read_bytes() == b"1"
    assert len(said(out)["new_sites"]) == 1
    assert not [name for name in names(tmp_path) if name.startswith(".")]
    assert check_folder(out).exit_code == 0


def test_exports_of_an_older_plan_step_aside(run, tmp_path):
    path = main_street(tmp_path, new_sites=2)
    out = tmp_path / "out"
    assert run("plan", path, "--out", "out").code == 0
    for content in ("first", "second"):
        (out / "export").mkdir()
        (out / "export" / "a.csv").write_text(content)
        assert run("plan", path, "--out", "out", "--new-sites", "1").code == 0
        assert names(out) == {*FILES, "export-of-older-plan"}
        assert (out / "export-of-older-plan" / "a.csv").read_text() == content
    assert run("plan", path, "--out", "out").code == 0  # nothing new was exported: it stays
    assert (out / "export-of-older-plan" / "a.csv").read_text() == "second"


def test_an_empty_folder_is_filled(run, tmp_path):
    (tmp_path / "out").mkdir()
    assert run("plan", main_street(tmp_path / "town", new_sites=1), "--out", "out").code == 0


def test_a_link_to_a_plan_stays_a_link(tmp_path):
    path = main_street(tmp_path, new_sites=2)
    out = saved(path, tmp_path / "out")
    (tmp_path / "link").symlink_to(out)
    (out / "plan.json").write_text('{"schema": "servicecircle-plan/1"}')
    saved(path, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert check_folder(out).exit_code == 0


def full_disk(plan):
    raise OSError(28, "No space left on device")


def broken_map(plan):
    raise RuntimeError("no map")


def interrupt(plan):
    raise KeyboardInterrupt


@pytest.mark.parametrize("draw", [full_disk, broken_map, interrupt])
@pytest.mark.parametrize("before", [True, False])
def test_what_fails_while_writing_leaves_everything_as_it_was(tmp_path, draw, before):
    path, out = main_street(tmp_path, new_sites=2), tmp_path / "sub" / "out"
    if before:
        saved(path, out)
    whole = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    plan = answer(path)
    expected = OutputError if draw is full_disk else (RuntimeError, KeyboardInterrupt)
    with pytest.raises(expected):
        save(plan, out, map_html=draw)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == whole
    assert (tmp_path / "sub").exists() == before
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("error", [OSError(5, "I/O"), KeyboardInterrupt()])
def test_what_fails_between_the_renames_puts_the_old_plan_back(tmp_path, monkeypatch, error):
    """The old plan is moved aside, the new one does not arrive."""
    path = main_street(tmp_path, new_sites=2)
    out = saved(path, tmp_path / "out")
    (out / "memo.txt").write_text("mine")
    plan = answer(path)
    rename = plan_folder.Path.rename

    def fail(self, target):
        if target == out and self.name.startswith("."):
            raise error
        return rename(self, target)

    monkeypatch.setattr(plan_folder.Path, "rename", fail)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        save(plan, out, map_html=lambda plan: "new")
    assert (out / "map.html").read_text() == "<html></html>"
    assert (out / "memo.txt").read_text() == "mine"
    assert check_folder(out).exit_code == 0
    assert not list(tmp_path.glob(".*"))


def test_many_plans_into_one_folder_at_once(tmp_path):
    """Whoever comes last, the folder is one whole plan, and the planner's file is still there."""
    plans = [answer(main_street(tmp_path / str(n), new_sites=n)) for n in (1, 2, 3)]
    out = save(plans[0], tmp_path / "out", map_html=lambda plan: "x")
    (out / "memo.txt").write_text("mine")
    gate = threading.Barrier(6)

    def write(i):
        gate.wait()
        for _ in range(5):
            save(plans[i % 3], out, map_html=lambda plan: "x")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert names(out) == {*FILES, "memo.txt"}
    assert check_folder(out).exit_code == 0
    assert not list(tmp_path.glob(".*"))


def test_two_processes_into_one_folder(tmp_path):
    path = main_street(tmp_path, new_sites=2)
    running = [start("plan", path, "--out", tmp_path / "out") for _ in range(2)]
    ends = [(r.communicate(timeout=300), r.returncode) for r in running]
    assert [code for _, code in ends] == [0, 0], ends
    assert check_folder(tmp_path / "out").exit_code == 0
    assert not [name for name in names(tmp_path) if name.startswith(".")]


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.fixture
def busy(helsinki, tmp_path):
    return busy_town(tmp_path, helsinki)


def interrupted(path: Path, folder: Path, step: str, *, times: int = 1) -> tuple[int, str, str]:
    """``plan`` with SIGINT (so many, half a second apart) once ``step`` is announced."""
    running = start(
        "plan", path, "--out", folder,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    before = b""
    for line in running.stderr:
        before += line
        if step in line.decode():
            break
    for _ in range(times):
        running.send_signal(signal.SIGINT)
        time.sleep(0.5)
    out, err = running.communicate(timeout=120)
    return running.returncode, out.decode(), (before + err).decode()


@pytest.mark.parametrize("step", ["计算步行时间", "绘制地图"])
def test_ctrl_c_leaves_nothing_half_written(helsinki, tmp_path, step):
    busy = busy_town(tmp_path, helsinki, time_limit=2.0)
    before = names(tmp_path)
    code, _, err = interrupted(busy, tmp_path / "out", step)
    assert code == 130, err
    assert "已中断" in err
    assert "Traceback" not in err
    assert names(tmp_path) == before


def test_ctrl_c_while_the_sites_are_chosen_keeps_the_best_plan(busy, tmp_path):
    code, out, err = interrupted(busy, tmp_path / "out", "选址优化")
    assert code == 0, err
    assert "Traceback" not in err
    plan = said(tmp_path / "out")
    assert (plan["stopped"], plan["proven"]) == ("interrupt", False)
    assert len(plan["new_sites"]) == 8
    assert any("中途停止" in n["zh"] and "interrupted" in n["en"] for n in plan["notes"])
    assert "选址优化被中途停止" in err
    assert "中途停止" in out  # beside the gap
    assert check_folder(tmp_path / "out").exit_code in (0, 3)


def test_a_killed_run_leaves_the_old_plan(tmp_path):
    """Killed while the map is drawn: the old plan is whole, what was being built is hidden."""
    path = main_street(tmp_path, new_sites=2)
    out = saved(path, tmp_path / "out")
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]);"
        "from pathlib import Path; from plans import answer;"
        "from servicecircle.plan_folder import save;"
        "save(answer(Path(sys.argv[2])), sys.argv[3],"
        " map_html=lambda plan: os.kill(os.getpid(), signal.SIGKILL))"
    )
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code, here, path, out], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert check_folder(out).exit_code == 0
    left = [name for name in names(tmp_path) if name.startswith(".")]
    assert len(left) == 1
    assert left[0].startswith(".servicecircle-")


def test_a_plan_on_an_existing_network_without_candidates_left(run, tmp_path):
    """Everything forbidden but today's stations: evaluated as it is."""
    ids = [row["site_id"] for row in CANDIDATES]
    path = main_street(tmp_path, candidates=with_status("forbidden", *ids), new_sites=3)
    assert run("plan", path, "--out", "out").code == 0
    plan = said(tmp_path / "out")
    assert (plan["new_sites"], plan["covered_share"]) == ([], plan["covered_share_before"])
