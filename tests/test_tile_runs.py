"""Folders of tiles whose run was broken, repeated or disturbed: whole again, byte for byte."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from pathlib import Path

import pytest

from servicecircle.errors import OutputError
from servicecircle.export.tiles.journal import alone, tiles_in
from servicecircle.export.tiles.metadata import read_tileset
from servicecircle.export.tiles.pyramid import Metadata
from tile_cases import content, numbers, town, write

_CHILD = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import tile_cases as t
seen = []
def progress(done, expected):
    seen.append(done)
    if len(seen) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
t.write(t.town(), sys.argv[1], "gcj02", zooms=(10, 17), progress=progress)
"""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    write(town(), folder, "gcj02", zooms=(10, 17))
    return content(folder)


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_killed_run_is_taken_up_and_ends_byte_for_byte(tmp_path, unbroken, after):
    code = _CHILD.format(tests=str(Path(__file__).parent), after=after)
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, timeout=300)
    assert ended.returncode == -9
    halfway = numbers(tmp_path)
    assert 0 < len(halfway) < len([name for name in unbroken if name.endswith(".png")])
    assert json.loads((tmp_path / "manifest.json").read_text())["state"] == "painting"
    lines = (tmp_path / ".tiles-journal").read_text().splitlines()
    assert len(lines) >= after - 1
    times = {path: Path(path).stat().st_mtime_ns for *_, path in tiles_in(tmp_path)}
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken
    kept = sum(Path(path).stat().st_mtime_ns == time for path, time in times.items())
    assert kept >= sum(int(line.split()[1]) for line in lines)  # done blocks are not painted anew


def test_ctrl_c_is_taken_up_too(tmp_path, unbroken):
    def stop(done, expected):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(town(), tmp_path, "gcj02", zooms=(10, 17), progress=stop)
    assert not (tmp_path / ".tiles-lock").exists()
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken


def test_any_number_of_threads_gives_the_same_bytes(tmp_path, unbroken):
    for workers in (1, 5):
        write(town(), tmp_path / str(workers), "gcj02", zooms=(10, 17), workers=workers)
        assert content(tmp_path / str(workers)) == unbroken


def test_damage_is_mended_and_a_sound_folder_left_alone(tmp_path, unbroken):
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    *_, path = next(tiles_in(tmp_path))
    before = Path(path).stat().st_mtime_ns
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert Path(path).stat().st_mtime_ns == before
    Path(path).write_bytes(b"torn")
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken
    Path(path).unlink()
    write(town(), tmp_path, "gcj02", zooms=(10, 17))
    assert content(tmp_path) == unbroken


def test_other_inputs_leave_no_stale_tile_and_foreign_files_stay(tmp_path):
    write(town(), tmp_path / "a", "gcj02", zooms=(10, 17))
    (tmp_path / "a" / "index.html").write_text("page")
    (tmp_path / "a" / "12" / "notes.txt").write_text("mine")
    write(town(1, seed=5), tmp_path / "a", "gcj02", zooms=(11, 15))
    assert (tmp_path / "a" / "index.html").read_text() == "page"
    assert (tmp_path / "a" / "12" / "notes.txt").read_text() == "mine"
    write(town(1, seed=5), tmp_path / "b", "gcj02", zooms=(11, 15))
    apart = filecmp.dircmp(tmp_path / "a", tmp_path / "b")
    assert apart.left_only == ["index.html"] and not apart.right_only
    assert numbers(tmp_path / "a") == numbers(tmp_path / "b")
    assert not (tmp_path / "a" / "17").exists()


def test_a_changed_name_changes_no_tile(tmp_path):
    write(town(), tmp_path, zooms=(12, 14))
    before = {k: v for k, v in content(tmp_path).items() if k.endswith(".png")}
    *_, path = next(tiles_in(tmp_path))
    time = Path(path).stat().st_mtime_ns
    write(town(), tmp_path, zooms=(12, 14), metadata=Metadata("另一个", "x"))
    assert Path(path).stat().st_mtime_ns == time
    assert read_tileset(tmp_path).metadata.name == "另一个"
    assert {k: v for k, v in content(tmp_path).items() if k.endswith(".png")} == before


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with alone(tmp_path), pytest.raises(OutputError, match="另一次导出"):
        write(town(), tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import tile_cases as t\n"
        "from servicecircle.errors import OutputError\n"
        "try: t.write(t.town(), sys.argv[1])\n"
        "except OutputError: sys.exit(7)\n"
    )
    with alone(tmp_path):
        ended = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, timeout=300)
    assert ended.returncode == 7
    write(town(), tmp_path, zooms=(12, 12))


def test_folders_of_others_are_not_touched(tmp_path):
    theirs = tmp_path / "12" / "3" / "4.png"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    with pytest.raises(OutputError, match="空文件夹"):
        write(town(), tmp_path)
    assert theirs.read_bytes() == b"theirs"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write(town(), tmp_path / "file")
