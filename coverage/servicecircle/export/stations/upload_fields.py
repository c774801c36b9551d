"""What the providers' data management calls the fields of a place: mappings, with their source.

All of it is as documented, and not tried against the live services: whether a service is still
offered, and to whom, is for the planner to see. Limits are counted in characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from servicecircle.errors import Note

#: what a field may hold: a column of the neutral table, or one of these
LNG_LAT = "lng,lat"  # both in one cell
DATUM = "datum"  # the code of the datum, after `Upload.datums`
LEFT_OPEN = ""  # not in a plan: the planner's to fill in

UNTRIED: Note = (
    "字段按公开文档整理，未在线上服务实测；上传前请对照当前文档",
    "fields as documented, not tried against the live service: compare its documentation first",
)


@dataclass(frozen=True)
class Upload:
    """An upload file: its fields in order (field → column), and what the provider asks of it.

    ``datums``: datum → what the provider calls it; ``limits``: field → characters; ``decimals`` of
    degrees; ``max_bytes`` of a file; ``source``: the documentation it follows; ``note``: more.
    """

    name: str
    words: Note
    fields: Mapping[str, str]
    source: str
    datums: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    decimals: int = 7
    max_bytes: int | None = None
    note: Note = UNTRIED


_OWN = {
    "code": "编码", "kind": "类别", "hours": "开放时间", "services": "服务项目", "area": "面积",
    "partner": "共建单位", "status": "状态", "remarks": "备注", "source": "来源",
    "licence": "署名与许可",
}  # fmt: skip

#: provider → its upload files
UPLOADS: dict[str, tuple[Upload, ...]] = {
    "gaode": (
        Upload(
            "gaode",
            ("高德云图数据管理", "Gaode Yuntu data management"),
            {
                "_name": "名称", "_location": LNG_LAT, "_address": "地址", "coordtype": DATUM,
                "telephone": "联系电话", **_OWN,
            },
            "lbs.amap.com/api/yuntu/reference/cloudstorage",
            datums={"gcj02": "autonavi", "wgs84": "gps"},
            decimals=6,  # more are refused by Gaode's web services
        ),
    ),
    "baidu": (
        Upload(
            "baidu",
            ("百度 LBS 云存储 geodata", "Baidu LBS cloud, geodata"),
            {
                "title": "名称", "longitude": "经度", "latitude": "纬度", "coord_type": DATUM,
                "address": "地址", "telephone": "联系电话", **_OWN,
            },
            "lbsyun.baidu.com lbscloud/api/geodata",
            datums={"bd09": "3", "wgs84": "1"},
            limits={"title": 45, "address": 256},
            max_bytes=10_000_000,
        ),
    ),
    "tencent": (
        Upload(
            "tencent",
            ("腾讯位置服务地点云", "Tencent place cloud"),
            {
                "ud_id": "编码", "title": "名称", "address": "地址", "tel": "联系电话",
                "lat": "纬度", "lng": "经度",
                **{name: column for name, column in _OWN.items() if name != "code"},
            },
            "lbs.qq.com/service/placeCloud/placeCloudGuide/cloudDataManage",
            note=(
                f"{UNTRIED[0]}；接口里坐标是 location 下的 lat、lng，自定义字段放在 x 下",
                f"{UNTRIED[1]}; the API has lat and lng inside location, own fields inside x",
            ),
        ),
        Upload(
            "wechat",
            ("微信门店 create_map_poi", "WeChat stores, create_map_poi"),
            {
                "name": "名称", "longitude": "经度", "latitude": "纬度", "province": LEFT_OPEN,
                "city": LEFT_OPEN, "district": "区县", "address": "地址", "category": LEFT_OPEN,
                "telephone": "联系电话", "photo": LEFT_OPEN, "license": LEFT_OPEN,
                "introduct": "服务项目", "districtid": LEFT_OPEN,
                "code": "编码", "source": "来源", "licence": "署名与许可",
            },
            "developers.weixin.qq.com doc: stores/miniapp/api_createnewpoid",
            note=(
                f"{UNTRIED[0]}；空着的字段由规划单位补填，code、source、licence 三列不上传",
                f"{UNTRIED[1]}; empty fields are the planner's to fill in; code, source and "
                "licence are not uploaded",
            ),
        ),
    ),
}  # fmt: skip
