"""Names of 河谷市, all invented: plain good words, no persons, no companies, no brands."""

from __future__ import annotations

import numpy as np


def _words(text: str) -> list[str]:
    return text.split()


GOOD = _words("""
    安康 祥和 福泽 锦绣 碧水 青松 翠竹 春晖 明月 星河 丽景 和顺 金谷 银杏 紫藤 丁香 海棠
    梧桐 玉泉 云溪 长乐 永宁 瑞丰 昌盛 文华 书香 静雅 嘉禾 望江 临河 清泉 白杨 红柳 雪松
    桃园 梅苑 兰亭 竹韵 菊香 荷塘
""")
COMPOUND = _words("""
    家园 花园 小区 新村 苑 里 雅居 名邸 公寓 佳园 华庭 府
""")
STREET = _words("""
    安 康 兴 盛 和 顺 丰 泰 昌 宁 祥 瑞 福 锦 春 秋 文 德 仁 义 礼 智 诚 信 勤 俭 明 华 清
    平 荣 富 强 新 光 源 泉 林 园 桥 溪 谷 松 柏 杨 柳 桃 梅
""")
STREET_END = _words("""
    路 路 街 街 一路 二路 东路 西路 南街 北街 巷
""")
LANE = _words("""
    井 槐树 枣树 石板 磨坊 油坊 豆腐 灯笼 铁匠 药铺 书院 城隍 马神 水门 箭道 棉花 羊市
    柴市 米市 布市 茶叶 竹竿 帽儿 扁担 剪子 钟鼓 文庙 武庙 仓门 衙后
""")
LANE_END = _words("""
    巷 胡同 胡同 里 弄 夹道
""")
FOOD = _words("""
    手工面馆 拉面馆 家常菜馆 饺子馆 火锅店 小吃店 早餐铺 包子铺 粥铺 麻辣烫 烧烤店 快餐店
    盖浇饭 米线店 凉皮店 炒鸡店 羊汤馆 砂锅居 酸菜鱼 饭庄
""")


def _one(rng: np.random.Generator, words: list[str]) -> str:
    return words[int(rng.integers(len(words)))]


def compound_name(rng: np.random.Generator, kind: str = "") -> str:
    """A residential compound, or a ``kind`` of yard: 锦绣家园, 白杨学校."""
    return _one(rng, GOOD) + (kind or _one(rng, COMPOUND))


def street_name(rng: np.random.Generator) -> str:
    """An inner street: 安泰路, 明德二路."""
    return _one(rng, STREET) + _one(rng, STREET) + _one(rng, STREET_END)


def lane_name(rng: np.random.Generator) -> str:
    """An alley: 槐树巷, 油坊胡同."""
    return _one(rng, LANE) + _one(rng, LANE_END)


def shop_name(rng: np.random.Generator, kind: str) -> str:
    """A shop of a kind: 福泽小吃店."""
    return _one(rng, GOOD) + kind


def food_name(rng: np.random.Generator) -> str:
    """A place to eat: 玉泉拉面馆."""
    return _one(rng, GOOD) + _one(rng, FOOD)
