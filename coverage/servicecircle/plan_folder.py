"""A plan on disk: the files of the contract, written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from servicecircle.errors import OutputError
from servicecircle.plan import FAR_GAP_M, Plan
from servicecircle.plan_circles import circles_geojson
from servicecircle.raw_table import cell_text
from servicecircle.scenario import Scenario, scenario_toml
from servicecircle.stored_plan import EXPORTS, SCHEMA, guard

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILES = (
    "plan.json", "stations.csv", "stations.geojson", "demand.parquet", "certificate.npz",
    "circles.geojson", "map.html", "scenario.toml",
)  # fmt: skip
OLD_EXPORTS = "export-of-older-plan"
_STATION_COLUMNS = (
    "site_id", "name", "lng", "lat", "status", "kind", "cost", "new",
    "covers_weight", "only_covers_weight",
)  # fmt: skip
_OUR_COLUMNS = (*_STATION_COLUMNS, "geometry", "layer", "gap_m", "snapped")
_NAME_BYTES = 200  # file systems allow 255
_HIDDEN = ".servicecircle-"  # what is being built, until it is whole


def default_folder(title: str) -> Path:
    """``./<title>-plan``, with whatever a file name cannot hold replaced."""
    printable = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in title)
    name = re.sub(r'[<>:"/\\|?*]+', "_", printable).strip(" ._")
    short = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    return Path(f"{short or 'plan'}-plan")


def require_writable(folder: Path) -> None:
    """Raise `OutputError` early when ``folder`` is no plan, or cannot be written."""
    try:
        with _alone(folder.resolve().parent):
            may_go = not folder.exists() or _is_plan(folder)
        if not may_go:
            raise OutputError(
                f"{folder}：这里已有内容，但不是规划结果，不会覆盖。请用 --out 换一个文件夹。",
                f"{folder}: exists and is not a plan, so it is not overwritten. "
                "Choose another --out.",
            )
        with _hidden(_workshop(folder.resolve())):
            pass
    except OSError as error:
        raise _cannot_write(folder, error) from error


def save(plan: Plan, folder: str | Path, *, map_html: Callable[[Plan], str]) -> Path:
    """Write the plan's files into ``folder``: built beside it, then renamed into place.

    An older plan there is replaced as a whole; other files in it stay. Raises `OutputError`.
    """
    folder = Path(folder)
    require_writable(folder)
    try:
        with _beside(folder) as building:
            _write(plan, building, folder, map_html)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return folder


def figures(plan: Plan) -> dict[str, Any]:
    """What ``plan.json`` says; see the contract in the README for what each figure means."""
    s, q = plan.selection, plan.scenario.question
    snapped = plan.demand["snapped"].to_numpy(bool)
    ids = plan.sites["site_id"].to_numpy(object)
    covered = plan.times_covered > 0
    return {
        "schema": SCHEMA,
        "model": q.resolved_model,
        "minutes": q.minutes,
        "speed_kmh": plan.scenario.network.speed_kmh,
        "weight_unit": plan.weight_unit,
        "chosen": list(ids[plan.chosen]),
        "new_sites": list(ids[plan.new]),
        "objective": s.objective,
        "bound": s.bound,
        "gap": s.gap,
        "proven": bool(s.proven),
        "proof": s.proof,
        "stopped": s.stopped,
        "covered_weight": float(plan.weight[covered].sum()),
        "total_weight": float(plan.weight.sum()),
        "covered_share": plan.covered_share,
        "covered_share_before": plan.covered_share_before,
        "covered_points": int(covered.sum()),
        "total_points": len(plan.demand),
        "cross_covered_share": plan.cross_covered_share,
        "unreachable_weight": float(plan.weight[snapped & ~plan.reachable].sum()),
        "unsnapped_demand": int((~snapped).sum()),
        "unsnapped_sites": int((~plan.sites["snapped"]).sum()),
        "far_weight_share": plan.share(plan.demand["gap_m"].to_numpy(float) > FAR_GAP_M),
        "islands": {"count": plan.network.islands, "metres": plan.network.island_metres},
        "districts": plan.district_table(),
        "cost": plan.cost,
        "inputs": plan.inputs,
        "notes": [{"zh": zh, "en": en} for zh, en in plan.notes],
        "attribution": plan.scenario.network.attribution,
        "seconds": plan.seconds,
    }


def stations(plan: Plan) -> gpd.GeoDataFrame:
    """The open stations, existing and new, with what each covers, then the planner's columns."""
    table = plan.sites.iloc[plan.chosen].join(plan.station_weights())
    table["new"] = table["status"] != "existing"
    own = [c for c in table.columns if c not in _OUR_COLUMNS]
    if not (table["district"] != "").any():
        own.remove("district")
    for name in own:  # dates, lists and the like become text
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = [cell_text(cell) for cell in table[name]]
    return table[[*_STATION_COLUMNS, *own, "geometry"]]


def demand_table(plan: Plan) -> pd.DataFrame:
    """Every demand point with its nearest open station and whether it is covered."""
    site, minutes = plan.nearest
    ids = plan.sites["site_id"].to_numpy(object)
    near = np.where(site >= 0, ids[site], None)
    demand = plan.demand
    return pd.DataFrame(
        {
            "demand_id": demand["demand_id"].astype(str),
            "lng": demand["lng"].astype(float),
            "lat": demand["lat"].astype(float),
            "weight": plan.weight,
            "minutes_required": plan.minutes_required,
            "snapped": demand["snapped"].astype(bool),
            "site_id": pd.Series(near, index=demand.index, dtype="string"),
            "minutes": np.where(site >= 0, minutes, np.nan),
            "covered": plan.times_covered > 0,
            "times_covered": plan.times_covered,
            "district": demand["district"].astype(str),
        }
    )


def certificate(plan: Plan) -> dict[str, Any]:
    """Plain arrays from which anyone can recount the plan and recompute its bound."""
    s, times = plan.selection, plan.times
    return {
        "indptr": times.indptr,
        "indices": times.indices,
        "minutes": times.minutes,
        "demand_id": plan.demand["demand_id"].to_numpy(str),
        "demand_lng": plan.demand["lng"].to_numpy(float),
        "demand_lat": plan.demand["lat"].to_numpy(float),
        "weight": plan.weight,
        "minutes_required": plan.minutes_required,
        "minutes_own": plan.demand["minutes"].to_numpy(float),
        "gap_m": plan.demand["gap_m"].to_numpy(float),
        "site_id": plan.sites["site_id"].to_numpy(str),
        "site_lng": plan.sites["lng"].to_numpy(float),
        "site_lat": plan.sites["lat"].to_numpy(float),
        "site_gap_m": plan.sites["gap_m"].to_numpy(float),
        "site_district": plan.sites["district"].to_numpy(str),
        "status": plan.sites["status"].to_numpy(str),
        "cost": plan.sites["cost"].to_numpy(float),
        "chosen": np.isin(np.arange(len(plan.sites)), plan.chosen),
        "multipliers": s.multipliers,
        "share_multiplier": np.float64(s.share_multiplier),
        "budget_multiplier": np.float64(s.budget_multiplier),
        **(s.leaves.arrays() if s.leaves is not None else {}),
        **_beyond(plan),
        **_capacities(plan),
    }


def _beyond(plan: Plan) -> dict[str, Any]:
    """Walks beyond the cutoff, where the model counts minutes."""
    if plan.beyond is None:
        return {}
    names = ("indptr", "indices", "minutes")
    return {f"beyond_{name}": getattr(plan.beyond, name) for name in names}


def _capacities(plan: Plan) -> dict[str, Any]:
    """What stations can serve, and how much each serves of whom, where that was asked."""
    if plan.selection.flow is None:
        return {}
    return {"capacity": plan.sites["capacity"].to_numpy(float), "flow": plan.selection.flow}


# --- writing --------------------------------------------------------------------------------------


def _write(plan: Plan, into: Path, final: Path, map_html: Callable[[Plan], str]) -> None:
    text = json.dumps(figures(plan), ensure_ascii=False, indent=2, allow_nan=False)
    (into / "plan.json").write_text(text + "\n", encoding="utf-8")
    table = stations(plan)
    write_csv(table.drop(columns="geometry"), into / "stations.csv")
    (into / "stations.geojson").write_text(table.to_json(drop_id=True), encoding="utf-8")
    demand_table(plan).to_parquet(into / "demand.parquet", index=False)
    np.savez_compressed(into / "certificate.npz", allow_pickle=False, **certificate(plan))
    (into / "circles.geojson").write_text(circles_geojson(plan) + "\n", encoding="utf-8")
    (into / "map.html").write_text(map_html(plan), encoding="utf-8")
    scenario = _with_digest(plan)
    (into / "scenario.toml").write_text(
        scenario_toml(scenario, relative_to=final), encoding="utf-8"
    )


def _with_digest(plan: Plan) -> Scenario:
    network = plan.scenario.network.model_copy(update={"sha256": plan.inputs[0]["sha256"]})
    return plan.scenario.model_copy(update={"network": network})


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """CSV for Excel: UTF-8 with BOM, no cell that a spreadsheet would take for a formula."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([guard(str(name)) for name in table.columns])
        for row in table.itertuples(index=False):
            writer.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return guard(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else repr(float(value))
    return "" if value is None or value is pd.NaT or value is pd.NA else value


def _is_plan(folder: Path) -> bool:
    if folder.is_dir() and not any(folder.iterdir()):
        return True  # an empty folder may be filled
    try:
        found = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        return str(found.get("schema", "")).startswith("servicecircle-plan/")
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _workshop(folder: Path) -> Path:
    """The nearest folder above that exists: there a plan is built before it is put in place."""
    return next(parent for parent in folder.parents if parent.exists())


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, put in its place at the end, removed on any failure."""
    folder = folder.resolve()
    with _hidden(_workshop(folder)) as building:
        yield building
        _put_in_place(building, folder)


@contextmanager
def _hidden(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, removed at the end where it is still there.

    Its name is known before it is made, so that Ctrl-C at whatever moment leaves nothing behind.
    """
    folder = parent / f"{_HIDDEN}{uuid.uuid4().hex}"
    try:
        folder.mkdir(mode=0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(building: Path, folder: Path) -> None:
    """Rename ``building`` to ``folder``; an older plan there goes, other files in it stay.

    Other runs may do the same at the same time: one waits for the other, the last one's remains.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        if not folder.exists():
            building.rename(folder)
            return
        _carry_over(folder, building)
        with _hidden(folder.parent) as aside:
            old = aside / "plan"
            try:
                folder.rename(old)
                building.rename(folder)
            finally:  # also when interrupted between the two renames
                if old.exists() and not folder.exists():
                    old.rename(folder)


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """While no other run puts a plan into ``parent``; the lock ends with the process at latest.

    Where folders cannot be locked (Windows, some network drives) two runs at the very same moment
    may see one of them fail, with a message.
    """
    handle = -1
    try:
        with suppress(OSError):
            if fcntl is not None:
                handle = os.open(parent, os.O_RDONLY)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def _carry_over(folder: Path, building: Path) -> None:
    """Copy the planner's own files of an older plan.

    What was exported of that plan steps aside, so that nobody takes it for the new one's.
    """
    for other in folder.iterdir():
        target = building / other.name
        if other.name in FILES or (other.name == OLD_EXPORTS and (folder / EXPORTS).exists()):
            continue
        if other.name == EXPORTS:
            target = building / OLD_EXPORTS
        if other.is_dir() and not other.is_symlink():
            shutil.copytree(other, target, symlinks=True)
        else:
            shutil.copy2(other, target, follow_symlinks=False)


def _cannot_write(folder: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(
        f"{folder}：写不进去（{reason}）。请检查权限和磁盘空间，或用 --out 换一个文件夹。",
        f"{folder}: cannot be written ({reason}). Check permissions and disk space, or choose "
        "another --out.",
    )
