"""The command line's options laid over a scenario's own lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servicecircle import bundled
from servicecircle.errors import ScenarioError
from servicecircle.question import TARGETS, TARGETS_OF
from servicecircle.scenario import Scenario, load_scenario, make_scenario

Table = tuple[Path | None, str | None]  # file and datum, as options give them


def scenario_of(
    file: Path | None,
    network: dict[str, Any],
    tables: dict[str, Table],
    question: dict[str, Any],
) -> Scenario:
    """The scenario of a file (the bundled city's, where nothing names another), options first.

    ``network``, ``question``: keys of those parts of a scenario; None: not given.
    """
    network = {key: value for key, value in network.items() if value is not None}
    data: dict[str, Any] = {}
    folder = Path()
    elsewhere = "osm" in network or "place" in network
    if file is None and not elsewhere and not any(table for table, _ in tables.values()):
        file = bundled.city()
    if file is not None:
        loaded = load_scenario(file)
        folder, data = loaded.folder, loaded.model_dump(exclude_none=True)
    _replace_network(data, network)
    for name, (table, datum) in tables.items():
        _replace_table(data, name, table, datum)
    _replace_question(data, {key: value for key, value in question.items() if value is not None})
    return make_scenario(data, folder=folder, source=str(file or ""))


def _replace_network(data: dict[str, Any], given: dict[str, Any]) -> None:
    part = data.setdefault("network", {})
    if "osm" in given and "place" in given:
        raise ScenarioError(
            "--osm 和 --place 只能给一个：前者用自己的文件，后者按地名下载。",
            "give either --osm (a file of yours) or --place (fetched by its name), not both.",
        )
    if "osm" in given or "place" in given:  # another city
        for key in ("osm", "place", "outline", "osm_date", "sha256"):
            part.pop(key, None)
        title = given["osm"].name.split(".")[0] if "osm" in given else given["place"]
        data.setdefault("title", title)
    if given.get("profile", part.get("profile")) != part.get("profile"):
        for key in ("walk_filter", "speed_kmh", "leg_speed_kmh"):  # the old profile's
            part.pop(key, None)
    for key, value in given.items():
        if key in ("barriers", "links"):
            part[key] = {"file": str(value.absolute())}
        elif isinstance(value, Path):
            part[key] = str(value.absolute())
        else:
            part[key] = value


def _replace_table(data: dict[str, Any], name: str, file: Path | None, datum: str | None) -> None:
    if file is None and datum is None:
        return
    parent = data.setdefault("sites", {}) if name in ("candidates", "existing") else data
    part = parent.setdefault(name, {})
    if file is not None:
        part.clear()  # another table has its own columns and sheets
        part["file"] = str(file.absolute())
    if datum is not None:
        part["datum"] = datum
    if "file" not in part:
        raise ScenarioError(
            f"给了 --{name}-datum，但没有 {name} 表：请同时用 --{name} 给出文件。",
            f"--{name}-datum was given, but there is no {name} table: hand one in with --{name}.",
        )


def _replace_question(data: dict[str, Any], given: dict[str, Any]) -> None:
    old = data.setdefault("question", {})
    # another target takes the old one's place; so does the model that has none
    if any(key in given for key in TARGETS) or given.get("model") == "lscp":
        for key in TARGETS:
            old.pop(key, None)
        fitting = TARGETS_OF.get(old.get("model", "mclp"), ())
        if not any(key in given for key in fitting):  # a model that has no use for it goes too
            old.pop("model", None)
    old.update(given)
