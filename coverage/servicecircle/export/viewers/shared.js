"use strict";
/* What all pages share: the data, nodes out of text, the panel. Text out of tables is only ever
   handed to textContent. */
var Viewer = (function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var BLUE = "#0b4f8a", GREEN = "#00734f";
  var LISTED = 300;  // rows of the list at a time; a search finds the rest

  function byId(id) { return document.getElementById(id); }

  function node(tag, name, children) {
    var made = document.createElement(tag);
    if (name) { made.className = name; }
    (children || []).forEach(function (child) { made.append(child); });
    return made;
  }

  function both(zh, en) {
    var english = node("span", "en", [en]);
    english.lang = "en";
    return node("span", "", [node("span", "zh", [zh]), english]);
  }

  /* A station's sign as a PNG address: a blue square for what exists, a green ring for what is
     new. Drawn at twice its size of 24 pixels. */
  function sign(isNew) {
    var canvas = document.createElement("canvas");
    canvas.width = canvas.height = 48;
    var pen = canvas.getContext("2d");
    pen.fillStyle = isNew ? GREEN : BLUE;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 4;
    pen.beginPath();
    if (isNew) {
      pen.arc(24, 24, 20, 0, 2 * Math.PI);
    } else {
      pen.rect(5, 5, 38, 38);
    }
    pen.fill();
    pen.stroke();
    pen.fillStyle = "#fff";
    pen.beginPath();
    if (isNew) {
      pen.arc(24, 24, 8, 0, 2 * Math.PI);
    } else {
      pen.rect(17, 17, 14, 14);
    }
    pen.fill();
    return canvas.toDataURL("image/png");
  }
  var signs = {existing: sign(false), "new": sign(true)};

  function kind(station) { return station["new"] ? "new" : "existing"; }

  function picture(address) {
    var image = document.createElement("img");
    image.src = address;
    image.alt = "";
    return image;
  }

  var ROWS = [
    ["id", "站点编码", "Code"], ["status", "状态", "Status"], ["kind", "类别", "Kind"],
    ["services", "服务项目", "Services"], ["hours", "开放时间", "Hours"],
    ["address", "地址", "Address"], ["phone", "联系电话", "Phone"], ["district", "区县", "District"]
  ];

  function card(station) {
    var body = node("tbody");
    ROWS.forEach(function (row) {
      if (station[row[0]]) {
        body.append(node("tr", "", [node("th", "", [both(row[1], row[2])]),
          node("td", "", [row[0] === "status" ? status(station) : station[row[0]]])]));
      }
    });
    if (station.osm) {
      body.append(node("tr", "", [node("th", "", [both("来源", "Source")]),
        node("td", "", ["OpenStreetMap (ODbL)"])]));
    }
    return node("table", "card", [node("caption", "", [station.name]), body]);
  }

  function status(station) {
    return both(station.status, station["new"] ? "new" : "existing");
  }

  /* The address of a tile, or null where there can be none. */
  function tile(x, y, z, sharp) {
    var range = data.ranges[z];
    if (!range || x < range[0] || y < range[1] || x > range[2] || y > range[3]) { return null; }
    var path = (sharp ? "tiles@2x/" : "tiles/") + z + "/" + x + "/" + y + ".png";
    return new URL(path, document.baseURI).href;
  }

  /* A name as it stands on the map: short, so that it does not cover the others. */
  function short(name) {
    var letters = Array.from(name);
    return letters.length > 20 ? letters.slice(0, 19).join("") + "…" : name;
  }

  function centre() {
    var b = data.bounds;
    return [(b[0] + b[2]) / 2, (b[1] + b[3]) / 2];
  }

  /* --- the panel --- */

  function legend() {
    data.legend.forEach(function (band) {
      var patch = node("i");
      patch.style.color = band.colour;
      patch.style.setProperty("--opacity", band.opacity);
      byId("legend").append(node("li", "", [patch, both(band.name[0], band.name[1])]));
    });
    [["existing", "已建站点", "Existing station"], ["new", "新建站点", "New station"]].forEach(
      function (row) {
        if (data.stations.some(function (s) { return kind(s) === row[0]; })) {
          byId("legend").append(
            node("li", "", [picture(signs[row[0]]), both(row[1], row[2])]));
        }
      });
  }

  function matches(station, words) {
    var text = [station.id, station.name].concat(ROWS.slice(2).map(function (row) {
      return station[row[0]] || "";
    })).join("\n").toLowerCase();
    return words.every(function (word) { return text.includes(word); });
  }

  function list(chosen) {
    var words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    var found = [];
    data.stations.forEach(function (station, i) {
      if (matches(station, words)) { found.push(i); }
    });
    var rows = found.slice(0, LISTED).map(function (i) {
      var station = data.stations[i];
      var button = node("button", "", [picture(signs[kind(station)]),
        node("span", "", [station.name])]);
      button.type = "button";
      button.addEventListener("click", function () { chosen(i); });
      return node("li", "", [button]);
    });
    byId("list").replaceChildren.apply(byId("list"), rows);
    var more = found.length > LISTED;
    byId("found").replaceChildren(both(
      found.length + " 个站点" + (more ? "，列出前 " + LISTED + " 个" : ""),
      found.length + " stations" + (more ? ", the first " + LISTED + " listed" : "")));
  }

  function speak(language) {
    document.documentElement.lang = language;
    byId("language").textContent = language === "en" ? "中文" : "English";
    byId("language").lang = language === "en" ? "zh-CN" : "en";
    byId("search").placeholder = language === "en" ? "Name, address, service …"
      : "名称、地址、服务项目 …";
  }

  /* Fill the panel; `chosen(i)` is called with the number of the station that was picked. */
  function panel(chosen) {
    byId("title").textContent = data.title;
    var fresh = data.stations.filter(function (s) { return s["new"]; }).length;
    byId("facts").append(both(
      "已建 " + (data.stations.length - fresh) + " + 新建 " + fresh + " 个站点",
      (data.stations.length - fresh) + " existing + " + fresh + " new stations"));
    byId("datum").append(both("坐标系：", "Datum: "), node("b", "", [
      both(data.datum[0], data.datum[1])]));
    legend();
    data.about.forEach(function (line) {
      byId("about").append(node("dt", "", [line[0]]), node("dd", "", [line[1]]));
    });
    byId("search").addEventListener("input", function () { list(chosen); });
    list(chosen);
    byId("language").addEventListener("click", function () {
      speak(document.documentElement.lang === "en" ? "zh-CN" : "en");
    });
    speak("zh-CN");
    function fold(shut) {
      byId("panel").classList.toggle("collapsed", shut);
      byId("toggle").setAttribute("aria-expanded", String(!shut));
    }
    byId("toggle").addEventListener("click", function () {
      fold(!byId("panel").classList.contains("collapsed"));
    });
    fold(window.innerWidth < 700);
  }

  return {data: data, byId: byId, node: node, both: both, signs: signs, kind: kind, card: card,
    tile: tile, short: short, centre: centre, panel: panel};
})();
