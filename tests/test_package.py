"""The frame: walls between rooms, the public face, the import name, the wheel."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import servicecircle
from servicecircle.export.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "coverage" / "servicecircle"
SPATIAL = {"geopandas", "shapely", "pyproj", "osmium", "osmnx", "networkx", "folium", "pyogrio"}


def imports(path: Path) -> set[str]:
    """Top names of everything a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def run(code: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_locate_knows_no_geography():
    for path in (PACKAGE / "locate").glob("*.py"):
        assert not tops(path) & SPATIAL, path.name
        ours = {name for name in imports(path) if name.startswith("servicecircle.")}
        assert all(n.startswith(("servicecircle.locate", "servicecircle.errors")) for n in ours)


def test_only_the_dashboard_knows_streamlit():
    for path in PACKAGE.rglob("*.py"):
        if "dashboard" not in path.parts:
            assert "streamlit" not in tops(path), path.name


def test_coordinates_import_numpy_alone():
    outside = tops(PACKAGE / "coordinates.py") - set(sys.stdlib_module_names)
    assert outside == {"numpy"}


def test_the_public_names_are_all_there():
    assert sorted(servicecircle.__all__) == servicecircle.__all__
    assert set(servicecircle.__all__) == set(servicecircle._HOME)
    for name in servicecircle.__all__:
        assert getattr(servicecircle, name).__doc__, name
    with pytest.raises(AttributeError):
        _ = servicecircle.nothing


def test_numba_and_coverage_work_from_the_root():
    """The folder coverage/ must not answer numba's probe for coverage.py (numba#10705)."""
    code = "import numba, coverage; print(numba.__version__, coverage.Coverage.__name__)"
    assert run(code).endswith("Coverage")
    assert not (ROOT / "coverage" / "__init__.py").exists()


def test_help_is_light():
    code = (
        "import sys, servicecircle.cli; "
        "print({'geopandas', 'numba', 'osmnx', 'pandas', 'highspy'} & set(sys.modules) or 'light')"
    )
    assert run(code) == "light"


def test_a_plain_check_needs_no_solver():
    code = (
        "import sys, servicecircle.check; "
        "print({'geopandas', 'numba', 'osmium', 'highspy', 'scipy'} & set(sys.modules) or 'light')"
    )
    assert run(code) == "light"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        ["uv", "build", "--wheel", "--out-dir", str(out), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_no_package_called_coverage(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "servicecircle/__init__.py" in names
    assert "servicecircle/plan.schema.json" in names
    assert not [name for name in names if name.startswith("coverage/")]


def test_an_installed_wheel_plans_the_bundled_city(wheel, tmp_path):
    """In an empty environment, away from the checkout, offline: plan, check, every export."""
    venv, work = tmp_path / "venv", tmp_path / "work"
    work.mkdir()
    scripts = venv / ("Scripts" if sys.platform == "win32" else "bin")
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, str(venv)],
        ["uv", "pip", "install", "--quiet", "--python", str(venv), str(wheel)],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    env = {**os.environ, "PYTHONPATH": "", "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    tool = str(scripts / "servicecircle")
    export = ["export", "p", "--to", ",".join(TARGETS), "--zoom", "12-13"]
    for arguments in (["plan", "--out", "p"], ["check", "p"], export):
        done = subprocess.run(
            [tool, *arguments], cwd=work, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (work / "p" / "map.html").stat().st_size > 100_000
    assert len(list((work / "p" / "export").iterdir())) == len(TARGETS)
    names = zipfile.ZipFile(wheel).namelist()
    assert "servicecircle/bundle/app.py" in names
