"""Scenario: one planning question; TOML in, TOML out, one checked model behind every door."""

from __future__ import annotations

import difflib
import os
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from servicecircle.errors import ScenarioError

Datum = Literal["wgs84", "gcj02", "bd09"]
Area = Literal["mainland", "all", "none"]
Model = Literal["mclp", "lscp", "partial_cover"]
TARGETS = ("new_sites", "budget", "share")


class _Part(BaseModel):
    """Every part is frozen, refuses unknown keys, and keeps empty things empty."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class NetworkPart(_Part):
    """Which streets, and how fast people walk on them."""

    osm: str | None = None
    sha256: str | None = None  # of the OSM file; written into plan folders, checked where given
    walk_filter: Literal["osmnx"] = "osmnx"
    speed_kmh: float = Field(4.0, gt=0, le=50)
    max_snap_m: float = Field(500.0, gt=0, le=5000)
    island_share: float = Field(0.01, ge=0, lt=1)


class TablePart(_Part):
    """A table of points or districts, the datum of its coordinates, its own column names."""

    file: str | None = None
    datum: Datum = "wgs84"
    area: Area = "mainland"  # where the datum's shift applies, decided once per table
    columns: dict[str, str] = Field(default_factory=dict)
    sheet: str | None = None


class SitesPart(_Part):
    """Existing stations and candidate sites; ``datum`` and ``area`` hold for both by default."""

    datum: Datum = "wgs84"
    area: Area = "mainland"
    existing: TablePart | None = None
    candidates: TablePart | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, data: Any) -> Any:
        """``existing = "file"`` is short for a table with that file and the common datum."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        common = {key: data[key] for key in ("datum", "area") if key in data}
        for key in ("existing", "candidates"):
            value = data.get(key)
            if isinstance(value, str):
                value = {"file": value}
            if isinstance(value, dict):
                data[key] = {**common, **value}
        return data


class QuestionPart(_Part):
    """What is asked: a standard in minutes, and at most one target."""

    model: Model | None = None
    minutes: float = Field(15.0, gt=0, le=240)
    new_sites: int | None = Field(None, ge=0)
    budget: float | None = Field(None, ge=0)
    share: float | None = Field(None, gt=0, le=1)
    minimise: Literal["stations", "cost"] = "stations"
    time_limit: float = Field(60.0, gt=0)
    seed: int = Field(0, ge=0)

    @property
    def target(self) -> str | None:
        """Which of new_sites, budget, share is set; None asks to cover all that can be."""
        given = [t for t in TARGETS if getattr(self, t) is not None]
        return given[0] if given else None

    @property
    def resolved_model(self) -> Model:
        """The model asked for, or the one that the target implies."""
        if self.model is not None:
            return self.model
        by_target: dict[str | None, Model] = {"share": "partial_cover", None: "lscp"}
        return by_target.get(self.target, "mclp")


class Scenario(_Part):
    """One planning question with everything it needs.

    File names are relative to ``folder`` (where the TOML file lies), or absolute.
    """

    title: str = "plan"
    network: NetworkPart = NetworkPart()
    demand: TablePart = TablePart()
    sites: SitesPart = SitesPart()
    districts: TablePart = TablePart()
    question: QuestionPart = QuestionPart()
    folder: Path = Field(default=Path(), exclude=True)

    def path(self, name: str) -> Path:
        """A file named in the scenario, as a path that can be opened."""
        return self.folder / name


def load_scenario(path: str | Path) -> Scenario:
    """Read a scenario file. Raises `ScenarioError` that names the key and the nearest known one."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ScenarioError(
            f"{path}：找不到这个方案文件，请检查路径。",
            f"{path}: no such scenario file; check the path.",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(
            f"{path}：不是有效的 TOML（UTF-8）文件：{error}",
            f"{path}: not a valid TOML file in UTF-8: {error}",
        ) from error
    return make_scenario(data, folder=path.parent, source=str(path))


def make_scenario(data: dict[str, Any], *, folder: Path = Path(), source: str = "") -> Scenario:
    """Check a nested dictionary (as TOML gives it) and make it a scenario."""
    if "folder" in data:
        raise _unknown_key(("folder",), source)
    try:
        scenario = Scenario.model_validate({**data, "folder": folder})
    except ValidationError as error:
        raise _explain(error, source) from None
    _check_question(scenario.question, source)
    return scenario


def scenario_toml(scenario: Scenario, *, relative_to: Path | None = None) -> str:
    """The scenario as TOML with every default named; paths made relative to a folder if given."""
    data = scenario.model_dump(exclude_none=True)
    question = data["question"]
    question["model"] = scenario.question.resolved_model
    if relative_to is not None:
        _move_paths(data, scenario, relative_to)
    parts = (data["network"], data["demand"], data["districts"], *data["sites"].values())
    for part in parts:
        if isinstance(part, dict) and not part.get("columns", True):
            del part["columns"]
    if "file" not in data["districts"]:
        del data["districts"]
    return tomli_w.dumps(data)


def _move_paths(data: dict[str, Any], scenario: Scenario, folder: Path) -> None:
    tables = [(data["network"], "osm"), (data["demand"], "file"), (data["districts"], "file")]
    tables += [(data["sites"][k], "file") for k in ("existing", "candidates") if k in data["sites"]]
    for part, key in tables:
        if part.get(key):
            absolute = scenario.path(part[key]).resolve()
            try:
                part[key] = Path(os.path.relpath(absolute, folder.resolve())).as_posix()
            except ValueError:  # another drive on Windows
                part[key] = absolute.as_posix()


def _check_question(q: QuestionPart, source: str) -> None:
    where = f"{source}：" if source else ""
    where_en = f"{source}: " if source else ""
    given = [t for t in TARGETS if getattr(q, t) is not None]
    if len(given) > 1:
        raise ScenarioError(
            f"{where}[question] 同时给了 {' 和 '.join(given)}：三个目标只能给一个，请删去其余。",
            f"{where_en}[question] sets {' and '.join(given)}: only one of new_sites, budget, "
            "share can be the target; delete the others.",
        )
    needs = {"mclp": ("new_sites", "budget"), "lscp": (None,), "partial_cover": ("share",)}
    model = q.resolved_model
    if q.target not in needs[model]:
        wanted = " / ".join(t or "(none)" for t in needs[model])
        raise ScenarioError(
            f"{where}[question] 模型 {model} 需要的目标是 {wanted}，实际给了 {q.target or '无'}。",
            f"{where_en}[question] model {model} wants the target {wanted}, "
            f"but {q.target or 'none'} was given.",
        )


def _explain(error: ValidationError, source: str) -> ScenarioError:
    first = error.errors()[0]
    where = tuple(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_key(where, source)
    key = ".".join(where)
    found = first.get("input")
    label = f"{source}：" if source else ""
    return ScenarioError(
        f"{label}{key} = {found!r} 不可用：{first['msg']}。",
        f"{source + ': ' if source else ''}{key} = {found!r} cannot be used: {first['msg']}.",
    )


def _unknown_key(where: tuple[str, ...], source: str) -> ScenarioError:
    known = _known_keys(where[:-1])
    near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.5)
    every = _known_anywhere()
    elsewhere = [k for k in every if k.rsplit(".", maxsplit=1)[-1] == where[-1]]
    guess = elsewhere[:1] or near
    zh = f"，是不是想写 {guess[0]}？" if guess else f"，可用的键：{'、'.join(known)}。"
    en = f"; did you mean {guess[0]}?" if guess else f"; known keys: {', '.join(known)}."
    label = f"{source}：" if source else ""
    return ScenarioError(
        f"{label}不认识的键 {'.'.join(where)}{zh}",
        f"{source + ': ' if source else ''}unknown key {'.'.join(where)}{en}",
    )


def _known_keys(where: tuple[str, ...]) -> list[str]:
    """Keys of the part at ``where`` (a path of keys)."""
    part: Any = Scenario
    for key in where:
        part = _part_of(part.model_fields[key].annotation) if key in part.model_fields else None
        if part is None:
            return []
    return [name for name in part.model_fields if name != "folder"]


def _part_of(annotation: Any) -> Any:
    """The part class in an annotation such as ``TablePart | None``."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next((p for p in map(_part_of, typing.get_args(annotation)) if p), None)
    is_part = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_part else None


def _known_anywhere() -> list[str]:
    found = []
    for name in Scenario.model_fields:
        for key in _known_keys((name,)):
            found.append(f"{name}.{key}")
    return found
