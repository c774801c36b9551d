"""Every word of the page, in Chinese and in English."""

from __future__ import annotations

from dataclasses import dataclass

from servicecircle.dashboard.export_words import EXPORT_WORDS
from servicecircle.errors import Lang
from servicecircle.plan_words import PLAN_WORDS

WORDS: dict[str, tuple[str, str]] = {
    # the page
    "title": ("服务圈规划", "Service circle planner"),
    "subtitle": (
        "为户外劳动者规划步行可达的服务站点。所有计算都在本机进行，数据不会离开这台电脑。",
        "Plans service stations within a walk of people who work outdoors. Everything is computed "
        "on this machine; your data do not leave it.",
    ),
    "language": ("语言", "Language"),
    "start": ("开始规划", "Plan"),
    "again": ("重新规划", "Plan again"),
    "cancel": ("取消", "Cancel"),
    "stop": ("到此为止，用目前最好的方案", "Stop now, take the best plan so far"),
    "stop_help": (
        "结束优化，用现在找到的最好方案，并说明离最优最多差多少。",
        "Ends the search with the best plan it has, and says how far from the best it can be.",
    ),
    "stopping": (
        "正在结束优化，马上给出目前最好的方案……",
        "Ending the search; the best plan so far is on its way …",
    ),
    "cancelled": ("已取消。", "Cancelled."),
    "outdated": (
        "左侧的设置已经改动，下面仍是之前的结果。按“重新规划”更新。",
        "The settings have changed; below is still the earlier result. Press “Plan again”.",
    ),
    "outdated_busy": (
        "正在重新规划，下面仍是之前的结果。",
        "Planning again; below is still the earlier result.",
    ),
    "unexpected": (
        "程序内部出错，没有得到结果。请把运行本程序的窗口里的最后几行发给维护者。",
        "Something inside the program failed, so there is no result. Please send the last lines "
        "of the window it runs in to its maintainers.",
    ),
    "missing": ("还不能开始：", "Not ready yet:"),
    "missing_osm": ("请上传一份 OSM 路网文件。", "Upload an OSM file."),
    "missing_datum": (
        "请选择“{table}”的坐标来自哪种地图。",
        "Say which map the coordinates of “{table}” come from.",
    ),
    "missing_mend": (
        "“{table}”还有问题，请先改正或移除。",
        "“{table}” still has an error: mend it or remove it.",
    ),
    "missing_cost": (
        "按预算规划，要先上传带“费用”列的备选点表。",
        "To plan by budget, upload candidate sites with a cost column.",
    ),
    # the question in one sentence
    "own_city": ("自己的城市", "your own city"),
    # step 1: the city
    "step_city": ("1 · 城市", "1 · City"),
    "city": ("规划哪座城市", "Which city"),
    "city_bundled": ("河谷市（虚构的示例城市）", "Hegu (河谷市), a fictional example"),
    "city_own": ("上传自己城市的路网", "Upload your own city's streets"),
    "fictional": (
        "河谷市是虚构的城市：地名、站点、电话和数字都不是真的。",
        "Hegu (河谷市) is fictional: its names, stations, phone numbers and figures are invented.",
    ),
    "osm": ("OSM 路网文件（不超过 {mb} MB）", "OSM file (at most {mb} MB)"),
    "osm_help": (
        "OpenStreetMap 的城市数据：.osm.pbf、.osm、.osm.gz 或 .osm.bz2。可从 Geofabrik 下载省级"
        "文件，用 osmium extract 裁到本市再外扩 3 公里。",
        "An OpenStreetMap extract: .osm.pbf, .osm, .osm.gz or .osm.bz2. Download a province from "
        "Geofabrik and cut it to your city plus 3 km with osmium extract.",
    ),
    "not_osm": (
        "“{file}”不是 OSM 文件：文件名要以 {known} 结尾。",
        "“{file}” is not an OSM file: its name must end in {known}.",
    ),
    "not_table": (
        "“{file}”这种格式读不了：文件名要以 {known} 结尾。",
        "“{file}” is of a format that cannot be read: its name must end in {known}.",
    ),
    "own_title": ("城市名称（显示在地图和文件名里）", "Name of the city (for map and file names)"),
    # step 2: the tables
    "step_tables": ("2 · 数据表（可不填）", "2 · Tables (optional)"),
    "demand_none": (
        "不上传：按地图上的餐饮、商店、道路、公交站等推算，单位是相对值，不是人数。",
        "Without a table: derived from what the map shows (food, shops, streets, bus stops …), in "
        "relative units, not people.",
    ),
    "candidates_none": (
        "不上传：从地图里找可以共建的银行、邮政、超市、便利店、药店、加油站等。",
        "Without a table: banks, post offices, supermarkets, pharmacies, fuel stations and other "
        "possible hosts are taken from the map.",
    ),
    "existing_none": ("不上传：当作还没有站点。", "Without a table: no stations exist yet."),
    "districts_none": (
        "不上传：用地图里的行政区界（如果有）。",
        "Without a layer: the map's administrative boundaries, if it has any.",
    ),
    "table_bundled": (
        "不上传：用示例城市自带的“{file}”。",
        "Without a table: the example city's own “{file}”.",
    ),
    "demand_help": (
        "列：经度、纬度、人数；可加 编号、区、分钟。",
        "Columns: lng, lat, weight; where you have them demand_id, district, minutes.",
    ),
    "candidates_help": (
        "列：编号、名称、经度、纬度；可加 类型、费用（元）、状态（备选、必选、排除）。",
        "Columns: site_id, name, lng, lat; where you have them kind, cost (yuan), status.",
    ),
    "existing_help": (
        "列：编号、名称、经度、纬度；可加 类型、地址、电话、状态（关闭的站点写“关闭”）。",
        "Columns: site_id, name, lng, lat; where you have them kind, address, phone, status.",
    ),
    "districts_help": (
        "多边形图层（.geojson、.gpkg），字段：区；可加 分钟（该区的标准）。",
        "A polygon layer (.geojson, .gpkg) with district and, where standards differ, minutes.",
    ),
    "upload": ("上传{table}（不超过 {mb} MB）", "Upload: {table} (at most {mb} MB)"),
    "formats_help": (
        "Excel（.xlsx、.xls）、CSV（UTF-8 或 GB18030）、GeoJSON、GeoPackage 或 GeoParquet。",
        "Excel (.xlsx, .xls), CSV (UTF-8 or GB18030), GeoJSON, GeoPackage or GeoParquet.",
    ),
    "datum": ("坐标来自哪种地图", "Which map the coordinates come from"),
    "datum_help": (
        "选错会整体偏移几百米。不清楚时问提供表格的人；从高德、腾讯地图上取的点选第一项。",
        "A wrong choice moves every point by hundreds of metres. Ask whoever made the table.",
    ),
    "choose_datum": (
        "选好坐标来源后才会使用这张表。",
        "The table is used once you have said this.",
    ),
    "understood": (
        "读懂了 {rows:,} 行。前几行如下，坐标已换算为 WGS-84：",
        "{rows:,} rows understood. The first ones, in WGS-84:",
    ),
    "total_weight": ("人数合计 {total:,.0f}。", "People in all: {total:,.0f}."),
    # step 3: the question
    "step_question": ("3 · 目标", "3 · Question"),
    "minutes": ("步行标准（分钟）", "Walking standard (minutes)"),
    "minutes_help": (
        "多少分钟内走到算“覆盖”。城区常用 15 分钟（约 1 公里），乡镇常用 30 分钟。"
        "需求点表或行政区图层里写了分钟的，以表为准。",
        "Who reaches a station within so many minutes counts as covered: 15 (about 1 km) in town, "
        "30 in the countryside. Minutes given in a table or a districts layer come first.",
    ),
    "own_standards": (
        "行政区图层里写了各区的标准（{minutes} 分钟）：这些区以它为准，其余地方用上面的标准。",
        "The districts bring standards of their own ({minutes} minutes); the one above holds "
        "elsewhere.",
    ),
    "target": ("目标", "Target"),
    "new_sites": ("新建站点数量", "Number of new stations"),
    "budget": ("预算", "Budget"),
    "share": ("覆盖率", "Share to cover"),
    "all": ("覆盖所有能覆盖的人", "Everyone who can be covered"),
    "new_sites_value": ("新建几个（个）", "New stations (number)"),
    "budget_value": ("预算（元）", "Budget (yuan)"),
    "budget_help": (
        "备选点表里每个点都要有“费用”（元）。",
        "Every candidate site needs a cost (yuan).",
    ),
    "share_value": ("要覆盖的需求（%）", "Demand to cover (%)"),
    "more": ("更多设置", "More settings"),
    "goal": ("怎样算好", "What counts as good"),
    "goal_help": (
        "默认让标准时间内走得到的人最多。平均、最远步行时间不看标准，数所有走得到的人。",
        "By default, most people within the standard. Mean and longest walks look at everyone who "
        "can walk to a station at all, whatever the standard.",
    ),
    "goal_covered": ("覆盖的人最多", "Most people covered"),
    "goal_credited": ("覆盖最多，超出标准的按距离递减", "Most covered, less credit beyond"),
    "goal_served": (
        "按站点容量，能服务的人最多（站点表要有“容量”列）",
        "Most people served within capacities (site tables need a capacity column)",
    ),
    "goal_mean_minutes": ("平均步行时间最短", "Shortest mean walk"),
    "goal_most_minutes": ("最远的人步行时间最短", "Shortest longest walk"),
    "decay_to": ("递减到 0 的分钟数", "No credit from here on (minutes)"),
    "decay_to_help": (
        "标准以内算全额，超出后逐分钟减少，到这里为 0。要大于所有标准。",
        "Full credit within the standard, less with each minute beyond it, none from here on. It "
        "must be above every standard.",
    ),
    "speed": ("步行速度（公里/小时）", "Walking speed (km/h)"),
    "speed_help": (
        "4 公里/小时相当于 15 分钟走 1 公里，与“15 分钟服务圈”的标准一致。",
        "At 4 km/h people walk 1 km in 15 minutes, which is what the standard says.",
    ),
    "time_limit": ("优化时限（秒）", "Time limit of the search (seconds)"),
    "time_limit_help": (
        "到时给出已找到的最好方案，并说明离最优最多差多少。",
        "When it is over you get the best plan so far, and how far from the best it can be.",
    ),
    "total_people": ("户外劳动者总人数（人）", "Outdoor workers in all (people)"),
    "total_people_help": (
        "只用于由地图推算的需求：填了就按人数显示，不填则是相对值。",
        "For demand derived from the map only: with it figures are people, else relative units.",
    ),
    # progress
    "queued": ("排队等候其他规划完成", "waiting for other plans"),
    "step_of": (
        "第 {i} 步，共 {n} 步：{step} · 已用 {seconds:.0f} 秒",
        "Step {i} of {n}: {step} · {seconds:.0f} s so far",
    ),
    "waiting": ("{step} · 已用 {seconds:.0f} 秒", "{step} · {seconds:.0f} s so far"),
    # before the first plan
    "welcome": (
        "按“开始规划”即可试用示例城市。要规划自己的城市，在左侧依次选择城市、上传表格、设定目标"
        "（手机上点左上角的箭头打开设置）。",
        "Press “Plan” to try the example city. For your own, choose the city, upload tables and "
        "set the target on the left (on a phone, open the settings with the arrow at the top "
        "left).",
    ),
    # the result
    "result": ("规划结果：{title}", "The plan: {title}"),
    "stations_new": ("新建 {n:,}", "{n:,} new"),
    "points_more": ("{n:+.2f} 个百分点", "{n:+.2f} points"),
    "of_all": ("全部 {n}", "of {n}"),
    "covered_share_help": (
        "标准时间内走得到站点的需求，占全部需求（包括离路太远、怎么都走不到的）的比例。",
        "Demand within the standard of a station, as a share of all demand, what is too far from "
        "any street or station included.",
    ),
    "cross_help": (
        "有两个及以上站点可走到的需求所占比例。",
        "Demand within reach of two stations or more.",
    ),
    "cost_each": ("平均每个 {n:,.0f}", "{n:,.0f} each"),
    "gap_help": (
        "任何方案与本方案相比，最多还能好多少。已证明最优时为 0。",
        "How much better than this any plan could be, at most. 0 where it is proved optimal.",
    ),
    "gap_proven": ("已证明，差距为 0", "proved, no gap"),
    "gap_bound": ("至多还能好这么多", "at most so much better"),
    "tab_stations": ("站点清单", "Stations"),
    "tab_districts": ("分区情况", "Districts"),
    "tab_data": ("数据来源", "Data"),
    "map_alt": ("规划地图", "Map of the plan"),
    "stations_hint": (
        "新建站点在前，编号与地图一致；点列名可排序。“只有它覆盖”是去掉这个站点就失去的需求。",
        "New stations first, numbered as on the map; click a column's name to sort. “Only it "
        "covers” is the demand that would be lost without the station.",
    ),
    "is_new": ("新建", "new"),
    "is_existing": ("已建", "existing"),
    "no_districts": (
        "没有行政区资料。上传行政区图层即可分区统计。",
        "No districts are known. Upload a districts layer for figures per district.",
    ),
    "notes": ("需要留意（{n}）", "Please note ({n})"),
    "provenance": ("数据来源", "Where the data come from"),
    "took": ("规划用时 {seconds:.1f} 秒", "Planned in {seconds:.1f} seconds"),
    "downloads": ("下载", "Downloads"),
    "get_map": ("地图（HTML）", "Map (HTML)"),
    "get_map_help": ("一个文件，双击即可打开，不需要联网。", "One file that opens offline."),
    "get_stations": ("站点表（CSV）", "Stations (CSV)"),
    "get_stations_help": (
        "可用 Excel 打开，坐标是 WGS-84。",
        "Opens in a spreadsheet; coordinates are WGS-84.",
    ),
    "get_zip": ("全部结果（ZIP）", "Whole plan (ZIP)"),
    "get_zip_help": (
        "地图、表格、证明和用到的数据，解压后可用“servicecircle check”复核。",
        "Map, tables, proof and the data used; unpack it and run `servicecircle check` on it.",
    ),
    "get_scenario": ("方案文件（TOML）", "Scenario (TOML)"),
    "get_scenario_help": (
        "本次规划的全部设置；连同数据在 ZIP 里，可用“servicecircle plan”重算。",
        "All settings of this plan; the ZIP holds it with its data, ready for `servicecircle "
        "plan`.",
    ),
    "file_map": ("地图", "map"),
    "file_stations": ("站点", "stations"),
    "file_all": ("全部结果", "plan"),
    "file_scenario": ("方案", "scenario"),
    **PLAN_WORDS,
    **EXPORT_WORDS,
}


@dataclass(frozen=True)
class Say:
    """The page's words in one language: ``say("minutes")``, ``say("outdated")`` …"""

    lang: Lang

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key, with its values put in."""
        text = self.pick(WORDS[key])
        return text.format(**values) if values else text

    def pick(self, both: tuple[str, str]) -> str:
        """One of a (Chinese, English) pair."""
        return both[0] if self.lang == "zh" else both[1]
