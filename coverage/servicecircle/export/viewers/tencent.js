/* Tencent JS API GL: origin of the tiles at the upper left. GCJ-02, LatLng(lat, lng). */
var Provider = {
  hasCode: false,
  load: function (keys, script, done, failed) {
    window.servicecircleReady = function () { done(window.TMap); };
    script("https://map.qq.com/api/gljs?v=1.exp&key=" + encodeURIComponent(keys.key) +
      "&callback=servicecircleReady", function () {}, failed);
  },
  draw: function (TMap) {
    var data = Viewer.data, b = data.bounds, first = data.zooms[0], last = data.zooms[1];
    var nothing = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
    var centre = Viewer.centre();
    function at(place) { return new TMap.LatLng(place[1], place[0]); }
    var map = new TMap.Map("map", {center: at(centre), zoom: Math.min(last, 13), minZoom: 3,
      maxZoom: last, viewMode: "2D"});
    new TMap.ImageTileLayer({map: map, tileSize: 256, minZoom: first, maxZoom: last, zIndex: 10,
      opacity: 1, visible: true,
      getTileUrl: function (x, y, z) { return Viewer.tile(x, y, z) || nothing; }});
    function style(kind) {
      return new TMap.MarkerStyle({width: 24, height: 24, anchor: {x: 12, y: 12},
        src: Viewer.signs[kind], size: 12, color: "#1f2937", strokeColor: "#ffffff",
        strokeWidth: 2, direction: "bottom"});
    }
    var layer = new TMap.MultiMarker({map: map, zIndex: 20,
      styles: {existing: style("existing"), "new": style("new")},
      geometries: data.stations.map(function (station, i) {
        return {id: String(i), styleId: Viewer.kind(station), position: at(station.at),
          content: Viewer.short(station.name)};
      })});
    var card = new TMap.InfoWindow({map: map, position: at(centre), content: "",
      offset: {x: 0, y: -14}});
    card.close();
    function show(i) {
      card.setPosition(at(data.stations[i].at));
      // the content is HTML: what the browser itself writes for text nodes is harmless
      card.setContent(Viewer.card(data.stations[i]).outerHTML);
      card.open();
    }
    layer.on("click", function (event) { show(Number(event.geometry.id)); });
    map.fitBounds(new TMap.LatLngBounds(at([b[0], b[1]]), at([b[2], b[3]])), {padding: 40});
    return function (i) {
      map.setCenter(at(data.stations[i].at));
      map.setZoom(Math.min(last, Math.max(map.getZoom(), 15)));
      show(i);
    };
  }
};
