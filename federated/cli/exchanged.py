"""Help texts in Chinese of what is exchanged with other systems: schemas, catalogues, credentials, lineage, dataspace."""

from __future__ import annotations

HELP = {
    "The JSON Schema of a kind of document; without a name, which there are.": "某类文件的 JSON Schema；不给名称则列出全部。",
    "Write the schema, or all of them, into this folder.": "将该模式或全部模式写入此目录。",
    "Where a job's result comes from, as W3C PROV: who signed what from registration to release.": (
        "任务结果的来源，以 W3C PROV 表示：从登记到发布各环节由谁签名。"
    ),
    "Where to write the W3C PROV-JSON document.": "W3C PROV-JSON 文件写到哪里。",
    "JSON Schemas of the documents.": "各类文件的 JSON Schema。",
    "The standards that are spoken, each with its tests.": "所采用的标准，各附其测试。",
    "List the datasets that are registered, grade columns, export the catalogue, and import one as drafts.": (
        "列出已登记的数据集，为字段定级，导出目录，并把目录导入为草稿。"
    ),
    "Read a catalogue back: a draft of an application for each asset, for keyong asset apply. All or nothing; wrong lines are named.": (
        "读回目录：每项资产生成一份登记申请草稿，供 keyong asset apply 使用；有误则逐行指明，一份也不生成。"
    ),
    "Sign a certificate as a W3C Verifiable Credential (JOSE), which wallets of others read, with one key of the authority.": (
        "以登记机构的一把密钥把凭证签成 W3C 可验证凭证（JOSE），供他方钱包读取。"
    ),
    "Where to write the credential.": "凭证写到哪里。",
    "Verify that a key of the authority signed a credential, and print it. Only keyong cert verify says what is in force.": (
        "核验可验证凭证由登记机构的密钥签名并输出其内容；是否有效以 keyong cert verify 为准。"
    ),
    "The form of others in which it is printed.": "以何种他方形式输出。",
    "Answer as a provider of the Dataspace Protocol: catalogue and contract negotiation.": "作为数据空间协议的提供方应答：目录与合同协商。",
    "Answer as a provider of the Dataspace Protocol.": "作为数据空间协议的提供方应答。",
    "The folder of the negotiations.": "存放协商的目录。",
    "The provider's identifier.": "提供方的标识。",
    "Work until stopped. It takes what consumers send, calls nobody, and holds no key of the authority.": (
        "运行至停止。只接收需求方发来的消息，不主动联系任何人，也不持有授权主体的密钥。"
    ),
    "Under which address others reach it.": "他方访问它的地址。",
    "The authority's folder of assets, or a copy of it.": "授权主体的资产目录，或其副本。",
    "PEM of its certificate; needed but on this machine itself.": "其证书的 PEM；仅限本机访问时可不给。",
    "PEM of the certificate's key.": "证书私钥的 PEM。",
    "Make a token for a participant, in place of an older one. Give it over a channel that nobody else reads.": (
        "为一个参与方制作令牌，旧令牌随即失效；请通过他人看不到的渠道交付。"
    ),
    "The negotiations, and how each stands.": "各项协商及其状态。",
    "What a person at the provider decides: kept, and sent to the consumer's callback address; with again, the last one once more.": (
        "提供方人员的决定：记录并发送到需求方的回调地址；用 again 则重发最近一条。"
    ),
    "JSON: the counter-offer.": "JSON：还价要约。",
    "Why it is terminated.": "终止的原因。",
    "Terms of a licence from a finalised agreement, for keyong authority licence --terms. They grant nothing until the authority signs.": (
        "由已完成的协议得出授权条款，供 keyong authority licence --terms 使用；授权主体签名之前不授予任何权利。"
    ),
    "The file of a finalised negotiation.": "已完成协商的文件。",
    "Where to write the terms.": "条款写到哪里。",
    "The folder for the drafts.": "存放草稿的目录。",
    "Print the registered assets as a DCAT-AP catalogue, as CSV, or as a Dataspace Protocol catalogue. Sizes are bands.": (
        "把已登记资产输出为 DCAT-AP 目录、CSV 或数据空间协议目录；规模以区间表示。"
    ),
    "Identifier of the participant, for dataspace; else made of the authority's name.": (
        "参与方标识，用于 dataspace；不给则由授权主体名称生成。"
    ),
    "URL of the participant's service, for dataspace.": "参与方服务的地址，用于 dataspace。",
}
