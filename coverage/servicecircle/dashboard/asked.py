"""What a visitor asks, and the scenario that it makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicecircle.question import TARGETS
from servicecircle.scenario import Scenario, load_scenario, make_scenario

TABLES = ("existing", "demand", "candidates", "districts")
#: what new sites or a budget are best for → lines of the question
GOALS: dict[str, dict[str, Any]] = {
    "covered": {}, "credited": {}, "served": {"capacities": True},
    "mean_minutes": {"model": "p_median"}, "most_minutes": {"model": "p_center"},
}  # fmt: skip
INPUTS = "inputs"  # the folder beside a plan with all files that it was made from


@dataclass(frozen=True)
class Upload:
    """A file that a visitor handed in, kept under a name of our own.

    ``shown`` is the visitor's name for it, for the eye only; ``stamp`` tells uploads apart;
    ``datum`` is None for streets.
    """

    role: str
    shown: str
    path: Path
    stamp: str
    datum: str | None = None


@dataclass(frozen=True)
class Asked:
    """One question: equal ones have the same answer.

    ``base`` is the bundled city's scenario file, None for a city of the visitor's own; the
    uploads take the place of the base's files. ``target`` is new_sites, budget or share with its
    ``value``, or all. ``goal`` says what new sites or a budget are best for (a key of `GOALS`).
    Minutes, km/h, seconds; a share is between 0 and 1.
    """

    base: Path | None
    title: str
    uploads: tuple[Upload, ...]
    target: str
    value: float
    minutes: float
    speed_kmh: float
    time_limit: float
    total_people: float | None = None  # of demand derived from the map
    goal: str = "covered"
    decay_to_minutes: float | None = None  # of the goal credited

    def upload(self, role: str) -> Upload | None:
        """The upload that plays a role: network, or one of `TABLES`."""
        return next((u for u in self.uploads if u.role == role), None)


def scenario_of(asked: Asked, folder: Path) -> Scenario:
    """The scenario of a question, with all its files gathered in ``folder``/inputs.

    Raises the errors of `make_scenario`.
    """
    data: dict[str, Any] = {}
    source = Path()
    if asked.base is not None:
        loaded = load_scenario(asked.base)
        data, source = loaded.model_dump(exclude_none=True), loaded.folder
    data["title"] = asked.title or data.get("title", "plan")
    network = data.setdefault("network", {})
    network["speed_kmh"] = asked.speed_kmh
    _replace_files(data, asked)
    if asked.total_people is not None and asked.upload("demand") is None:
        data.setdefault("demand", {})["total_people"] = asked.total_people
    _set_question(data.setdefault("question", {}), asked)
    (folder / INPUTS).mkdir(parents=True)
    for part, key in _file_lines(data):
        origin = source / part[key]
        part[key] = f"{INPUTS}/{origin.name}"
        if origin.is_file():  # else reading it says what is missing
            shutil.copyfile(origin, folder / part[key])
    return make_scenario(data, folder=folder)


def _replace_files(data: dict[str, Any], asked: Asked) -> None:
    streets = asked.upload("network")
    if streets is not None:
        data["network"]["osm"] = str(streets.path)
        data["network"].pop("sha256", None)
    for role in TABLES:
        upload = asked.upload(role)
        if upload is not None:
            parent = data.setdefault("sites", {}) if role in ("existing", "candidates") else data
            parent[role] = {"file": str(upload.path), "datum": upload.datum}


def _set_question(question: dict[str, Any], asked: Asked) -> None:
    # another target takes the old one's place
    for key in (*TARGETS, "model", "decay_to_minutes", "capacities"):
        question.pop(key, None)
    question["minutes"], question["time_limit"] = asked.minutes, asked.time_limit
    if asked.target in TARGETS:
        value = int(asked.value) if asked.target == "new_sites" else asked.value
        question[asked.target] = value
    if asked.target in ("new_sites", "budget"):
        question.update(GOALS[asked.goal])
        if asked.goal == "credited":
            question["decay_to_minutes"] = asked.decay_to_minutes


def _file_lines(data: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """(part, key) of every line that names a file."""
    sites = data.get("sites", {})
    parts = [data.get("demand"), data.get("districts"), sites.get("existing")]
    parts.append(sites.get("candidates"))
    lines = [(part, "file") for part in parts if part and part.get("file")]
    return [(data["network"], "osm"), *lines] if data["network"].get("osm") else lines


def own_names(text: str, uploads: Iterable[Upload], folder: Path) -> str:
    """A message about files in ``folder``, with the visitor's names in place of ours."""
    text = text.replace(f"{folder}{os.sep}", "")
    for upload in uploads:
        text = text.replace(upload.path.name, upload.shown)
    return text
