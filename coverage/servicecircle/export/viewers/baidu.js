/* Baidu JS API: an own layer on Baidu's own grid (y up). BD-09, Point(lng, lat). */
var Provider = {
  hasCode: false,
  load: function (keys, script, done, failed) {
    window.servicecircleReady = function () { done(window.BMap); };
    script("https://api.map.baidu.com/api?v=4.0&ak=" + encodeURIComponent(keys.key) +
      "&callback=servicecircleReady", function () {}, failed);
  },
  draw: function (BMap) {
    var data = Viewer.data, b = data.bounds, last = data.zooms[1], NAMES_FROM = 15;
    var map = new BMap.Map("map", {minZoom: 4, maxZoom: last});
    var centre = Viewer.centre();
    map.centerAndZoom(new BMap.Point(centre[0], centre[1]), Math.min(last, 14));
    map.enableScrollWheelZoom(true);
    map.addControl(new BMap.ScaleControl());
    var layer = new BMap.TileLayer({transparentPng: true, zIndex: 10});
    layer.getTilesUrl = function (tile, zoom) { return Viewer.tile(tile.x, tile.y, zoom) || ""; };
    map.addTileLayer(layer);
    var size = new BMap.Size(24, 24), labels = [];
    var icons = {existing: new BMap.Icon(Viewer.signs.existing, size),
      "new": new BMap.Icon(Viewer.signs["new"], size)};
    var markers = data.stations.map(function (station, i) {
      var marker = new BMap.Marker(new BMap.Point(station.at[0], station.at[1]),
        {icon: icons[Viewer.kind(station)]});
      // a label's text is HTML: what the browser itself writes for a text node is harmless
      var label = new BMap.Label(Viewer.node("span", "", [Viewer.short(station.name)]).innerHTML,
        {offset: new BMap.Size(26, 2)});
      marker.setLabel(label);
      labels.push(label);
      marker.addEventListener("click", function () { show(i); });
      map.addOverlay(marker);
      return marker;
    });
    function show(i) {
      map.openInfoWindow(new BMap.InfoWindow(Viewer.card(data.stations[i]), {width: 300}),
        markers[i].getPosition());
    }
    function names() {
      var shown = map.getZoom() >= NAMES_FROM;
      labels.forEach(function (label) { label.setStyle({display: shown ? "block" : "none"}); });
    }
    map.addEventListener("zoomend", names);
    map.setViewport([new BMap.Point(b[0], b[1]), new BMap.Point(b[2], b[3])]);
    names();
    return function (i) {
      map.centerAndZoom(markers[i].getPosition(), Math.min(last, Math.max(map.getZoom(), 16)));
      show(i);
    };
  }
};
