/* The page that needs nothing: Leaflet on the folder's own grid. */
(function () {
  var data = Viewer.data, MANY = 800;

  /* Baidu's plane: LL2MC as its script publishes it, and its inverse by halving. */
  function baiduProjection(table) {
    function northing(lat, row) {
      var t = lat / row[9], y = 0;
      for (var k = 8; k > 1; k--) { y = y * t + row[k]; }
      return y;
    }
    function band(lat) {
      var i = table.from.length - 1;
      while (i > 0 && lat < table.from[i]) { i--; }
      return table.bands[i];
    }
    var top = 74;  // where Baidu's maps end
    function project(place) {
      var lat = Math.min(Math.abs(place.lat), top), row = band(lat);
      var x = row[0] + row[1] * Math.abs(place.lng), y = northing(lat, row);
      return L.point(place.lng < 0 ? -x : x, place.lat < 0 ? -y : y);
    }
    function unproject(point) {
      var low = 0, high = top, y = Math.abs(point.y);
      for (var i = 0; i < 60; i++) {
        var middle = (low + high) / 2;
        if (northing(middle, band(middle)) < y) { low = middle; } else { high = middle; }
      }
      var row = band(low), lng = (Math.abs(point.x) - row[0]) / row[1];
      return L.latLng(point.y < 0 ? -low : low, point.x < 0 ? -lng : lng);
    }
    var corner = project({lng: 180, lat: top});
    return {project: project, unproject: unproject,
      bounds: L.bounds([-corner.x, -corner.y], [corner.x, corner.y])};
  }

  function baiduCRS(table) {
    var shrink = 1 / Math.pow(2, 26);  // one metre a pixel at zoom 18, 256 pixels at zoom 0
    return L.extend({}, L.CRS.Earth, {code: "BD09MC", projection: baiduProjection(table),
      transformation: new L.Transformation(shrink, 0, -shrink, 0), wrapLng: undefined});
  }

  var Folder = L.TileLayer.extend({
    getTileUrl: function (at) {
      var y = data.ll2mc ? -at.y - 1 : at.y;  // Baidu counts up
      return Viewer.tile(at.x, y, at.z, data.sharp && window.devicePixelRatio > 1) ||
        L.Util.emptyImageUrl;
    }
  });

  /* Lines of whole degrees' parts, for there is no base map to find one's way by. */
  var Lines = L.LayerGroup.extend({
    onAdd: function (map) {
      L.LayerGroup.prototype.onAdd.call(this, map);
      map.on("moveend", this.draw, this);
      this.draw();
    },
    draw: function () {
      var map = this._map, seen = map.getBounds(), size = map.getSize(), self = this;
      this.clearLayers();
      if (!size.x || !size.y) { return; }
      var degreesPerPixel = (seen.getEast() - seen.getWest()) / size.x;
      var step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30].find(
        function (s) { return s / degreesPerPixel >= 110; }) || 30;
      var digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
      function line(ends, value, shift, place) {
        L.polyline(ends, {color: "#c9c4b8", weight: 1, interactive: false, pane: "lines"})
          .addTo(self);
        if (place[0] + place[1] < 60) { return; }  // the corner has room for one label at most
        L.marker(map.containerPointToLatLng(place), {interactive: false, keyboard: false,
          pane: "degrees", icon: L.divIcon({className: "degree", iconSize: null, iconAnchor: shift,
            html: Viewer.node("span", "", [value.toFixed(digits) + "°"])})}).addTo(self);
      }
      var west = seen.getWest(), east = seen.getEast(), south = seen.getSouth();
      var north = seen.getNorth();
      for (var i = Math.ceil(west / step); i * step <= east; i++) {
        line([[south, i * step], [north, i * step]], i * step, [-3, 0],
          [map.latLngToContainerPoint([north, i * step]).x, 0]);
      }
      for (var j = Math.ceil(south / step); j * step <= north; j++) {
        line([[j * step, west], [j * step, east]], j * step, [-3, 16],
          [0, map.latLngToContainerPoint([j * step, west]).y]);
      }
    }
  });

  var first = data.zooms[0], last = data.zooms[1], b = data.bounds;
  var map = L.map("map", {crs: data.ll2mc ? baiduCRS(data.ll2mc) : L.CRS.EPSG3857,
    minZoom: Math.max(data.ll2mc ? 3 : 0, first - 3), maxZoom: last + 2, zoomControl: false,
    preferCanvas: true});
  map.createPane("lines").style.zIndex = 150;  // tiles are at 200, markers at 600
  map.createPane("degrees").style.zIndex = 250;
  map.attributionControl.setPrefix(false);
  map.attributionControl.addAttribution(Viewer.node("span", "", [data.attribution]).innerHTML);
  L.control.scale({position: "bottomright", imperial: false}).addTo(map);
  L.control.zoom({position: "bottomright", zoomInTitle: "放大 zoom in",
    zoomOutTitle: "缩小 zoom out"}).addTo(map);

  var markers = data.stations.map(function (station) {
    var at = [station.at[1], station.at[0]], isNew = station["new"];
    var marker = data.stations.length > MANY
      ? L.circleMarker(at, {radius: 5, weight: 1, color: "#fff", fillOpacity: 1,
        fillColor: isNew ? "#00734f" : "#0b4f8a"})
      : L.marker(at, {icon: L.icon({iconUrl: Viewer.signs[Viewer.kind(station)],
        iconSize: [24, 24], popupAnchor: [0, -12], tooltipAnchor: [0, -12]}), riseOnHover: true,
      zIndexOffset: isNew ? 1000 : 0, alt: station.name});
    marker.bindTooltip(Viewer.node("span", "tip", [station.name]), {direction: "top"});
    marker.bindPopup(function () { return Viewer.card(station); },
      {maxWidth: 290, autoPanPadding: [24, 24]});
    marker.on("popupopen", function () { marker.closeTooltip(); });
    return marker;
  });

  Viewer.panel(function (i) {
    map.setView(markers[i].getLatLng(), Math.max(map.getZoom(), Math.min(last, data.ll2mc ? 16 : 15)),
      {animate: false});
    markers[i].openPopup();
  });
  new ResizeObserver(function () { map.invalidateSize(false); }).observe(map.getContainer());
  if (data.provider) {
    var link = Viewer.node("a", "", [Viewer.both("在" + data.provider[0] + "上查看（需要密钥）",
      "On " + data.provider[1] + " (needs a key)")]);
    link.href = "index.html";
    Viewer.byId("other").append(link);
  }
  Viewer.byId("datum").append(Viewer.both(
    "。瓦片和站点同在这个坐标系中。没有底图：服务商的底图不可复制。",
    ". Tiles and stations share it. No base map: the providers' may not be copied."));

  function crowded() {  // signs that would lie on each other are drawn smaller
    var points = markers.slice(0, 200).map(function (marker) {
      return map.latLngToLayerPoint(marker.getLatLng());
    });
    var gaps = points.map(function (p, i) {
      return Math.min.apply(null, points.map(function (q, j) {
        return i === j ? Infinity : p.distanceTo(q);
      }));
    }).sort(function (a, b) { return a - b; });
    map.getContainer().classList.toggle("small", gaps[gaps.length >> 1] < 24);
  }

  var view = L.latLngBounds([b[1], b[0]], [b[3], b[2]]);
  markers.forEach(function (marker) { view.extend(marker.getLatLng()); });
  map.fitBounds(view, {padding: [16, 16], animate: false});
  if (Object.keys(data.ranges).length) {
    new Folder("", {minZoom: Math.max(0, first - 2), minNativeZoom: first, maxNativeZoom: last,
      maxZoom: last + 2, errorTileUrl: L.Util.emptyImageUrl, noWrap: true}).addTo(map);
  }
  new Lines().addTo(map);
  markers.forEach(function (marker) { marker.addTo(map); });
  map.on("zoomend", crowded);
  crowded();
  window.scMap = map;
  window.scMarkers = markers;
})();
