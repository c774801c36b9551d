"""Scenario: one planning question; TOML in, TOML out, one checked model behind every door."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, Literal, get_args

import tomli_w
from pydantic import BaseModel, Field, ValidationError, create_model, model_validator

from servicecircle.errors import ScenarioError
from servicecircle.profiles import PROFILES
from servicecircle.proxies import PROXIES
from servicecircle.question import Part, QuestionPart, check_question

Datum = Literal["wgs84", "gcj02", "bd09"]
Area = Literal["mainland", "all", "none"]
Obstacle = Literal["water", "railway", "motorway"]
Host = Literal[
    "bank", "post_office", "supermarket", "convenience", "government", "library",
    "community_centre", "bus_station", "fuel", "pharmacy", "telecom",
]  # fmt: skip
OSM_ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"
SHOWN_CHARACTERS = 80
NEAR = 0.65  # how alike a key must be to be what was meant (difflib's ratio)


class LayerPart(Part):
    """A file with positions, the datum of its coordinates."""

    file: str | None = None
    datum: Datum = "wgs84"
    area: Area = "mainland"  # where the datum's shift applies, decided once per file


class TablePart(LayerPart):
    """A table of points or districts, its own column names."""

    columns: dict[str, str] = Field(default_factory=dict)
    sheet: str | None = None


class NetworkPart(Part):
    """Which streets, and how fast people move on them.

    ``profile`` gives what is not said of walk filter and speeds. ``barriers`` (polygons) and
    ``links`` (lines) change the streets; ``dem`` (GeoTIFF) makes slopes count, ``steps_factor``
    and ``signal_seconds`` steps and waits at signals; legs beside the streets may not cross what
    ``legs_avoid`` lists.
    """

    osm: str | None = None
    place: str | None = None  # fetched by name where no file is given
    outline: str | None = None  # polygon of the place: only demand inside counts
    osm_date: str | None = None  # state of the map, where the file itself does not tell
    sha256: str | None = None  # of the OSM file; written into plan folders, checked where given
    profile: Literal["foot", "ebike"] = "foot"
    walk_filter: Literal["osmnx", "china", "ebike"] = "osmnx"
    speed_kmh: float = Field(4.0, gt=0, le=50)
    leg_speed_kmh: float | None = Field(None, gt=0, le=50)  # None: as along the streets
    max_snap_m: float = Field(500.0, gt=0, le=5000)
    island_share: float = Field(0.01, ge=0, lt=1)
    legs_avoid: list[Obstacle] = Field(default_factory=list)
    barriers: LayerPart | None = None
    links: LayerPart | None = None
    dem: str | None = None
    steps_factor: float = Field(1.0, ge=1, le=20)
    signal_seconds: float = Field(0.0, ge=0, le=600)
    attribution: str = OSM_ATTRIBUTION  # whose data the OSM file is; stands on everything made

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, data: Any) -> Any:
        """Fill in the profile's values; ``barriers = "file"`` is short for a layer in WGS-84."""
        if not isinstance(data, dict):
            return data
        profile = PROFILES.get(str(data.get("profile", "foot")))
        filled = dict(data)
        for key in ("barriers", "links"):
            if isinstance(data.get(key), str):
                filled[key] = {"file": data[key]}
        if profile is not None:
            filled.setdefault("walk_filter", profile.walk_filter)
            filled.setdefault("speed_kmh", profile.speed_kmh)
            if profile.leg_speed_kmh is not None:
                filled.setdefault("leg_speed_kmh", profile.leg_speed_kmh)
        return filled


#: one weight per proxy, in relative units (per place, hectare or km: see `PROXIES`)
WeightsPart = create_model(  # type: ignore[call-overload]
    "WeightsPart",
    __base__=Part,
    **{name: (float, Field(proxy.weight, ge=0)) for name, proxy in PROXIES.items()},
)


class DemandPart(TablePart):
    """The demand table; without a file, how demand is derived from the OSM file."""

    cell_m: float = Field(100.0, ge=20, le=2000)
    total_people: float | None = Field(None, gt=0)  # without it, weights are relative units
    weights: WeightsPart = Field(default_factory=WeightsPart)


class SitesPart(Part):
    """Existing stations and candidate sites; ``datum`` and ``area`` hold for both by default.

    Without a candidates file they are derived from the OSM file: places of these ``kinds``.
    """

    datum: Datum = "wgs84"
    area: Area = "mainland"
    existing: TablePart | None = None
    candidates: TablePart | None = None
    kinds: list[Host] = Field(default_factory=lambda: list(get_args(Host)), min_length=1)

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


class DistrictsPart(TablePart):
    """The districts layer; without a file, boundaries of these levels in the OSM file."""

    admin_levels: list[int] = Field(default_factory=lambda: [6, 7, 8])


class Scenario(Part):
    """One planning question with everything it needs.

    File names are relative to ``folder`` (where the TOML file lies), or absolute.
    """

    title: str = "plan"
    federation: str = ""  # whose stations they are: on signs and in the report
    network: NetworkPart = Field(default_factory=NetworkPart)
    demand: DemandPart = DemandPart()
    sites: SitesPart = SitesPart()
    districts: DistrictsPart = DistrictsPart()
    question: QuestionPart = QuestionPart()
    folder: Path = Field(default=Path(), exclude=True)

    def path(self, name: str) -> Path:
        """A file named in the scenario, as a path that can be opened."""
        return self.folder / name

    def network_files(self) -> list[tuple[str, Path, Datum]]:
        """(role, path, datum) of the files beside the streets' own that change the streets."""
        n = self.network
        layers = [("barriers", n.barriers), ("links", n.links)]
        found = [(role, self.path(p.file), p.datum) for role, p in layers if p and p.file]
        plain: list[tuple[str, str | None]] = [("dem", n.dem), ("outline", n.outline)]
        return found + [(role, self.path(file), "wgs84") for role, file in plain if file]


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
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
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
    check_question(scenario.question, *_labels(source))
    return scenario


def scenario_toml(scenario: Scenario, *, relative_to: Path | None = None) -> str:
    """The scenario as TOML with every default named; paths made relative to a folder if given."""
    data = scenario.model_dump(exclude_none=True)
    question = data["question"]
    question["model"] = scenario.question.resolved_model
    if relative_to is not None:
        _move_paths(data, scenario, relative_to)
    _drop_idle(data)
    return tomli_w.dumps(data)


def _drop_idle(data: dict[str, Any]) -> None:
    """Take out what has no effect: table options without a table, derivation beside a table."""
    demand, sites, districts = data["demand"], data["sites"], data["districts"]
    table_only, derived_only = ("datum", "area", "columns"), ("cell_m", "weights", "total_people")
    for key in derived_only if "file" in demand else table_only:
        demand.pop(key, None)
    for key in ("admin_levels",) if "file" in districts else table_only:
        districts.pop(key, None)
    if sites.get("candidates", {}).get("file"):
        del sites["kinds"]
    for part in (demand, districts, sites.get("existing", {}), sites.get("candidates", {})):
        if not part.get("columns", True):
            del part["columns"]


def _move_paths(data: dict[str, Any], scenario: Scenario, folder: Path) -> None:
    tables = [(data["network"], "osm"), (data["demand"], "file"), (data["districts"], "file")]
    tables += [(data["network"], key) for key in ("dem", "outline")]
    tables += [(data["network"][k], "file") for k in ("barriers", "links") if k in data["network"]]
    tables += [(data["sites"][k], "file") for k in ("existing", "candidates") if k in data["sites"]]
    for part, key in tables:
        if part.get(key):
            named = scenario.path(part[key])
            absolute = named.parent.resolve() / named.name  # a link keeps its own name
            try:
                part[key] = Path(os.path.relpath(absolute, folder.resolve())).as_posix()
            except ValueError:  # another drive on Windows
                part[key] = absolute.as_posix()


def _explain(error: ValidationError, source: str) -> ScenarioError:
    first = error.errors()[0]
    where = tuple(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_key(where, source)
    key = ".".join(where)
    found = _shown(first.get("input"))
    zh, en = _reason(first["type"], first.get("ctx", {}), first["msg"])
    label, label_en = _labels(source)
    return ScenarioError(
        f"{label}{key} = {found} 不可用：{zh}。", f"{label_en}{key} = {found} cannot be used: {en}."
    )


def _labels(source: str) -> tuple[str, str]:
    return (f"{source}：", f"{source}: ") if source else ("", "")


def _shown(value: Any) -> str:
    """A value as TOML writes it, cut short."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"


def _reason(kind: str, limits: dict[str, Any], message: str) -> tuple[str, str]:
    """Why pydantic refused a value, in both languages; its own words for what is rare."""
    if kind == "literal_error":
        known = str(limits["expected"]).replace(" or ", ", ").replace("'", "")
        return f"只能是 {known.replace(', ', '、')} 之一", f"it must be one of {known}"
    for name, zh, en in (
        ("gt", "要大于", "above"), ("ge", "不能小于", "at least"),
        ("lt", "要小于", "below"), ("le", "不能大于", "at most"),
    ):  # fmt: skip
        if name in limits:
            return f"{zh} {limits[name]:g}", f"it must be {en} {limits[name]:g}"
    for start, zh, en in (
        ("int", "要一个整数（不加引号）", "a whole number is wanted, without quotes"),
        ("float", "要一个数字（不加引号）", "a number is wanted, without quotes"),
        ("finite", "要一个有限的数字", "a finite number is wanted"),
        ("bool", "要 true 或 false（不加引号）", "true or false is wanted, without quotes"),
        ("string", "要文字（加引号）", "text is wanted, in quotes"),
        ("model", '这里要一个表，如 file = "…"', "a table is wanted here, with keys of its own"),
        ("list", '要一个列表，如 ["water"]', 'a list is wanted, such as ["water"]'),
        ("dict", '这里要一个表，如 { weight = "人数" }', "a table is wanted here"),
    ):
        if kind.startswith(start):
            return zh, en
    return message, message


def _unknown_key(where: tuple[str, ...], source: str) -> ScenarioError:
    """Names the key of that name in another part, else the nearest one here, else anywhere."""
    name, known = where[-1], _known_keys(where[:-1])
    every = {key.rsplit(".", maxsplit=1)[-1]: key for key in reversed(_known_anywhere())}
    here = {key: ".".join((*where[:-1], key)) for key in known}
    near = difflib.get_close_matches(name, here, n=1, cutoff=NEAR)
    far = difflib.get_close_matches(name, every, n=1, cutoff=NEAR)
    guess = [every[n] for n in [name] if n in every] or [here[n] for n in near]
    guess = guess or [every[n] for n in far]
    listed, listed_en = "、".join(known), ", ".join(known)
    zh = f"，是不是想写 {guess[0]}？" if guess else f"，可用的键：{listed}。"
    en = f"; did you mean {guess[0]}?" if guess else f"; known keys: {listed_en}."
    label, label_en = _labels(source)
    return ScenarioError(
        f"{label}不认识的键 {'.'.join(where)}{zh}", f"{label_en}unknown key {'.'.join(where)}{en}"
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
