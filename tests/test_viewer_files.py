"""The files of the viewer pages: which are written, and that they are the same every time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.viewers import write_viewers
from servicecircle.export.viewers.contents import KEY_FROM
from viewer_cases import CITY, moved, page_bytes, tileset


def test_every_provider_says_where_a_key_comes_from() -> None:
    assert list(KEY_FROM) == list(PROVIDERS)


def test_the_files(street_plan: ExportPlan, vectors: pd.DataFrame, tmp_path: Path) -> None:
    row = vectors.loc[CITY]
    here = moved(street_plan, [(row["wgs84_lng"], row["wgs84_lat"])])
    tiles = tileset(tmp_path, "gcj02", (13, 16), row)
    written = write_viewers(here, tmp_path, to="gaode", datum="gcj02", tiles=tiles)
    assert {p.name for p in written} == {"index.html", "offline.html"}
    first = page_bytes(tmp_path)
    write_viewers(here, tmp_path, to="gaode", datum="gcj02", tiles=tiles)
    assert page_bytes(tmp_path) == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index.html", "offline.html"]
    (alone,) = write_viewers(here, tmp_path, to="own", datum="gcj02", tiles=tiles)
    assert alone.name == "offline.html" and b'href="index.html"' not in alone.read_bytes()
    wrong = tileset(tmp_path, "bd09", (13, 16), row)
    for to, datum, what in (("gaode", "bd09", wrong), ("baidu", "gcj02", wrong),
                            ("tianditu", "gcj02", tiles)):  # fmt: skip
        with pytest.raises(ValueError, match=to):
            write_viewers(here, tmp_path, to=to, datum=datum, tiles=what)
    with pytest.raises(ValueError, match="wgs84"):  # tiles and stations shifted differently
        unshifted = dataclasses.replace(tiles, datum="wgs84")
        write_viewers(here, tmp_path, to="gaode", datum="gcj02", tiles=unshifted)
