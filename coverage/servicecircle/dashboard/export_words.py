"""The words of the page's exports: (Chinese, English)."""

from __future__ import annotations

EXPORT_WORDS: dict[str, tuple[str, str]] = {
    "export": ("导出：地图平台、标牌、报告", "Export: map platforms, signs, report"),
    "export_to": ("导出什么", "What for"),
    "export_federation": ("工会名称", "Name of the federation"),
    "export_federation_help": (
        "印在标牌和报告上，如“河谷市总工会”。可以不填。",
        "Printed on signs and the report. May stay empty.",
    ),
    "export_paper": ("标牌纸张", "Paper of the signs"),
    "export_tiles": (
        "包括服务圈瓦片和查看页（大城市要几分钟）",
        "With tiles of the circles and their pages (minutes for a large city)",
    ),
    "export_area": ("坐标偏移", "Shift of the Chinese datums"),
    "export_area_help": (
        "高德、百度、腾讯地图在大陆有坐标偏移。自动：按站点是否在大陆判断；港澳台和国外的地图可能不同。",
        "Maps of the mainland are shifted. Automatic: by where the stations lie; maps of Hong "
        "Kong, Macau, Taiwan and abroad may differ.",
    ),
    "area_mainland": ("自动", "Automatic"),
    "area_all": ("一律偏移", "Always"),
    "area_none": ("不偏移", "Never"),
    "export_start": ("生成文件", "Make the files"),
    "export_begins": ("准备中", "Getting ready"),
    "export_get": ("下载 {what}（ZIP）", "Download: {what} (ZIP)"),
    "to_gaode": ("高德地图：站点表、二维码、瓦片", "Gaode: station tables, QR codes, tiles"),
    "to_baidu": ("百度地图：站点表、二维码、瓦片", "Baidu: station tables, QR codes, tiles"),
    "to_tencent": ("腾讯地图：站点表、二维码、瓦片", "Tencent: station tables, QR codes, tiles"),
    "to_tianditu": ("天地图：站点表、瓦片", "Tianditu: station tables, tiles"),
    "to_kml": ("KML（奥维、Google Earth 等）", "KML (Google Earth and others)"),
    "to_ovital": ("奥维互动地图文本", "Ovital text"),
    "to_geojson": ("GeoJSON 图层", "GeoJSON layers"),
    "to_gpkg": ("GeoPackage 图层（QGIS）", "GeoPackage layers (QGIS)"),
    "to_xlsx": ("站点标注表（Excel，三种坐标）", "Station tables (Excel, all datums)"),
    "to_signs": ("站点标牌（PDF、PNG）", "Signs (PDF, PNG)"),
    "to_report": ("决策报告（Word、Excel）", "Report (Word, Excel)"),
}
