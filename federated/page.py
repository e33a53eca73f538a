"""A certificate as one page that can be printed: what it says in Chinese and English, and its proof as a QR code. Nothing is loaded."""

from __future__ import annotations

import io
from html import escape

import segno

from governance import printed
from governance.certificates import Certified
from governance.keys import read_key
from governance.licences import day

RIGHTS = {"hold": "持有权 holding", "process": "加工使用权 processing and use", "operate": "经营权 operation"}
STATES = {
    "issue": "已颁发 issued", "transfer": "已转让 transferred", "pledge": "质押中 pledged", "release": "已解除质押 released",
    "cancel": "已注销 cancelled",
}  # fmt: skip
STYLE = (
    "@page{size:A4;margin:18mm}body{font:12pt/1.5 serif;max-width:170mm;margin:auto}h1{text-align:center;font-size:20pt}"
    "table{width:100%;border-collapse:collapse}td{border:1px solid #888;padding:2mm 3mm;overflow-wrap:anywhere}"
    "td:first-child{width:45mm}.code{text-align:center}.code svg{width:75mm;height:75mm}small{font-size:9pt}"
)


def proof(chain: Certified) -> str:
    """The text in the QR code: the newest link, which is verified with the authority's keys alone."""
    return printed.pack(chain.links[-1])


def page(chain: Certified) -> str:
    """The page, self-contained HTML."""
    now = chain.now
    rows = {
        "凭证编号 Number": chain.number, "资产 Asset": f"{now.title} ({now.name})", "类别 Class": now.sort,
        "权利人 Holder": read_key(now.holder).name, "权利人公钥 Holder's key": now.holder,
        "权利 Rights": "；".join(RIGHTS[right] for right in now.rights), f"{day(now.at)} 时的状态 State then": STATES[now.step],
        "有效期 Valid": f"{day(now.begins)} – {day(now.ends)}", "变动次数 Links": str(len(chain.links)),
        "签名 Signed by": ", ".join(line.name for line in chain.links[-1].signatures),
    }  # fmt: skip
    table = "".join(f"<tr><td>{escape(head)}</td><td>{escape(text)}</td></tr>" for head, text in rows.items())
    return (
        '<!doctype html><html lang="zh"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(now.title)}</title><style>{STYLE}</style></head><body>"
        "<h1>数据资产登记凭证<br>Certificate of a registered data asset</h1>"
        f'<table>{table}</table><p class="code">{_svg(chain)}</p>'
        "<p><small>本页不证明凭证目前有效：此后的转让、质押或注销以登记机构的最新清单为准。"
        "请扫描二维码，将所得文字存为文件，用 keyong cert verify 核验。 "
        "This page does not say that the certificate is in force: whether it was transferred, pledged or cancelled since is in the "
        "authority's newest list. Scan the code, save its text, and check: keyong cert verify."
        "</small></p></body></html>\n"
    )


def code(chain: Certified) -> segno.QRCode:
    return segno.make_qr(proof(chain), error="m", boost_error=False)


def _svg(chain: Certified) -> str:
    out = io.BytesIO()
    made = code(chain)
    made.save(out, kind="svg", xmldecl=False, svgns=True, border=4, omitsize=True)
    return out.getvalue().decode().strip()
