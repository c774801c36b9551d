"""``servicecircle export``: every target from outside, and the attack table through them all."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image
from pyproj import Geod

from commands import Command, process, start
from hostile import hostile_plan
from plans import main_street, saved
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.targets import TARGETS, Options, export
from servicecircle.steps import EXPORT_STEPS

ALL = tuple(TARGETS)
QUICK = Options(zooms=(13, 15))


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    work = tmp_path_factory.mktemp("street")
    return saved(main_street(work, new_sites=2), work / "plan")


@pytest.fixture
def folder(planned, tmp_path):
    """The town and its plan, to write into."""
    shutil.copytree(planned.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "plan"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_contracts_targets_are_there():
    assert {*PROVIDERS, "kml", "ovital", "xlsx", "report", "signs"} <= set(TARGETS)
    assert set(PROVIDERS) == {"gaode", "baidu", "tencent", "tianditu"}


@pytest.mark.parametrize("to", ALL)
def test_every_target_from_the_command_line(run, folder, to):
    before = content(folder)
    done = run("export", "plan", "--to", to, "--zoom", "13-15")
    assert done.code == 0, done.err
    said = [line for line in done.out.splitlines() if line.startswith("已写出：")]
    assert said
    for line in said:
        path = Path(line.removeprefix("已写出：").split("（")[0])
        assert path.exists() and path.parts[:2] == ("plan", "export")
    (target,) = (folder / "export").iterdir()
    assert target.name.startswith(to)
    after = {name: data for name, data in content(folder).items() if name in before}
    assert after == before  # the plan itself stays as it was
    assert [path for path in folder.rglob("*") if path.name.startswith(".")] == []


@pytest.mark.parametrize("to", ALL)
def test_the_same_plan_gives_the_same_files(folder, tmp_path, to):
    export(folder, to, QUICK)
    first = lasting(folder / "export")
    export(folder, to, QUICK)  # in the place of the first
    assert lasting(folder / "export") == first
    copy = shutil.copytree(folder, tmp_path / "b", ignore=shutil.ignore_patterns("export"))
    time.sleep(1.1)  # dates in files have whole seconds
    export(copy, to, QUICK)
    other = lasting(copy / "export")
    assert set(other) == set(first) and [name for name in other if other[name] != first[name]] == []


def lasting(folder: Path) -> dict[str, bytes]:
    """All files but GDAL's own, which say when they were made."""
    found = content(folder)
    return {name: b"" if name.endswith(".gpkg") else data for name, data in found.items()}


def test_several_targets_at_once_and_progress_in_words(run, folder):
    done = run("export", "plan", "--to", "kml,geojson、kml")
    assert done.code == 0
    assert {p.name for p in (folder / "export").iterdir()} == {"kml", "geojson"}
    assert EXPORT_STEPS["layers"][0] in done.err
    english = run("--lang", "en", "export", "plan", "--to", "kml")
    assert "written: " in english.out and EXPORT_STEPS["layers"][1] in english.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "google"], "gaode | baidu"),
        (["--to", ""], "gaode | baidu"),
        (["--to", "kml,google"], "gaode | baidu"),
        (["--to", "kml", "--area", "hk"], "mainland | all | none"),
        (["--to", "signs", "--paper", "a5"], "a4 | a3"),
        (["--to", "gaode", "--zoom", "high"], "10-17"),
        (["--to", "gaode", "--zoom", "9-3"], "9"),
        (["--to", "gaode", "--zoom", "3-99"], "99"),
        (["--to", "gaode", "--bands", "five"], "5,10,15"),
        (["--to", "gaode", "--bands", "0"], "大于 0"),
        (["--to", "gaode", "--bands", "1,2,3,4,5,6,7,8,9"], "至多"),
    ],
)
def test_options_that_make_no_sense(run, folder, options, words):
    done = run("export", "plan", *options)
    assert done.code == 2
    assert words in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    "options", [["--bands", "3"], ["--zoom", "3-99"], []], ids=["streets", "zooms", "circles"]
)
def test_a_provider_gets_all_or_nothing(run, folder, options):
    (folder.parent / "town.osm").unlink()
    if not options:
        (folder / "circles.geojson").unlink()
    done = run("export", "plan", "--to", "gaode", *options)
    assert done.code == 2 and "Traceback" not in done.err
    assert not (folder / "export").exists()


def test_a_file_in_the_way(run, folder):
    (folder / "export").write_text("mine")
    done = run("export", "plan", "--to", "kml")
    assert done.code == 2 and "挡住" in done.err and (folder / "export").read_text() == "mine"


def test_a_terminal_without_chinese_is_spoken_to_in_english(folder):
    done = process("export", "missing", "--to", "kml", env={"PYTHONIOENCODING": "ascii"})
    assert done.code == 2 and "no such folder" in done.err and "???" not in done.err


def test_a_folder_that_is_no_plan(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, words in (("empty", "plan.json"), ("missing", "没有这个文件夹")):
        done = run("export", name, "--to", "gaode")
        assert done.code == 2 and words in done.err
    assert list((tmp_path / "empty").iterdir()) == []


def test_tiles_can_be_left_out_or_packed_too(folder):
    export(folder, "gaode", Options(tiles=False))
    names = content(folder / "export")
    assert not [name for name in names if name.endswith("index.html") or "/tiles/" in name]
    export(folder, "gaode", Options(zooms=(14, 15), sharp=True, archives=("mbtiles", "pmtiles")))
    names = content(folder / "export")
    assert {Path(name).suffix for name in names} >= {".mbtiles", ".pmtiles", ".html", ".png"}
    assert any("tiles@2x" in name for name in names)
    export(folder, "gaode", Options(zooms=(14, 15)))  # not asked for again: older ones would lie
    assert not {Path(name).suffix for name in content(folder / "export")} & {".mbtiles", ".pmtiles"}
    done = export(folder, "baidu", Options(zooms=(14, 15), archives=("mbtiles",)))
    assert any("MBTiles" in zh for zh, _ in done.notes)


def test_an_earlier_exports_tables_go(folder):
    export(folder, "xlsx", Options(area="all"))
    assert len(list((folder / "export" / "xlsx").iterdir())) == 6
    (folder / "export" / "xlsx" / "mine.csv").write_text("mine")
    export(folder, "xlsx", Options(area="none"))
    names = {path.name for path in (folder / "export" / "xlsx").iterdir()}
    assert names == {"town-stations-wgs84.xlsx", "town-stations-wgs84.csv", "mine.csv"}


# --- what the shell hands on ----------------------------------------------------------------------


def colour_at(tiles: Path, zoom: int, lng: float, lat: float) -> tuple[int, ...]:
    """Red, green, blue, alpha of the pixel that shows a place, by web mercator's own formula."""
    x = (lng + 180) / 360 * 2**zoom * 256
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**zoom * 256
    path = tiles / str(zoom) / str(int(x // 256)) / f"{int(y // 256)}.png"
    if not path.exists():
        return (0, 0, 0, 0)
    with Image.open(path) as tile:
        return tile.convert("RGBA").getpixel((int(x % 256), int(y % 256)))


def test_the_shorter_band_lies_on_the_longer(run, folder):
    """3 minutes are 200 m, 6 are 400 m: the colours 100 m and 300 m east of a station."""
    done = run("export", "plan", "--to", "tianditu", "--bands", "6,3", "--zoom", "16")
    assert done.code == 0, done.err
    tiles = folder / "export" / "tianditu-wgs84" / "tiles"
    legend = json.loads((tiles / "tiles.json").read_text(encoding="utf-8"))["bands"]
    colours = {entry["minutes"]: entry["colour"] for entry in legend}
    assert [entry["name"] for entry in legend] == ["步行 6 分钟服务圈", "步行 3 分钟服务圈"]
    for east, minutes in ((100, 3.0), (300, 6.0)):  # of E1, at the street's western end
        *rgb, alpha = colour_at(tiles, 16, *metres_away(east))
        assert "#{:02x}{:02x}{:02x}".format(*rgb) == colours[minutes] and alpha > 100
    assert colour_at(tiles, 16, *metres_away(-300))[3] == 0


def metres_away(east: float) -> tuple[float, float]:
    lng, lat, _ = Geod(ellps="WGS84").fwd(0, 0, 90, east)
    return lng, lat


def document(path: Path) -> str:
    (paper,) = path.glob("*.docx")
    with zipfile.ZipFile(paper) as parts:
        return parts.read("word/document.xml").decode()


def test_federation_and_language_reach_the_paper(run, folder):
    assert run("export", "plan", "--to", "report", "--federation", "河谷市总工会").code == 0
    text = document(folder / "export" / "report")
    assert "河谷市总工会" in text and "覆盖率" in text
    assert run("--lang", "en", "export", "plan", "--to", "report").code == 0
    text = document(folder / "export" / "report")
    assert "overed share" in text and "河谷市总工会" not in text and "覆盖率" not in text


def test_what_a_planner_should_know_is_said(run, folder):
    done = run("export", "plan", "--to", "gaode", "--no-tiles")
    assert "没有偏移" in done.err  # the town lies on the equator
    (book,) = (folder / "export" / "gaode-wgs84").glob("*-stations-*.xlsx")
    rows = len(pd.read_excel(book, sheet_name="待补正", engine="calamine"))
    assert rows and f"有 {rows} 处缺漏" in done.err
    assert "没有偏移" not in run("export", "plan", "--to", "gaode", "--area", "all").err
    assert "偏移" not in run("export", "plan", "--to", "kml").err  # always WGS-84
    wrong = run("export", "plan", "--to", "kml", "--mbtiles")
    assert wrong.code == 2 and "--mbtiles" in wrong.err


def test_riders_are_told_of_riding(folder):
    path = folder / "scenario.toml"
    text = path.read_text(encoding="utf-8")
    assert 'profile = "foot"' in text
    path.write_text(text.replace('profile = "foot"', 'profile = "ebike"'), encoding="utf-8")
    for to in ("tianditu", "kml"):
        export(folder, to, QUICK)
    made = folder / "export"
    legend = json.loads((made / "tianditu-wgs84" / "tiles" / "tiles.json").read_text("utf-8"))
    assert {entry["name"] for entry in legend["bands"]} == {"骑行 6 分钟服务圈"}
    (kml,) = (made / "kml").iterdir()
    assert "骑行 6 分钟" in kml.read_text("utf-8") and "步行" not in kml.read_text("utf-8")


def test_the_datum_is_in_the_folders_name(folder):
    export(folder, "baidu", Options(tiles=False, area="all"))
    export(folder, "baidu", Options(tiles=False, area="none"))
    assert {p.name for p in (folder / "export").iterdir()} == {"baidu-bd09", "baidu-wgs84"}


def test_ctrl_c_among_the_tiles_goes_on_where_it_broke(folder, tmp_path):
    whole = shutil.copytree(folder, tmp_path / "whole")
    export(whole, "gaode", Options(zooms=(13, 20)))
    running = start(
        "export", "plan", "--to", "gaode", "--zoom", "13-20", cwd=folder.parent,
        start_new_session=True,
    )  # fmt: skip
    tiles = folder / "export" / "gaode-wgs84" / "tiles"
    end = time.monotonic() + 60
    while time.monotonic() < end and not list(tiles.glob("*/*/*.png")):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    try:
        _, err = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        running.kill()
        raise
    assert running.returncode == 130 and "断点" in err.decode()
    some = list(tiles.rglob("*.png"))
    assert 0 < len(some) < len(list((whole / "export" / "gaode-wgs84" / "tiles").rglob("*.png")))
    export(folder, "gaode", Options(zooms=(13, 20)))
    ours, theirs = (content(f / "export" / "gaode-wgs84" / "tiles") for f in (folder, whole))
    pictures = {name for name in theirs if name.endswith(".png")}
    assert {name for name in ours if name.endswith(".png")} == pictures and pictures
    assert all(ours[name] == theirs[name] for name in pictures)


# --- the attack table -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    work = tmp_path_factory.mktemp("attack")
    folder = hostile_plan(work)
    before = set(work.rglob("*"))
    for to in ALL:
        archives = () if to == "baidu" else ("mbtiles", "pmtiles")
        export(folder, to, Options(area="all", zooms=(13, 14), archives=archives))
    return work, folder, before


def test_nothing_is_written_outside_the_export(attacked):
    work, folder, before = attacked
    inside = folder / "export"
    made = set(work.rglob("*")) - before
    assert made and all(path == inside or inside in path.parents for path in made)
    for path in made:
        assert path.name.isprintable() and len(path.name.encode()) < 256
        assert not set(path.name) & set('<>:"\\|?*') and not path.name.endswith((".", " "))
        assert path.name.split(".")[0].upper() not in {"CON", "NUL", "AUX", "PRN", "COM1", "LPT1"}


def test_every_file_is_what_its_name_says(attacked):
    _, folder, _ = attacked
    kinds = set()
    for path in (p for p in (folder / "export").rglob("*") if p.is_file()):
        data = path.read_bytes()
        kinds.add(path.suffix)
        if path.suffix in (".json", ".geojson"):
            json.loads(data)
        elif path.suffix in (".kml", ".svg"):
            ElementTree.fromstring(data)
        elif path.suffix in (".xlsx", ".docx"):
            with zipfile.ZipFile(path) as book:
                assert book.testzip() is None
                for name in book.namelist():
                    if name.endswith((".xml", ".rels")):
                        ElementTree.fromstring(book.read(name))
                    assert ".." not in name and not name.startswith("/")
                    assert b"<f>" not in book.read(name)  # no formula anywhere
        elif path.suffix == ".png":
            assert data.startswith(b"\x89PNG")
        elif path.suffix == ".pdf":
            assert data.startswith(b"%PDF") and b"/JavaScript" not in data
        elif path.suffix in (".csv", ".txt", ".html"):
            data.decode("utf-8-sig")
    assert kinds >= {
        ".xlsx", ".csv", ".png", ".html", ".json", ".kml", ".txt", ".geojson", ".gpkg", ".pdf",
        ".docx",
    }  # fmt: skip
