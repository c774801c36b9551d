"""Files that burst when they are read are refused in words, at every door, with little memory.

One process of its own opens them all, with a limit on its memory: a bomb that goes off takes it
down, and with it the tests.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyogrio
import pytest

import bombs
from bomb_files import (
    PLANS,
    STREETS,
    TABLES,
    make_layers,
    make_parquets,
    make_plans,
    make_streets,
    make_workbooks,
    points,
)

MEMORY = 6 << 30  # of addresses: libraries take some that they never use
GROWN_MB = 150  # of memory, by all bombs together

CHILD = """
import json, sys, warnings
from pathlib import Path
if watched := sys.platform == "linux":  # elsewhere memory can be neither limited nor told like this
    import resource
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
warnings.simplefilter("ignore")
import pyarrow.dataset, pyogrio, osmium, networkx, pandas
from servicecircle.errors import PlannerError
from servicecircle.stored_plan import read_folder
from servicecircle.streets.street_files import read_streets
from servicecircle.table_files import read_raw
def table(path):
    return read_raw(path, wanted=lambda names: True)
doors = {"tables": table, "streets": read_streets, "plans": read_folder}
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 if watched else 0
table(Path(sys.argv[1]) / "plain.geojson"), table(Path(sys.argv[1]) / "plain.gpkg")
before = peak()
for door, read in doors.items():
    for path in sorted((Path(sys.argv[1]) / door).iterdir()):
        print(f"{door}/{path.name}", end="\\t", flush=True)
        try:
            read(path)
            said = ["nothing"]
        except PlannerError as error:
            said = [error.zh, error.en]
        print(json.dumps([said, peak() - before]), flush=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("bombs")
    for door in ("tables", "streets", "plans"):
        (path / door).mkdir()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server's address, and what has been asked of it."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()


@pytest.fixture(scope="module")
def said(folder: Path, asked: tuple[str, list[str]]) -> dict[str, tuple[list[str], int]]:
    """What each bomb's door says: [Chinese, English], and the memory grown so far, in MB."""
    (folder / "plain.geojson").write_text(bombs.geojson())
    points().to_file(folder / "plain.gpkg", layer="t")
    make_workbooks(folder / "tables")
    make_layers(folder / "tables", asked[0])
    make_parquets(folder / "tables")
    make_streets(folder / "streets")
    make_plans(folder)
    found = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(MEMORY)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split("\t") for line in found.stdout.splitlines()]
    assert found.returncode == 0, f"{lines[-1]}: {found.stderr[-2000:]}"
    return {name: json.loads(answer) for name, answer in lines}


@pytest.mark.parametrize(
    ("bomb", "words"),
    [(f"{door}/{name}", words) for door, of in
     (("tables", TABLES), ("streets", STREETS), ("plans", PLANS)) for name, words in of.items()],
)  # fmt: skip
def test_a_bomb_is_refused_with_little_memory(
    said: dict[str, tuple[list[str], int]], bomb: str, words: str
) -> None:
    (zh, en), grown = said[bomb]
    assert any(word in en for word in words.split("|")), en
    name = bomb.split("/")[1]
    assert name in zh and name in en and len(en) < 700
    assert any("\u4e00" <= character <= "\u9fff" for character in zh)
    assert "geheim" not in zh + en
    assert grown < GROWN_MB


def test_every_bomb_is_listed(said: dict[str, tuple[list[str], int]]) -> None:
    listed = {"tables": TABLES, "streets": STREETS, "plans": PLANS}
    assert said.keys() == {f"{door}/{name}" for door, names in listed.items() for name in names}


def test_no_address_is_asked(
    said: dict[str, tuple[list[str], int]], asked: tuple[str, list[str]]
) -> None:
    assert said and asked[1] == []


def test_gdal_would_have_asked_and_opened(folder: Path, asked: tuple[str, list[str]]) -> None:
    """What the bombs do where nobody looks: else they would prove nothing."""
    crs = {"type": "link", "properties": {"href": f"{asked[0]}/really", "type": "proj4"}}
    secret = folder / "secret.geojson"
    secret.write_text(bombs.geojson())
    cases = {
        "a.geojson": bombs.geojson(crs=crs),
        "b.geojson": bombs.commands(secret),
        "c.gpkg": "SQLite format 3\n" + bombs.vrt(secret),
    }
    for name, content in cases.items():
        (folder / name).write_text(content)
        assert pyogrio.read_dataframe(folder / name)["secret"].tolist() == ["geheim"]
    assert "/really" in asked[1]
    asked[1].clear()
