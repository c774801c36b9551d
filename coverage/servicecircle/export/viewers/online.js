/* The page on a provider's map: the user's key, and what to say where it does not work.
   `Provider` comes from the file named after it. */
(function () {
  var data = Viewer.data, byId = Viewer.byId, PATIENCE_MS = 20000;
  var place = "servicecircle-key-" + data.to, opened = false, ready = null;

  function stored() {
    try { return JSON.parse(window.localStorage.getItem(place)); } catch (error) { return null; }
  }

  function store(keys) {  // a browser that keeps nothing still opens the map
    try {
      if (keys) {
        window.localStorage.setItem(place, JSON.stringify(keys));
      } else {
        window.localStorage.removeItem(place);
      }
    } catch (error) { return; }
  }

  function ask(problem) {
    byId("key-problem").hidden = !problem;
    byId("key-problem").replaceChildren(problem || "");
    byId("key").hidden = false;
  }

  function script(address, loaded, failed) {
    var element = document.createElement("script");
    element.src = address;
    element.onload = loaded;
    element.onerror = function () { failed("网络或地址 network or address"); };
    document.head.append(element);
  }

  function open(keys) {
    if (opened) {  // a provider's script can be loaded once: begin anew with the new key
      store(keys);
      window.location.reload();
      return;
    }
    opened = true;
    byId("key").hidden = true;
    var settled = false, timer = window.setTimeout(failed, PATIENCE_MS, "超时 no answer");
    function failed(reason) {
      if (settled) { return; }
      settled = true;
      window.clearTimeout(timer);
      var why = String(reason && reason.message || reason || "");
      ask(Viewer.both(data.provider[0] + "加载失败（" + why + "）。请检查网络、密钥和密钥的域名白名单。",
        data.provider[1] + " did not load (" + why +
        "). Check the network, the key, and the sites the key allows."));
    }
    Provider.load(keys, script, function (api) {
      if (settled) { return; }
      try {
        ready = Provider.draw(api);
      } catch (error) {  // the API is not what this page knows
        window.console.error(error);
        failed(error);
        return;
      }
      settled = true;
      window.clearTimeout(timer);
      store(keys.fromFile ? null : keys);
    }, failed);
  }

  byId("key-title").append(Viewer.both(data.provider[0] + "：请输入密钥",
    data.provider[1] + ": enter a key"));
  byId("key-from").append(Viewer.both(data.keyFrom[0], data.keyFrom[1]));
  byId("key-security").hidden = byId("key-warning").hidden = !Provider.hasCode;
  byId("key-disk").hidden = window.location.protocol !== "file:";
  byId("key-file").textContent = "window.MAP_KEYS = {" + data.to + ": {key: \"…\"" +
    (Provider.hasCode ? ", securityJsCode: \"…\"" : "") + "}};";
  byId("key-form").addEventListener("submit", function (event) {
    event.preventDefault();
    open({key: byId("key-value").value.trim(), securityJsCode: byId("key-code").value.trim()});
  });
  Viewer.panel(function (i) { if (ready) { ready(i); } });
  byId("datum").append(Viewer.both("。瓦片和站点同在这个坐标系中。", ". Tiles and stations share it."));
  var offline = Viewer.node("a", "", [Viewer.both("离线页面", "Offline page")]);
  offline.href = "offline.html";
  var change = Viewer.node("button", "", [Viewer.both("更换或清除密钥", "Change or forget the key")]);
  change.type = "button";
  change.addEventListener("click", function () { store(null); ask(""); });
  byId("other").append(offline, " · ", change);

  function begin() {
    var own = window.MAP_KEYS && window.MAP_KEYS[data.to], kept = stored();
    if (own && own.key) {
      open({key: own.key, securityJsCode: own.securityJsCode, serviceHost: own.serviceHost,
        fromFile: true});
    } else if (kept && kept.key) {
      open(kept);
    } else {
      ask("");
    }
  }
  script("key.js", begin, begin);
})();
