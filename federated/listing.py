"""Products on one page that loads nothing: a bubble for each class of data, and the list by class, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from math import sqrt

from governance.products import Product

GOODS = {"statistics": "统计结果 statistics", "model": "模型 model", "algorithm": "算法 algorithm"}
WAYS = {"posted": "挂牌 posted", "negotiated": "协议 negotiated"}
HEADS = ("产品 Product", "名称 Title", "标的 Goods", "方式 Way", "方法 Method", "用途 Purposes")
STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}svg{width:100%;height:auto}"
    "table{width:100%;border-collapse:collapse}td,th{border:1px solid #888;padding:.3rem .5rem;text-align:left;overflow-wrap:anywhere}"
    "text{text-anchor:middle}"
)
WIDTH, LEAST, GROWS = 960, 45, 25  # of the picture; radius of a bubble, and how it grows with the root of its count


def page(products: Iterable[Product]) -> str:
    """The listed ones of *products*, self-contained HTML."""
    classes: dict[str, list[Product]] = {}
    for product in sorted((p for p in products if p.state == "listed"), key=lambda p: (p.sort, p.name)):
        classes.setdefault(product.sort, []).append(product)
    tables = "".join(_table(sort, listed) for sort, listed in classes.items()) or "<p>尚无 none yet</p>"
    return (
        '<!doctype html><html lang="zh"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>数据产品名录 Data products</title><style>{STYLE}</style></head><body>"
        f"<h1>数据产品名录<br>Data products</h1>{_bubbles({sort: len(listed) for sort, listed in classes.items()})}{tables}"
        "<p>按类别和名称排列，不作排名。 In the order of classes and names; nothing is ranked.</p></body></html>\n"
    )


def _bubbles(counts: dict[str, int]) -> str:
    x, y, row, shapes = 0, 0, 0, []
    for sort, count in counts.items():
        radius = int(LEAST + GROWS * sqrt(count))
        if x and x + 2 * radius > WIDTH:
            x, y, row = 0, y + row, 0
        shapes.append(
            f'<circle cx="{x + radius}" cy="{y + radius}" r="{radius - 3}" fill="#cde"/>'
            f'<text x="{x + radius}" y="{y + radius}">{escape(sort)}</text><text x="{x + radius}" y="{y + radius + 20}">{count}</text>'
        )
        x, row = x + 2 * radius, max(row, 2 * radius)
    return f'<svg viewBox="0 0 {WIDTH} {y + row}" role="img">{"".join(shapes)}</svg>' if shapes else ""


def _table(sort: str, listed: list[Product]) -> str:
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    return f"<h2>{escape(sort)} · {len(listed)}</h2><table><tr>{heads}</tr>{''.join(map(_row, listed))}</table>"


def _row(product: Product) -> str:
    cells = (f"{product.name} v{product.version}", product.title, GOODS[product.goods], WAYS[product.way], product.method,
             ", ".join(product.purposes))  # fmt: skip
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
