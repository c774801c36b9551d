"""The bundled city: where its files are, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def city() -> Path:
    """The scenario of the bundled, fictional city 河谷市; its OSM file and tables lie beside it."""
    inside_wheel = _HERE / "bundle" / "data" / "hegu.toml"
    return inside_wheel if inside_wheel.exists() else _HERE.parents[1] / "data" / "hegu.toml"


def app() -> Path:
    """The dashboard's front door, ``app.py``."""
    inside_wheel = _HERE / "bundle" / "app.py"
    return inside_wheel if inside_wheel.exists() else _HERE.parents[1] / "app.py"
