"""The two pages, put together from the templates of this folder."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from servicecircle.export.export_plan import ExportPlan, writing
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.tiles.metadata import TILEJSON, TileSet, read_tileset
from servicecircle.export.viewers.contents import contents

#: the offline page fetches its tiles and nothing else; ``file:`` for pages opened from a disk,
#: where some browsers do not take it for 'self'
OFFLINE_POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; script-src {hashes}"
)
#: what the providers' scripts load is theirs to decide: only what no map needs is forbidden
ONLINE_POLICY = "object-src 'none'; base-uri 'none'; form-action 'none'"
SHARP_FOLDER = "tiles@2x"
_FOR_SCRIPTS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def write_viewers(
    plan: ExportPlan, folder: Path, *, to: str, datum: str, tiles: TileSet
) -> list[Path]:
    """Write the pages into ``folder``, which holds ``tiles/{z}/{x}/{y}.png``; the files written.

    ``to`` is a key of `PROVIDERS` (``offline.html`` and ``index.html``) or any other word (the
    offline page alone); ``datum`` the one of tiles and stations, ``tiles`` what ``tiles/`` holds.
    Where `SHARP_FOLDER` lies beside it (tiles of scale 2), the offline page takes these on fine
    screens. Older pages are replaced. Raises ``ValueError`` where grid, datum and provider do not
    belong together, `OutputError` where a file cannot be written.
    """
    unlike = tiles.grid.datum != datum or tiles.datum != plan.datum(datum)
    if unlike or (to in PROVIDERS and PROVIDERS[to].datum != datum):
        raise ValueError(f"{to} with {datum}: the tiles are {tiles.grid.name} in {tiles.datum}")
    said = contents(plan, to=to, datum=datum, tiles=tiles, sharp=_sharp(folder, tiles))
    pages = {"offline.html": offline_page(said)}
    if to in PROVIDERS:
        pages["index.html"] = provider_page(said)
    written = []
    for name, text in pages.items():
        path = folder / name
        with writing(path) as beside:
            beside.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def _sharp(folder: Path, tiles: TileSet) -> bool:
    """Whether the same layer lies there for fine screens too, and is not one of an older export."""
    if not (folder / SHARP_FOLDER / TILEJSON).is_file():
        return False
    fine = read_tileset(folder / SHARP_FOLDER).tilejson()
    same = ("grid", "datum", "bounds_datum", "minzoom", "maxzoom", "bands")
    mine = json.loads(tiles.text())
    return fine["scale"] == 2 and all(json.loads(json.dumps(fine[k])) == mine[k] for k in same)


def offline_page(said: dict[str, Any]) -> str:
    """The page that needs nothing: Leaflet within, its scripts named by their hashes."""
    from servicecircle.map_layers import inlined_leaflet  # noqa: PLC0415 (brings folium along)

    page = _page(said, head=inlined_leaflet(), scripts=("shared.js", "offline.js"))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    hashes = " ".join(sorted(f"'sha256-{_sha256(script)}'" for script in scripts))
    return page.replace("__POLICY__", OFFLINE_POLICY.format(hashes=hashes), 1)


def provider_page(said: dict[str, Any]) -> str:
    """The page on the provider's own map."""
    scripts = ("shared.js", f"{said['to']}.js", "online.js")
    return _page(said, key=_text("key.html"), scripts=scripts).replace(
        "__POLICY__", ONLINE_POLICY, 1
    )


def as_json(value: Any) -> str:
    """JSON that may stand inside a script element: no sign in it ends one or begins a comment."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).translate(_FOR_SCRIPTS)


def _page(said: dict[str, Any], *, scripts: tuple[str, ...], head: str = "", key: str = "") -> str:
    return Template(_text("page.html")).substitute(
        title=html.escape(said["title"]),
        head=head,
        style=_text("viewer.css"),
        key=key,
        data=as_json(said),
        script="\n".join(_text(name) for name in scripts),
    )


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
