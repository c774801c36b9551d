"""Leaflet pieces that ask for nothing from the network: what folium's own would fetch or need.

folium's popups want jQuery and its icons want FontAwesome; these layers need Leaflet alone, and
Leaflet comes inlined from the installed package XStatic-Leaflet.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import folium
from branca.element import Element, MacroElement
from folium.map import Layer
from folium.template import Template
from xstatic.pkg import leaflet

#: drawing order from below; each is a Leaflet pane of its own, below the markers
PANES = ("water", "circles", "streets", "sites", "demand", "districts")


def safe(text: object) -> str:
    """Text out of a table as HTML that shows it and does nothing else.

    Beyond HTML's own signs, backticks, ``$`` and braces become references too: the text passes
    through JavaScript literals and twice through a template engine.
    """
    escaped = html.escape(str(text), quote=True)
    for sign in "`${}":
        escaped = escaped.replace(sign, f"&#{ord(sign)};")
    return escaped


class Raw(Element):
    """HTML or script that reaches the page as it is: no template signs in it are obeyed."""

    _template = Template("{{ this.code }}")

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


def inlined_leaflet() -> str:
    """Leaflet's script and style, images within, as elements of a page's head."""
    folder = Path(leaflet.BASE_DIR)

    def data_address(match: re.Match[str]) -> str:
        image = (folder / match[1]).read_bytes()
        return f"url(data:image/png;base64,{base64.b64encode(image).decode('ascii')})"

    style = (folder / "leaflet.css").read_text(encoding="utf-8")
    style = re.sub(r"url\(([\w/.-]+\.png)\)", data_address, style)
    script = (folder / "leaflet.js").read_text(encoding="utf-8")
    script = re.sub(r"//# sourceMappingURL=\S*\s*$", "", script)
    script = script.replace("</script", "<\\/script")
    return f"<style>{style}</style>\n<script>{script}</script>"


class Fittings(MacroElement):
    """The map's fixed parts: first view, panes, metric scale, zoom buttons, whose data it is."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            (function (map) {
                var view = L.latLngBounds({{ this.view|tojson }}), pad = 12;
                function fit() {
                    var size = map.getSize();
                    if (Math.min(size.x, size.y) <= 2 * pad) { return false; }
                    map.fitBounds(view, {padding: [pad, pad], animate: false});
                    return true;
                }
                if (!fit()) {  // in a frame that has no size yet there is nothing to fit into
                    map.setView(view.getCenter(), 12, {animate: false});
                    var watch = new ResizeObserver(function () {
                        map.invalidateSize(false);
                        if (fit()) { watch.disconnect(); }
                    });
                    watch.observe(map.getContainer());
                }
                {{ this.panes|tojson }}.forEach(function (name, i) {
                    var pane = map.createPane(name);
                    pane.style.zIndex = 410 + 10 * i;
                    pane.style.pointerEvents = "none";
                });
                map.attributionControl.setPrefix(false);
                map.attributionControl.addAttribution({{ this.attribution|tojson }});
                L.control.scale({position: "bottomright", imperial: false}).addTo(map);
                L.control.zoom({position: "bottomright", zoomInTitle: "放大 zoom in",
                    zoomOutTitle: "缩小 zoom out"}).addTo(map);
            })({{ this._parent.get_name() }});
        {% endmacro %}
        """
    )

    def __init__(self, attribution: str, view: list[list[float]]) -> None:
        super().__init__()
        self._name = "Fittings"
        self.view = view  # [[south, west], [north, east]]
        self.attribution = attribution
        self.panes = list(PANES)


class Picture(folium.raster_layers.ImageOverlay):
    """An image overlay in one of `PANES`; ``name`` is HTML."""

    def __init__(
        self, address: str, bounds: list[list[float]], pane: str, name: str, *, show: bool = True
    ) -> None:
        super().__init__(
            address, bounds, name=name, show=show, pane=pane, pixelated=False, interactive=False
        )


class Shapes(Layer):
    """Polygons (a GeoJSON mapping) in one of `PANES`, not clickable; ``name`` is HTML."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            var {{ this.get_name() }} = L.geoJSON({{ this.data|tojson }}, {
                style: {{ this.style|tojson }}, pane: {{ this.pane|tojson }}, interactive: false
            });
            {{ this.labels|tojson }}.forEach(function (label) {
                {{ this.get_name() }}.addLayer(L.marker(label[0], {
                    interactive: false, keyboard: false, pane: {{ this.pane|tojson }},
                    icon: L.divIcon({html: label[1], className: "sc-label", iconSize: null})
                }));
            });
        {% endmacro %}
        """
    )

    def __init__(
        self,
        data: dict[str, Any],
        style: dict[str, Any],
        pane: str,
        name: str,
        *,
        labels: Sequence[tuple[list[float], str]] = (),
        show: bool = True,
    ) -> None:
        super().__init__(name=name, overlay=True, show=show)
        self._name = "Shapes"
        self.data, self.style, self.pane, self.labels = data, style, pane, list(labels)


class Stations(Layer):
    """Markers with tooltip and popup; ``name`` and every text in the records are HTML.

    A record has ``key`` (unique on the map; `scMarkers[key]` finds the marker), ``at`` [lat, lng],
    ``icon``, ``size`` (pixels), ``lift`` (above other markers), ``tip``, ``popup``.
    """

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            window.scMarkers = window.scMarkers || {};
            var {{ this.get_name() }} = L.featureGroup();
            {{ this.records|tojson }}.forEach(function (s) {
                var half = s.size / 2;
                var marker = L.marker(s.at, {zIndexOffset: s.lift, riseOnHover: true,
                    icon: L.divIcon({html: s.icon, className: "sc-icon sc-" + s.kind,
                        iconSize: [s.size, s.size], popupAnchor: [0, -half],
                        tooltipAnchor: [0, -half]})});
                marker.bindTooltip(s.tip, {direction: "top"});
                marker.bindPopup(s.popup, {maxWidth: 280, autoPanPadding: [24, 24]});
                marker.on("popupopen", function () { marker.closeTooltip(); });
                marker.scLayer = {{ this.get_name() }};
                window.scMarkers[s.key] = marker;
                marker.addTo({{ this.get_name() }});
            });
        {% endmacro %}
        """
    )

    def __init__(self, records: list[dict[str, Any]], name: str, *, show: bool = True) -> None:
        super().__init__(name=name, overlay=True, show=show)
        self._name = "Stations"
        self.records = records


class Wiring(MacroElement):
    """What the panel's buttons do; added to the map after its layers."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            (function (map) {
              var panel = document.getElementById("sc-panel");
              var toggle = document.getElementById("sc-toggle");
              toggle.addEventListener("click", function () {
                var closed = panel.classList.toggle("sc-collapsed");
                toggle.setAttribute("aria-expanded", String(!closed));
                map.invalidateSize();
              });
              var link = document.querySelector(".leaflet-control-layers-toggle");
              link.title = "图层 layers";
              function crowded() {  // crowded signs shrink, and the unchosen ones step back
                var points = Object.keys(window.scMarkers || {}).filter(function (key) {
                  return /^(existing|new)-/.test(key);
                }).slice(0, 400).map(function (key) {
                  return map.latLngToLayerPoint(window.scMarkers[key].getLatLng());
                });
                var gaps = points.map(function (p, i) {
                  return Math.min.apply(null, points.map(function (q, j) {
                    return i === j ? Infinity : p.distanceTo(q);
                  }));
                }).sort(function (a, b) { return a - b; });
                var gap = gaps.length ? gaps[gaps.length >> 1] : Infinity;
                var scale = Math.max(0.62, Math.min(1, gap / 36));
                map.getContainer().style.setProperty("--sc-scale", scale);
                map.getContainer().classList.toggle("sc-crowded", scale < 0.8);
              }
              map.on("zoomend", crowded);
              crowded();
              panel.addEventListener("click", function (event) {
                var button = event.target.closest("button[data-key]");
                var marker = button && window.scMarkers[button.getAttribute("data-key")];
                if (!marker) { return; }
                if (!map.hasLayer(marker.scLayer)) { map.addLayer(marker.scLayer); }
                map.setView(marker.getLatLng(), Math.max(map.getZoom(), 15));
                marker.openPopup();
              });
            })({{ this._parent.get_name() }});
        {% endmacro %}
        """
    )

    def __init__(self) -> None:
        super().__init__()
        self._name = "Wiring"


def number_elements(root: Element) -> None:
    """Give all elements running numbers for ids, so that equal maps give equal files."""
    waiting, count = [root], 0
    while waiting:
        element = waiting.pop()
        element._id = f"{count}"
        count += 1
        waiting.extend(element._children.values())
