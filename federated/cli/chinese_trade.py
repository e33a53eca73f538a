"""What commands of products and settlement say of themselves in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TRADE: Mapping[str, str] = MappingProxyType({
    # products
    "Freeze questions as priced products, check jobs against them, and match demands.": "把问题固化为定价产品，核对任务，匹配需求。",
    "Check that a job file asks just what a product froze; anything else is refused.": "核对任务文件所问正是产品所固化的；其他一律拒绝。",
    "The product's note.": "产品的签名文件。",
    "The note of the dataset's entry.": "数据集条目的签名文件。",
    "Take a product off the list.": "产品下架。",
    "A buyer's demand, signed with its key.": "需求方以自己的密钥签名的需求。",
    "What is looked for.": "所需内容。",
    "For which purpose.": "用途。",
    "Comma-separated classes of data; any, unless given.": "以逗号分隔的数据类别；不给则不限。",
    "How long it is open.": "有效天数。",
    "Where to write the demand.": "需求写到何处。",
    "Freeze a job file as a product on a registered asset, and list it.": "把任务文件固化为已登记资产上的产品，并上架。",
    "The registered asset.": "已登记的资产。",
    "For people.": "供人阅读的说明。",
    "The note of its price; without it, it costs nothing.": "价格的签名文件；不给则免费。",
    "The products in the authority's folder, by name, and how many there are in each class. There is no ranking.": (
        "授权主体目录中的产品，按名称排列，并列出各类数目；不作排名。"
    ),
    "Tell a coordinator that a product is listed, or delisted: an entry of its ledger.": "告知协调方产品已上架或下架：记为账本一条。",
    "An operator's order of a product on the list: an entry of the coordinator's ledger.": "运营单位订购已上架的产品：记为协调方账本一条。",
    "The word of who ordered that JOB, which was released, was the product; ORDER and JOB are whole ids.": (
        "订购方声明任务 JOB（已发布结果）即为所订产品；ORDER 与 JOB 为完整编号。"
    ),
    "A regulator's inspection of a product, an order or a delivery; SUBJECT is its whole id.": (
        "监管方对产品、订单或交付的检查；SUBJECT 为其完整编号。"
    ),
    "What the inspection found.": "检查结论。",
    "Why, in words.": "文字说明原因。",
    "A regulator's key file; repeat it where several must sign.": "监管方的密钥文件；须多方签名时可重复给出。",
    "A line for each time that a product was listed, delisted, ordered, delivered or inspected.": (
        "产品每次上架、下架、订购、交付、检查各一行。"
    ),
    "What is traded.": "交易标的。",
    "How it is traded.": "交易方式。",
    "The signed package of its method (keyong product algorithm).": "其方法的签名算法包（keyong product algorithm）。",
    "Comma-separated classes of data for which it is allowed.": "以逗号分隔的、允许使用的数据类别。",
    "Comma-separated rules of release for which it is allowed: exact, dp.": "以逗号分隔的、允许的发布规则：exact、dp。",
    "Where to write the package.": "算法包写到何处。",
    "Sign a method, as it is installed here, as a package that may be shared.": "把此处安装的方法签名为可共享的算法包。",
    "Where to write the page.": "网页写到何处。",
    "What is listed, as one page in Chinese and English with a bubble for each class; it loads nothing.": (
        "已上架产品的中英文网页，每类一个气泡；不加载任何外部内容。"
    ),
    "Where to write the signed list.": "签名清单写到何处。",
    "Write it here as well: CSV, or JSON where the name ends so.": "同时写入此处：CSV；名称以 .json 结尾则为 JSON。",
    "Sign the list of what open DEMANDS look for. There is no ranking.": "把未到期需求 DEMANDS 列为场景需求清单并签名；不作排名。",
    # valuation
    "A holder's report on quality; repeat it.": "某持有方的数据质量报告；可重复给出。",
    "Where to write the signed pack.": "签名后的估价资料写到何处。",
    "What an appraiser is given on a registered ASSET: its use by the ledger, and reports on its quality.": (
        "供评估方使用的已登记资产 ASSET 的资料：账本所载使用情况与数据质量报告。"
    ),
    "How it was valued.": "评估方法。",
    "The least value, in fen.": "价值下限，以分计。",
    "The greatest value, in fen.": "价值上限，以分计。",
    "How long it holds.": "有效天数。",
    "Where to write the valuation.": "估价写到何处。",
    "An appraiser's own value of the asset in a pack, signed with a key of the key root's appraiser.": (
        "评估方对资料中资产自行作出的估价，以密钥根中评估角色的密钥签名。"
    ),
    "An appraiser's valuation of the pack.": "评估方对该资料的估价。",
    "Check a pack against the records, and an appraiser's valuation of it.": "依记录核验估价资料及评估方的估价。",
    # settlement
    "A data holder's own cost table, signed. What is booked is fixed beforehand, so it tells nothing of rows.": (
        "数据持有方自己的成本表，由其签名；计入量事先固定，不透露任何一行。"
    ),
    "A later table takes the place of an earlier one.": "较新的成本表取代较旧的。",
    "Cost of an hour of work, in fen.": "每小时人工成本，以分计。",
    "Minutes of work booked for each job.": "每个任务计入的人工分钟数。",
    "Cost of a processor's second, in thousandths of a fen.": "处理器每秒的成本，以千分之一分计。",
    "Processor seconds booked for each round.": "每轮计入的处理器秒数。",
    "Cost of reading 10^9 bytes, in thousandths of a fen.": "读取 10^9 字节的成本，以千分之一分计。",
    "Where to write the signed cost table.": "签名后的成本表写到何处。",
    "What the jobs cost by the holders' own tables, beside what was charged for them.": "按各持有方成本表计算的任务成本，并列所收费用。",
    "A holder's cost table; repeat it.": "某持有方的成本表；可重复给出。",
    "What a row is.": "每行是什么。",
    "Write the table here, as CSV, instead of printing it.": "把表格以 CSV 写入此处，而不输出。",
    "What a row is: a release, a dataset, or one side of a charge.": "每行为一次发布、一个数据集，或复式记账中收费的一方。",
    "What a job costs if it is released next, computed from the records: OFFER is what keyong job plan --out wrote.": (
        "由记录算出：某任务若随即发布，费用是多少；OFFER 为 keyong job plan --out 所写。"
    ),
})  # fmt: skip
