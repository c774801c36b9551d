"""Stand-ins for the providers' JavaScript APIs, as their references describe them.

Each knows the constructors and methods that the references name, and no others: a call of anything
else is an error of the page. ``window.calls`` records what was built and asked for, and HTML goes
into the document as the real APIs put it there.
"""

from __future__ import annotations

_COMMON = """
window.calls = [];
function note(name, value) { window.calls.push([name, value]); return value; }
function box(id) {
  var element = document.getElementById(id);
  if (!element) { throw new Error("no container " + id); }
  return element;
}
function html(content) {  // a string is HTML, an element is itself
  var holder = document.createElement("div");
  holder.className = "api-html";
  if (typeof content === "string") { holder.innerHTML = content; } else { holder.append(content); }
  document.getElementById("map").append(holder);
}
function finite() {
  Array.from(arguments).forEach(function (v) {
    if (typeof v !== "number" || !isFinite(v)) { throw new Error("not a number: " + v); }
  });
}
"""

GAODE = (
    _COMMON
    + """
(function () {
  function pair(p) { finite(p[0], p[1]); return p; }
  function Map(id, options) { box(id); pair(options.center); note("Map", options); }
  Map.prototype = {
    add: function (layer) { note("add", layer); }, addControl: function (c) { note("control", c); },
    setBounds: function (b) { note("setBounds", b); }, getZoom: function () { return 12; },
    setZoomAndCenter: function (z, c) { finite(z); note("setZoomAndCenter", [z, pair(c)]); }
  };
  function Flexible(options) { note("Flexible", options); window.tileLayer = options; }
  function LabelsLayer(options) { note("LabelsLayer", options); this.held = []; }
  LabelsLayer.prototype.add = function (m) { note("labels", m.length); };
  function LabelMarker(options) {
    pair(options.position);
    if (options.icon.type !== "image") { throw new Error("icon type"); }
    this.heard = {};
    note("LabelMarker", {name: options.name, position: options.position,
      text: options.text.content, anchor: options.icon.anchor});
    window.markers = (window.markers || []).concat([this]);
  }
  LabelMarker.prototype.on = function (name, f) { this.heard[name] = f; };
  LabelMarker.prototype.click = function () { this.heard.click({}); };
  function InfoWindow() {}
  InfoWindow.prototype = {setContent: html, open: function (map, at) { note("info", pair(at)); }};
  function Bounds(sw, ne) { this.corners = [pair(sw), pair(ne)]; }
  var AMap = {Map: Map, TileLayer: {Flexible: Flexible}, LabelsLayer: LabelsLayer,
    LabelMarker: LabelMarker, InfoWindow: InfoWindow, Bounds: Bounds,
    Scale: function () {}, ToolBar: function () {}};
  window.AMapLoader = {load: function (options) {
    note("load", options);
    note("security", window._AMapSecurityConfig || null);
    if (options.key === "bad") { return Promise.reject(new Error("INVALID_USER_KEY")); }
    return Promise.resolve(AMap);
  }};
})();
"""
)

BAIDU = (
    _COMMON
    + """
(function () {
  function Point(lng, lat) { finite(lng, lat); this.lng = lng; this.lat = lat; }
  function Map(id, options) { box(id); this.heard = {}; note("Map", options); window.bmap = this; }
  Map.prototype = {
    centerAndZoom: function (p, z) { this.zoom = z; note("centerAndZoom", [p.lng, p.lat, z]); },
    enableScrollWheelZoom: function () {}, addControl: function () {},
    addTileLayer: function (layer) { window.tileLayer = layer; note("layer", layer.options); },
    addOverlay: function (m) { note("overlay", [m.point.lng, m.point.lat]);
      window.markers = (window.markers || []).concat([m]); },
    addEventListener: function (name, f) { this.heard[name] = f; },
    getZoom: function () { return this.zoom; },
    setViewport: function (points) { note("setViewport", points.map(
      function (p) { return [p.lng, p.lat]; })); },
    openInfoWindow: function (w, p) { note("info", [p.lng, p.lat]); html(w.content); }
  };
  function Marker(point) { this.point = point; this.heard = {}; }
  Marker.prototype = {setLabel: function (label) { this.label = label; },
    getPosition: function () { return this.point; },
    addEventListener: function (name, f) { this.heard[name] = f; },
    click: function () { this.heard.click({}); }};
  function Label(content) { this.content = content; html(content); }
  Label.prototype.setStyle = function (style) { this.style = style; };
  window.BMap = {Map: Map, Point: Point, Marker: Marker, Label: Label,
    Size: function (w, h) { finite(w, h); }, Icon: function (url) { this.url = url; },
    ScaleControl: function () {}, TileLayer: function (options) { this.options = options; },
    InfoWindow: function (content) { this.content = content; }};
  window[new URL(document.currentScript.src).searchParams.get("callback")]();
})();
"""
)

TENCENT = (
    _COMMON
    + """
(function () {
  function LatLng(lat, lng) { finite(lat, lng); this.lat = lat; this.lng = lng; }
  function Map(id, options) { box(id); note("Map", {maxZoom: options.maxZoom,
    center: [options.center.lat, options.center.lng]}); }
  Map.prototype = {getZoom: function () { return 12; }, setZoom: finite,
    setCenter: function (p) { note("setCenter", [p.lat, p.lng]); },
    fitBounds: function (b) { note("fitBounds", b.corners); }};
  function MultiMarker(options) {
    this.heard = {};
    window.layer = this;
    Object.values(options.styles).forEach(function (s) {
      if (!(s instanceof MarkerStyle)) { throw new Error("style"); }
    });
    note("MultiMarker", options.geometries.map(function (g) {
      if (!options.styles[g.styleId]) { throw new Error("no style " + g.styleId); }
      return {id: g.id, content: g.content, at: [g.position.lat, g.position.lng]};
    }));
  }
  MultiMarker.prototype = {on: function (name, f) { this.heard[name] = f; },
    click: function (id) { this.heard.click({geometry: {id: id}}); }};
  function MarkerStyle(options) { this.options = options; }
  function InfoWindow(options) { this.options = options; }
  InfoWindow.prototype = {open: function () { note("info", this.at); }, close: function () {},
    setPosition: function (p) { this.at = [p.lat, p.lng]; },
    setContent: function (text) {
      if (typeof text !== "string") { throw new Error("content is a string"); }
      html(text);
    }};
  window.TMap = {Map: Map, LatLng: LatLng, MultiMarker: MultiMarker, MarkerStyle: MarkerStyle,
    InfoWindow: InfoWindow,
    ImageTileLayer: function (options) { window.tileLayer = options;
      note("ImageTileLayer", {minZoom: options.minZoom, maxZoom: options.maxZoom}); },
    LatLngBounds: function (sw, ne) { this.corners = [[sw.lat, sw.lng], [ne.lat, ne.lng]]; }};
  window[new URL(document.currentScript.src).searchParams.get("callback")]();
})();
"""
)

TIANDITU = (
    _COMMON
    + """
(function () {
  function LngLat(lng, lat) { finite(lng, lat); this.lng = lng; this.lat = lat; }
  function Map(id) { box(id); this.heard = {}; window.tmap = this; note("Map", id); }
  Map.prototype = {
    centerAndZoom: function (p, z) { this.zoom = z; note("centerAndZoom", [p.lng, p.lat, z]); },
    enableScrollWheelZoom: function () {}, addControl: function () {},
    setMaxZoom: finite, addLayer: function (layer) { window.tileLayer = layer; },
    addOverLay: function (o) { note(o.kind, [o.at.lng, o.at.lat]);
      if (o.kind === "Label") { html(o.text); }
      else { window.markers = (window.markers || []).concat([o]); } },
    removeOverLay: function (o) { note("removed", o.kind); },
    addEventListener: function (name, f) { this.heard[name] = f; },
    getZoom: function () { return this.zoom; }, setViewport: function (p) { note("view", p); },
    openInfoWindow: function (w, p) { note("info", [p.lng, p.lat]); html(w.content); }
  };
  function Marker(at) { this.kind = "Marker"; this.at = at; this.heard = {}; }
  Marker.prototype = {addEventListener: function (name, f) { this.heard[name] = f; },
    click: function () { this.heard.click({}); }};
  function InfoWindow() {}
  InfoWindow.prototype.setContent = function (content) { this.content = content; };
  window.T = {Map: Map, LngLat: LngLat, Marker: Marker, InfoWindow: InfoWindow,
    Point: function (x, y) { finite(x, y); }, Icon: function () {},
    LngLatBounds: function (sw, ne) { this.corners = [sw, ne]; },
    Label: function (o) { this.kind = "Label"; this.at = o.position; this.text = o.text; },
    TileLayer: function (url, options) { this.url = url; this.options = options; },
    Control: {Zoom: function () {}, Scale: function () {}}};
})();
"""
)

#: provider → what its loader's address begins with, the stand-in, where the key is in the address
APIS = {
    "gaode": ("https://webapi.amap.com/loader.js", GAODE, None),
    "baidu": ("https://api.map.baidu.com/api?", BAIDU, "ak"),
    "tencent": ("https://map.qq.com/api/gljs?", TENCENT, "key"),
    "tianditu": ("https://api.tianditu.gov.cn/api?", TIANDITU, "tk"),
}
