"""What stands beside the tiles and in their archives: true, legible, harmless."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import unicodedata
from contextlib import closing
from html.parser import HTMLParser

import pytest
from pmtiles.reader import MmapSource, Reader

from hostile import TEXTS, word
from servicecircle.errors import OutputError
from servicecircle.export.tiles.archives import write_mbtiles, write_pmtiles
from servicecircle.export.tiles.metadata import read_tileset
from servicecircle.export.tiles.outlines import Band
from servicecircle.export.tiles.pyramid import Metadata
from tile_cases import town, write


def test_tilejson_says_what_the_tiles_are(tmp_path):
    write(town(), tmp_path / "g", "gcj02", zooms=(12, 13))
    write(town(), tmp_path / "b", "bd09", zooms=(12, 13))
    gcj = json.loads((tmp_path / "g" / "tiles.json").read_text(encoding="utf-8"))
    baidu = json.loads((tmp_path / "b" / "tiles.json").read_text(encoding="utf-8"))
    assert gcj["tilejson"] == "3.0.0" and gcj["scheme"] == "xyz" and gcj["datum"] == "gcj02"
    assert gcj["tiles"] == ["{z}/{x}/{y}.png"] and (gcj["minzoom"], gcj["maxzoom"]) == (12, 13)
    assert gcj["bounds_datum"][0] > gcj["bounds_wgs84"][0] + 0.003
    assert gcj["bounds"][0] == gcj["bounds_wgs84"][0]
    assert gcj["bounds"][2] == gcj["bounds_datum"][2]
    assert "legend" not in gcj  # TileJSON means one text by it
    assert baidu["scheme"] == "baidu" and "no XYZ" in baidu["note"]
    assert [entry["minutes"] for entry in gcj["bands"]] == [15.0, 14.0, 13.0]
    with pytest.raises(OutputError, match="瓦片文件夹"):
        read_tileset(tmp_path)


# --- hostile texts --------------------------------------------------------------------------------


class Shown(HTMLParser):
    """What a map shows of an attribution: text, and markup that there should not be."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.elements = "", []
        self.feed(markup)
        self.close()

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)

    def handle_endtag(self, tag):
        self.elements.append(tag)

    def handle_comment(self, data):
        self.elements.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def assert_legible(said, key):
    """name, description and attribution: the word is there, and nothing that turns or hides it."""
    shown = Shown(said["attribution"])
    assert shown.elements == [], key
    for text in (said["name"], said["description"], shown.text):
        assert word(key) in "".join(c for c in text if unicodedata.category(c) != "Cf"), key
        for c in text:
            assert unicodedata.category(c) not in {"Cc", "Cs"} or c in "\t\n", (key, hex(ord(c)))
            assert c not in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    assert said["name"] == shown.text and "\n" not in said["name"]
    assert " ".join(said["description"].split()).startswith(said["name"])


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    return write(town(1), tmp_path_factory.mktemp("tiles"), "gcj02", zooms=(12, 12))


@pytest.mark.parametrize("key", TEXTS)
def test_hostile_words_are_legible_and_harmless_everywhere(layer, tmp_path, key):
    text = TEXTS[key]
    tiles = dataclasses.replace(layer, metadata=Metadata(text, text, text))
    assert_legible(json.loads(tiles.text()), key)
    with closing(sqlite3.connect(write_mbtiles(tiles, tmp_path / "a.mbtiles"))) as base:
        assert_legible(dict(base.execute("SELECT name, value FROM metadata")), key)
    with write_pmtiles(tiles, tmp_path / "a.pmtiles").open("rb") as handle:
        assert_legible(Reader(MmapSource(handle)).metadata(), key)


def test_texts_are_escaped_once_however_often_they_are_read(tmp_path):
    text = "<b>\"A\" & 'B'</b> &lt;i&gt; &amp;amp;\x07"
    bands = [Band(town(1)[0].shape, (1, 2, 3), 0.5, text, 15)]
    written = write(bands, tmp_path, zooms=(12, 12), metadata=Metadata(text, text, text))
    read = read_tileset(tmp_path)
    assert read.text() == written.text()
    assert read.metadata.attribution == text.replace("\x07", "\ufffd")
    said = json.loads((tmp_path / "tiles.json").read_text(encoding="utf-8"))
    assert said["attribution"].startswith(
        "&lt;b&gt;&quot;A&quot; &amp; &#x27;B&#x27;&lt;/b&gt; &amp;lt;i"
    )
    assert said["name"] == said["bands"][0]["name"] == text.replace("\x07", "\ufffd")
