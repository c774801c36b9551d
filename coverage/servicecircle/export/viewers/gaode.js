/* AMap JS API 2.0: tiles that are not there are refused with fail(). GCJ-02, [lng, lat]. */
var Provider = {
  hasCode: true,
  load: function (keys, script, done, failed) {
    if (keys.serviceHost) {
      window._AMapSecurityConfig = {serviceHost: keys.serviceHost};
    } else if (keys.securityJsCode) {
      window._AMapSecurityConfig = {securityJsCode: keys.securityJsCode};
    }
    script("https://webapi.amap.com/loader.js", function () {
      window.AMapLoader.load({key: keys.key, version: "2.0",
        plugins: ["AMap.Scale", "AMap.ToolBar"]}).then(done).catch(failed);
    }, failed);
  },
  draw: function (AMap) {
    var data = Viewer.data, b = data.bounds, first = data.zooms[0], last = data.zooms[1];
    var map = new AMap.Map("map", {viewMode: "2D", zooms: [3, 20], center: Viewer.centre(),
      zoom: Math.min(last, 13)});
    map.addControl(new AMap.Scale());
    map.addControl(new AMap.ToolBar({position: "RT"}));
    map.add(new AMap.TileLayer.Flexible({
      cacheSize: 512, zIndex: 110, tileSize: 256, zooms: [first, 20], dataZooms: [first, last],
      createTile: function (x, y, z, success, fail) {
        var address = Viewer.tile(x, y, z), image;
        if (!address) { fail(); return; }
        image = document.createElement("img");
        image.crossOrigin = "anonymous";  // the map paints with WebGL
        image.onload = function () { success(image); };
        image.onerror = function () { fail(); };
        image.src = address;
      }
    }));
    var window_ = new AMap.InfoWindow({offset: [0, -14], closeWhenClickMap: true});
    function show(i) {
      window_.setContent(Viewer.card(data.stations[i]));
      window_.open(map, data.stations[i].at);
    }
    var labels = new AMap.LabelsLayer({zooms: [3, 20], zIndex: 120, collision: false});
    labels.add(data.stations.map(function (station, i) {
      var marker = new AMap.LabelMarker({
        name: station.id, position: station.at, zooms: [3, 20], rank: station["new"] ? 2 : 1,
        icon: {type: "image", image: Viewer.signs[Viewer.kind(station)], size: [24, 24],
          anchor: "center"},
        text: {content: Viewer.short(station.name), direction: "bottom", zooms: [14, 20],
          style: {fontSize: 12, fillColor: "#1f2937", strokeColor: "#ffffff", strokeWidth: 2}}
      });
      marker.on("click", function () { show(i); });
      return marker;
    }));
    map.add(labels);
    map.setBounds(new AMap.Bounds([b[0], b[1]], [b[2], b[3]]));
    return function (i) {
      map.setZoomAndCenter(Math.max(map.getZoom(), 15), data.stations[i].at);
      show(i);
    };
  }
};
