"""Pages that show a tile folder: one on the provider's own map, one that needs nothing at all.

`write_viewers` writes beside ``tiles/``:

* ``index.html``: the circles and the stations on the map of Gaode, Baidu, Tencent or Tianditu,
  through the provider's JavaScript API. The key is the user's: typed into the page (it stays in
  that browser) or in a file ``key.js`` that the user puts beside the page. No key is ever written.
* ``offline.html``: the same folder in Leaflet, inlined; no key, no internet, opens from a disk too.
  Its own content policy forbids every request but the tiles, and every script but its own.

Names, services and addresses are hostile text: they travel as JSON and reach the pages through
``textContent`` alone, or as the text of nodes whose markup the browser wrote itself.

What is known of the providers' APIs, and how well:

* documented: the loaders' addresses; ``AMap.TileLayer.Flexible`` (``createTile``, ``fail()``,
  ``dataZooms``), ``LabelsLayer``, ``LabelMarker``, ``InfoWindow`` with a DOM node;
  ``BMap.TileLayer`` with ``getTilesUrl`` on Baidu's grid, ``Label`` (HTML), ``InfoWindow``;
  ``TMap.ImageTileLayer``, ``MultiMarker``, ``InfoWindow`` (HTML); ``T.TileLayer``, ``T.Marker``,
  ``T.Label`` (HTML), ``T.InfoWindow``;
* **not verified here**, because that takes a key and the live services: how the pages look on the
  real maps; that Baidu's API 4.0 (WebGL) counts the tiles of an own layer as 3.0 did; that
  Tianditu fills in ``{x}``, ``{y}``, ``{z}`` for an own address as it does for its own services;
  that pictures of 512 pixels are drawn at 256 (the offline page alone uses ``tiles@2x/``).

The tests replace each API by a stand-in that records what the page asked of it.
"""

from __future__ import annotations

from servicecircle.export.viewers.pages import SHARP_FOLDER, write_viewers

__all__ = ["SHARP_FOLDER", "write_viewers"]
