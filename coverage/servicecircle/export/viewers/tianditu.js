/* Tianditu JS API 4.0: web mercator in CGCS2000, LngLat(lng, lat). */
var Provider = {
  hasCode: false,
  load: function (keys, script, done, failed) {
    function poll() {  // the loader fetches the API itself afterwards
      if (window.T && window.T.Map) { done(window.T); } else { window.setTimeout(poll, 100); }
    }
    script("https://api.tianditu.gov.cn/api?v=4.0&tk=" + encodeURIComponent(keys.key), poll,
      failed);
  },
  draw: function (T) {
    var data = Viewer.data, b = data.bounds, first = data.zooms[0], last = data.zooms[1];
    var NAMES_FROM = 14, centre = Viewer.centre(), labels = [], labelled = false;
    var map = new T.Map("map");
    function at(place) { return new T.LngLat(place[0], place[1]); }
    map.centerAndZoom(at(centre), Math.min(last, 13));
    map.enableScrollWheelZoom();
    map.addControl(new T.Control.Zoom());
    map.addControl(new T.Control.Scale());
    map.setMaxZoom(Math.min(last, 18));
    var folder = new URL("tiles/", document.baseURI).href;
    map.addLayer(new T.TileLayer(folder + "{z}/{x}/{y}.png", {minZoom: first, maxZoom: last,
      zIndex: 10, opacity: 1,
      bounds: new T.LngLatBounds(at([b[0], b[1]]), at([b[2], b[3]]))}));
    function icon(kind) {
      return new T.Icon({iconUrl: Viewer.signs[kind], iconSize: new T.Point(24, 24),
        iconAnchor: new T.Point(12, 12)});
    }
    var icons = {existing: icon("existing"), "new": icon("new")}, card = new T.InfoWindow();
    function show(i) {
      // the content is HTML: what the browser itself writes for text nodes is harmless
      card.setContent(Viewer.card(data.stations[i]).outerHTML);
      map.openInfoWindow(card, at(data.stations[i].at));
    }
    data.stations.forEach(function (station, i) {
      var marker = new T.Marker(at(station.at), {icon: icons[Viewer.kind(station)]});
      marker.addEventListener("click", function () { show(i); });
      map.addOverLay(marker);
      labels.push(new T.Label({text: Viewer.node("span", "", [Viewer.short(station.name)]).innerHTML,
        position: at(station.at), offset: new T.Point(10, 0)}));
    });
    function names() {
      if ((map.getZoom() >= NAMES_FROM) === labelled) { return; }
      labelled = !labelled;
      labels.forEach(function (label) {
        if (labelled) { map.addOverLay(label); } else { map.removeOverLay(label); }
      });
    }
    map.addEventListener("zoomend", names);
    map.setViewport([at([b[0], b[1]]), at([b[2], b[3]])]);
    names();
    return function (i) {
      map.centerAndZoom(at(data.stations[i].at), Math.min(last, Math.max(map.getZoom(), 15)));
      show(i);
    };
  }
};
