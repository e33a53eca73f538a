"""What the command line says of itself in Chinese: help pages, and wrong calls as click finds them.

Commands are written in English; what is shown is looked up here as it is printed, so that one program speaks both languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

from federated.cli.chinese_trade import TRADE
from federated.cli.exchanged import HELP as EXCHANGED
from federated.language import language, said

HEADINGS = {"Options": "选项", "Commands": "命令"}
HELP = {
    **EXCHANGED,
    **TRADE,
    "keyong 可用: compute over data that never leave their domain. Usable, never visible.": "keyong 可用：原始数据不出域，数据可用不可见。",
    "Show the version and exit.": "显示版本。",
    "Show this message and exit.": "显示本帮助。",
    "Print one JSON object for machines.": "输出一个供程序读取的 JSON 对象。",
    "Comma-separated.": "以逗号分隔。",
    "Comma-separated, each name@version.": "以逗号分隔，每项为 名称@版本。",
    "Comma-separated; empty allows all.": "以逗号分隔；为空则不限。",
    "Comma-separated, each name@version; empty allows all.": "以逗号分隔，每项为 名称@版本；为空则不限。",
    "Comma-separated organisations; empty allows all.": "以逗号分隔的机构名称；为空则不限。",
    "What seals values in the journal; kept for good.": "用什么算法封存库中的值；一经选定不再改变。",
    "URL of an HTTP proxy.": "HTTP 代理的地址。",
    # authority
    "Authorise: enrol parties, publish datasets, grant and revoke licences.": "授权：登记各方，发布数据集，签发和撤销授权书。",
    "Register a dataset in the catalogue.": "在目录中登记数据集。",
    "The authority's folder.": "授权主体的目录。",
    "The coordinator's coordinator.json.": "协调方的 coordinator.json。",
    "Make a join token for a party. Give it to the party over a channel that nobody else reads.": (
        "为一方制作加入令牌；请通过他人看不到的渠道交付。"
    ),
    "The organisation behind the party.": "该方所属的机构。",
    "Withdraw stolen or lost keys of holders or operators for good: from now on they count for nothing. Then enrol the parties again.": (
        "永久停用持有方或运营单位被盗或遗失的密钥：自此不再作数。随后为其重新登记。"
    ),
    "Exchange this node's key, which the authority has withdrawn, for a new one; journal and budgets go on. It can be repeated.": (
        "把授权主体已停用的节点密钥换成新密钥；节点库和额度照旧。可重复执行。"
    ),
    "Exchange the operator's key, which the authority has withdrawn, for a new one. It can be repeated.": (
        "把授权主体已停用的运营单位密钥换成新密钥。可重复执行。"
    ),
    "The authority's newest revocations.note, if you have it.": "授权主体最新的 revocations.note（如有）。",
    "What it will be.": "该方的角色。",
    "The coordinator's coordinator.json (not for a coordinator).": "协调方的 coordinator.json（登记协调方时不需要）。",
    "How long the token can be used.": "令牌的有效天数。",
    "Make the authority's keys.": "生成授权主体的密钥。",
    "How many keys to make.": "生成几把密钥。",
    "How many of them must sign.": "其中须有几把签名。",
    "Grant a licence to the operator with this verifier key (keyong operator show).": (
        "向持有该公钥（keyong operator show）的运营单位签发授权书。"
    ),
    "The dataset's name in the catalogue.": "数据集在目录中的名称。",
    "Fewest persons in a cell at a holder.": "一家持有方在一个单元中至少要有的人数。",
    "How many jobs may run.": "可运行的任务个数。",
    "How long it is valid.": "有效天数。",
    "The licences that were granted, and which of them are revoked.": "已签发的授权书，以及其中已撤销的。",
    "Publish the next revocation list: with LICENCES added. Without any, it only renews the list.": (
        "发布下一份撤销清单，加入 LICENCES；不给则只续期。"
    ),
    "Id of a suspended licence to bring back.": "要恢复的授权书编号。",
    "How long the list is fresh; a stale one stops every job.": "清单的有效天数；过期则所有任务停止。",
    # coordinator
    "Relay jobs between nodes.": "在各节点之间转发任务。",
    "Make the coordinator's key, its journal, and a certificate of its own (put your own in its place if you have one).": (
        "生成协调方的密钥、节点库和自签证书（可换成您自己的）。"
    ),
    "The coordinator's folder.": "协调方的目录。",
    "The address under which nodes and operators reach it.": "节点和运营单位访问它的地址。",
    "Names and addresses for its certificate; those of the URL unless given.": "证书中的名称和地址；默认取自网址。",
    "postgresql+psycopg://… instead of a file in the folder.": "用 postgresql+psycopg://… 代替目录中的文件。",
    "Work until stopped.": "运行，直到被停止。",
    "Address and port.": "地址和端口。",
    "PEM: ask every client for a certificate of this authority.": "PEM：要求每个客户端出示该机构签发的证书。",
    "Seconds to wait for a missing node in a job's first round.": "任务第一轮等待缺席节点的秒数。",
    # node
    "Serve a data holder's data, and decide what may be done with them.": "提供持有方的数据，并决定可用来做什么。",
    "Jobs that wait for a person here: who asks, why, for which columns, and what would be opened.": (
        "等待本单位人工审核的任务：谁提问、用途、字段、会打开什么。"
    ),
    "The node's folder.": "节点的目录。",
    "Approve a waiting job. What is approved is the exact text whose hash is the job's id.": (
        "批准任务；所批准的正是任务编号（哈希）对应的原文。"
    ),
    "The registered form of DATASET, into which a table must be brought before it is added; without it, what is registered.": (
        "DATASET 登记的结构，表须先整理成这样；不给则列出已登记的数据集。"
    ),
    "The datasets that this node serves.": "本节点提供的数据集。",
    "Freeze a snapshot of the table at URL in the registered form of DATASET, and serve it from now on.": (
        "把 URL 处的表按 DATASET 登记的结构冻结为快照，并从此提供。"
    ),
    "The snapshots that this node serves.": "本节点提供的快照。",
    "Deny a waiting job.": "拒绝待审核的任务。",
    "Shown to the operator; say nothing about rows.": "会显示给运营单位；不要提及任何数据内容。",
    "Check what this node needs: coordinator, proxy, certificates, clock, kernel, disk, keys, snapshots.": (
        "检查节点所需：协调方、代理、证书、时钟、内核、磁盘、密钥、快照。"
    ),
    "Make this node's key and folder, and enrol with the coordinator in the token. One command, and it can be repeated.": (
        "生成节点的密钥和目录，并向令牌所指的协调方登记；可重复执行。"
    ),
    "Show or change this data holder's own rules.": "显示或更改本持有方自己的规则。",
    "Who accepts a job that passes.": "合规的任务由谁接受。",
    "Fewest persons in a cell here, on top of every licence.": "本单位每个单元至少要有的人数，在授权书之上。",
    "Work until stopped. The node dials out only; nothing connects to it.": "运行，直到被停止；节点只向外连接。",
    "Jobs at this node, newest last.": "本节点的任务，最新的在最后。",
    # operator and jobs
    "Make an operator's identity.": "建立运营单位的身份。",
    "Make the operator's key and enrol it.": "生成运营单位的密钥并登记。",
    "The key file.": "密钥文件。",
    "The licences of this operator: what each allows, until when, and whether it is in force.": (
        "本运营单位的授权书：内容、期限、是否有效。"
    ),
    "Print the operator's verifier key.": "打印运营单位的公钥。",
    "Plan, submit and watch jobs.": "计划、提交和查看任务。",
    "End a job that is still open.": "结束尚未完成的任务。",
    "The operator's key.": "运营单位的密钥。",
    "This operator's jobs, newest last.": "本运营单位的任务，最新的在最后。",
    "What a job would read, open and cost, and who must approve; touches no rows and submits nothing.": (
        "任务会读取、打开、消耗什么，须由谁同意；不接触数据，也不提交。"
    ),
    "Wait for a job's end and print its verified result.": "等任务结束，打印经核验的结果。",
    "Where to write the result bundle.": "结果包写到何处。",
    "Where a job stands.": "任务的进度。",
    "Sign a job file and submit it.": "签署任务文件并提交。",
    "Wait for the end, showing each round.": "等到结束，并显示每一轮。",
    # ledger, catalogue, methods, demo, verify
    "Sign releases of this software, and verify them offline.": "为本软件的发行版签名，并离线核验。",
    "The folder of key and ledger.": "密钥与账本所在的目录。",
    "The name of the key and of its ledger.": "密钥及其账本的名称。",
    "Make the key that signs releases, and their ledger.": "生成为发行版签名的密钥及其账本。",
    "Sign the files in FOLDER, and put the note and the ledger's proof beside them.": (
        "为 FOLDER 中的文件签名，并把签名文书和账本证明放在旁边。"
    ),
    "Verify a release offline: its files are those that were signed, and the ledger of releases holds it.": (
        "离线核验发行版：文件与签名时一致，且发行账本中有此一条。"
    ),
    "Look into a ledger, and prove or check it.": "查看、证明或检查账本。",
    "Hash every entry again, and check every stored hash and the signed checkpoint.": (
        "重新计算每条的哈希，并核对所存的哈希和已签名的检查点。"
    ),
    "A node's or coordinator's folder.": "节点或协调方的目录。",
    "An entry with its inclusion proof and the signed checkpoint.": "一条记录及其包含证明和已签名的检查点。",
    "The newest entries.": "最新的记录。",
    "How many entries.": "显示几条。",
    "List the datasets that are registered.": "列出已登记的数据集。",
    "All registered datasets.": "全部已登记的数据集。",
    "A dataset's columns with grades, bounds, cut points, levels and codes.": "数据集的字段：级别、上下界、切点、取值和编码。",
    "List the methods, and what each discloses.": "列出各方法及其公开的内容。",
    "All methods of this version.": "本版本的全部方法。",
    "A method's parameters, rounds and disclosure contract.": "方法的参数、轮次和公开的内容。",
    "A whole federation on this machine, on real data, the pooled answer beside it.": (
        "在本机用真实数据运行整个联邦，并与汇集数据的答案对照。"
    ),
    "How many of the four hospitals take part.": "四家医院中有几家参与。",
    "Leave the federation running afterwards, until Ctrl-C.": "演示之后让联邦继续运行，直到按 Ctrl-C。",
    "Use this folder and leave it: keys, journals, logs, bundle.": "使用并保留该目录：密钥、节点库、日志、结果包。",
    "Verify a result bundle offline.": "离线核验结果包。",
    "The invitation's draft, once the others have signed it.": "邀请的草稿，须其他人已签名。",
    "Make the authority's keys, and root.note, the first version of its key root.": (
        "生成授权主体的密钥，以及其密钥根的第一个版本 root.note。"
    ),
    "How long the key root's first version is valid.": "密钥根第一个版本的有效期。",
    "Grant a licence to the operator with this verifier key (keyong operator show), or to several who sign together.": (
        "向持此公钥（keyong operator show）的运营单位签发授权书，或签发给须共同签名的几家。"
    ),
    "The operator's contingency plan (keyong licence plan).": "运营单位的应急预案（keyong licence plan）。",
    "How many of the keys must sign a job.": "其中须有几个密钥签署任务。",
    "At how many holders a person must approve each job.": "每个任务须由几家持有方人工批准。",
    "Further terms: a YAML file.": "其他条款：YAML 文件。",
    "Who is enrolled, by a coordinator's records: names, organisations, roles, keys and their fingerprints, and whether withdrawn.": (
        "依协调方的账本记录列出已登记方：名称、单位、角色、公钥及指纹、是否已停用。"
    ),
    "A coordinator's records (keyong records export), to name parties instead of their keys.": (
        "协调方的账本记录（keyong records export），据以用名称代替公钥。"
    ),
    "Drafts that wait in the folder: of what kind, who signed them, who has not, and what comes next.": (
        "目录中待签的草稿：类别、已签者、未签者及下一步。"
    ),
    "Publish a draft that enough have signed, and keep it: a version of the key root, a dataset, a licence or a revocation list.": (
        "发布并保存签名已足的草稿：密钥根的一个版本、数据集、授权书或撤销清单。"
    ),
    "Sign anew what stands, after keys have changed: datasets, licences, and the revocation list.": (
        "密钥更换之后，重新签署仍有效的文件：数据集、授权书和撤销清单。"
    ),
    "Publish the next revocation list: with LICENCES, or verifier keys, added. Without any, it only renews the list.": (
        "发布下一份撤销清单，加入 LICENCES 所列授权书或公钥；不给则只续期。"
    ),
    "The key root: who may sign what, in versions that follow from each other.": "密钥根：谁可签署什么，各版本前后相承。",
    "Make an officer's own key, where the officer is; the verifier key that is printed goes into the key root's next version.": (
        "在签署人处生成其本人的密钥；打印出的公钥写入密钥根的下一个版本。"
    ),
    "The kind of key.": "密钥的种类。",
    "Make the key root's next version: other keys, other thresholds, or only a later day until which it is valid.": (
        "制作密钥根的下一个版本：更换密钥、门限，或只延长有效期。"
    ),
    "The coordinator's coordinator.json, to publish it at once if enough keys are here.": "协调方的 coordinator.json；密钥足够时立即发布。",
    "Verifier key to add.": "要增加的公钥。",
    "Name of a key to take out; whom it let in stays.": "要移出的密钥的名称；由它准入的各方保留。",
    "Name of a stolen key: taken out everywhere, and its signatures count no more.": "被盗密钥的名称：全部移出，其签名不再作数。",
    "How many must sign from now on.": "今后须有几人签名。",
    "Which roles to change; root, authority and revoker unless given.": "要更改的角色；不给则为 root、authority 和 revoker。",
    "How long the version is valid.": "该版本的有效期。",
    "The newest version, for people to compare with what they were given.": "最新版本，供各方与所得的核对。",
    "Read a draft in FILE, and sign it there with the keys that are in this folder. It is shown: what is signed is what is shown.": (
        "读取 FILE 中的草稿，用本目录的密钥在其上签名。草稿会显示出来：所见即所签。"
    ),
    "Most exact results over the same rows, all operators together.": "同一批数据最多可得出的精确结果数，全部运营单位合计。",
    "Most numbers that these may open.": "这些结果最多可打开的数的个数。",
    "The licences of this operator: what each allows, until when, and whether it is in force. They are kept beside the identity, too.": (
        "本运营单位的各份授权书：允许什么、到何时、是否有效；同时保存在身份文件旁。"
    ),
    "Narrow a licence, look into it, and judge it off line.": "收窄授权书，查看并离线判定。",
    "Judge a licence, and a job under it, off line, as coordinator and nodes do. Exit code 3 with the reason where they would refuse.": (
        "像协调方和节点那样离线判定授权书及其下的任务；会被拒绝时以退出码 3 结束并说明理由。"
    ),
    "The authority's root.note; the operator's own token where left out.": "授权主体的 root.note；不给则用运营单位自己的令牌。",
    "A job as nodes get it (keyong job plan --out): is it covered, too?": "节点将收到的任务（keyong job plan --out）：是否也在授权范围内。",
    "The current revocation list; the one in the file where left out.": "当前撤销清单；不给则用文件中的那份。",
    "Make a key for a project, to which a part of a licence can be handed on.": "为项目生成密钥，可把授权的一部分转授给它。",
    "Where to write it; NAME.key where left out.": "写入何处；不给则为 NAME.key。",
    "Add a link to a licence that allows less: for a project, or for another key. Needs no network.": (
        "给授权书加一环，范围更窄：用于项目或另一密钥。无需联网。"
    ),
    "What the new link allows: a YAML file.": "新的一环允许什么：YAML 文件。",
    "How many jobs may run under it.": "其下可运行几个任务。",
    "Verifier key of a delegate; those of the licence where left out; can be repeated.": "受托方的公钥；不给则沿用授权书的；可重复给出。",
    "How many of the delegates must sign a job.": "须有几个受托方签署任务。",
    "A further key that signs the link; can be repeated.": "另一个签署此环的密钥；可重复给出。",
    "Where to write it; beside the identity where left out.": "写入何处；不给则在身份文件旁。",
    "Sign a contingency plan, which the authority countersigns when it grants a licence with it.": (
        "签署应急预案；授权主体凭它签发授权书时加签。"
    ),
    "Where to write it.": "写入何处。",
    "What a licence allows with all its links together, and who may use it.": "授权书各环合起来允许什么、谁可使用。",
    "A node's folder: how many uses are left as far as this node knows.": "节点的目录：据该节点所知还剩几次。",
    "A further key that signs the job, where its licence names it; can be repeated.": (
        "另一个签署任务的密钥（须为授权书所列）；可重复给出。"
    ),
    "Where to write the job as the nodes would get it.": "把节点将收到的任务写入何处。",
    "Write the ledger as static files for others to follow (C2SP tlog-tiles); what is there already is added to.": (
        "把账本写成静态文件供他人跟踪（C2SP tlog-tiles）；已有的文件只追加。"
    ),
    "Check a copy of an exported ledger, without a network and without its owner: every entry, tile and signature.": (
        "离线核查导出账本的副本，不依赖其所有者：每条记录、每个分块、每个签名。"
    ),
    "Have a time-stamp authority (RFC 3161) confirm when the ledger was what it is: write the question, or verify the reply.": (
        "由时间戳机构（RFC 3161）确认账本在何时已是如此：写出请求，或核验答复。"
    ),
    "Verify the reply in FOLDER; with --home, hold the ledger against it.": "核验 FOLDER 中的答复；给出 --home 时并与账本核对。",
    "PEM of the time-stamp authority's root.": "时间戳机构根证书的 PEM 文件。",
    "The verifier key of the log: name+hash+key.": "账本的公钥：name+hash+key。",
    "Logs, witnesses and quorum (C2SP tlog-policy).": "账本、见证方与法定数（C2SP tlog-policy）。",
    "Keep the checkpoint here, and hold the next one against it.": "把检查点保存于此，下次据以核对。",
    "A proof that the ledger holds an entry, for anybody to verify offline (C2SP tlog-proof).": (
        "账本含有某条记录的证明，任何人可离线核验（C2SP tlog-proof）。"
    ),
    "Verify a proof that `prove` printed, offline.": "离线核验 `prove` 打印的证明。",
    "Look into what was spent of privacy budgets, and find it again from a ledger.": "查看隐私预算的支出，并由账本重新算出。",
    "Write the ledger's entries and the documents of the budget to FILE, for a check on another machine.": (
        "把账本记录和预算文件写入 FILE，供在另一台机器上核查。"
    ),
    "Charge everything again from ledger and documents: those in EXPORTED, or those of this node, whose totals must then be the same.": (
        "由账本和文件重新计费：EXPORTED 中的，或本节点的（合计须一致）。"
    ),
    "What each block, operator and licence has spent here, and what is left.": "各数据块、运营单位和授权书在此已支出多少、还剩多少。",
    "List every exact result instead, with condition and numbers.": "改为列出每个精确结果及其条件和数的个数。",
    "The authority's root.note, any version.": "授权主体的 root.note，任一版本均可。",
    "Each requirement beside the test that holds it, by the record of the last whole run of the tests.": (
        "每项要求与验证它的测试，以最近一次全部测试的记录为准。"
    ),
    "The project's checkout; this program's own if left out.": "项目的检出目录；不给则为本程序所在的。",
    "Only requirements that stand so.": "只列处于此状态的要求。",
    "Only requirements whose name starts so, such as PRIVACY or THREATS-1.": "只列名称以此开头的要求，如 PRIVACY 或 THREATS-1。",
    "Each requirement beside the test that holds it.": "每项要求与验证它的测试。",
    "On what basis persons are in it; as in FILE if left out.": "个人数据入集的依据；不给则以 FILE 为准。",
    "What persons allow to be done with their records, and what it was used for. PERSON may be -, to be read from standard input.": (
        "个人允许如何使用其记录，以及记录被用于何处。PERSON 可为 -，从标准输入读取。"
    ),
    "Check offline that PROOF shows a use of the record of PERSON, by the ledger of the data holder whose fingerprint is printed.": (
        "离线核查 PROOF 是否证明 PERSON 的记录被使用过，依据所打印指纹的数据持有方的账本。"
    ),
    "Destroy all records of PERSON and what opens the ledger's commitments to them. The row is never read again; the proofs hold.": (
        "销毁 PERSON 的全部同意记录以及打开账本承诺所需的内容；该行不再被读取，证明仍然成立。"
    ),
    "Put down that PERSON allows the use of the own record.": "登记 PERSON 同意使用其记录。",
    "The dataset, which this node serves.": "本节点所提供的数据集。",
    "Comma-separated; all where it is left out.": "逗号分隔；不给则为全部。",
    "Put down the FHIR Consent resources (R4 or R5) in FILE, one a line; all, or none where one is not understood.": (
        "登记 FILE 中的 FHIR Consent 资源（R4 或 R5），每行一个；有一个无法识别则全部不登记。"
    ),
    "CODE=PURPOSE: which purpose a code in the file stands for; repeatable.": ("CODE=PURPOSE：文件中的代码对应哪个用途；可重复给出。"),
    "Records by pseudonym, oldest first.": "按假名列出记录，最早的在前。",
    "Of this person alone.": "只列此人的。",
    "About this dataset alone.": "只列此数据集的。",
    "The jobs that read the record of PERSON, with proofs that the person can check elsewhere and that tell of nobody else.": (
        "读取过 PERSON 记录的任务及其证明；本人可在别处核查，且不透露他人。"
    ),
    "Write one proof for each job into this folder.": "为每个任务写一份证明到此目录。",
    "Put down that PERSON allows it no more: no job reads the record from now on. What was released before stays (PIPL 15).": (
        "登记 PERSON 撤回同意：今后任何任务不再读取其记录；此前已发布的结果不受影响（个人信息保护法第十五条）。"
    ),
    # assets, certificates, products
    "Register data assets: apply, register, change, correct, cancel.": "登记数据资产：申请、登记、变更、更正、注销。",
    "The holder's request, signed with its key: a first registration, or after a chain a change or a correction.": (
        "持有方以自己的密钥签名的申请：首次登记，或在已有链上变更、更正。"
    ),
    "The dataset file, as it is or will be registered in the catalogue.": "数据集文件，与目录中已登记或将登记的一致。",
    "The signer's key file.": "签名人的密钥文件。",
    "A person's word on the grades (keyong catalogue grade).": "专人对级别的认定（keyong catalogue grade）。",
    "The asset's chain, to ask for a change or a correction.": "资产的链，用于申请变更或更正。",
    "Id of the link that was wrong, or its first digits.": "有误的一环的编号，或其开头几位。",
    "Why it is changed or corrected.": "变更或更正的理由。",
    "Where to write the request.": "申请写到何处。",
    "Cancel an asset's registration, for good; jobs on it end.": "注销资产登记，不可恢复；有关任务随即终止。",
    "Why.": "理由。",
    "Publish at this coordinator, by its coordinator.json.": "在该协调方发布（给出其 coordinator.json）。",
    "Register a change for which the holder asked.": "登记持有方申请的变更。",
    "Register a correction for which the holder asked. What was wrong stays in the chain.": "登记持有方申请的更正；有误的内容留在链上。",
    "The assets in the authority's folder, and their states.": "授权主体目录中的资产及其状态。",
    "Register an asset for which its holder applied.": "登记持有方申请的资产。",
    "Verify an asset's chain with the authority's keys alone, and show every link of it.": "仅凭授权主体的公钥核验资产的链，并显示每一环。",
    "The authority's root.note.": "授权主体的 root.note。",
    "Sign a request of another: the new holder of an asset or a certificate, or a creditor.": (
        "为他人的申请签名：资产或凭证的新持有方，或债权人。"
    ),
    "List only what meets this demand.": "只列满足该需求的产品。",
    "Issue, transfer, pledge, cancel, print and verify certificates of registered assets.": (
        "已登记资产凭证的颁发、转让、质押、注销、印制和核验。"
    ),
    "Accept a request to transfer, pledge or release a certificate: the next revocation list names the link before it.": (
        "受理凭证的转让、质押或解押申请：下一份撤销清单将列出其前一环。"
    ),
    "Cancel a certificate: the next revocation list names it.": "注销凭证：下一份撤销清单将列出它。",
    "Issue the certificate of a registered asset.": "为已登记资产颁发凭证。",
    "The holder's request to pledge a certificate; the creditor signs it too. Until its release it is not transferred.": (
        "持有方质押凭证的申请，债权人也须签名；解押前不得转让。"
    ),
    "The creditor's verifier key.": "债权人的验证公钥。",
    "One page of HTML, in Chinese and English, with the proof as a QR code.": "一页中英文 HTML，证明印成二维码。",
    "Where to write the page.": "页面写到何处。",
    "The creditor's request to end a pledge.": "债权人解除质押的申请。",
    "The holder's request to transfer a certificate; the new holder signs it too.": "持有方转让凭证的申请，新持有方也须签名。",
    "The new holder's verifier key.": "新持有方的验证公钥。",
    "Verify a chain, or the text that was scanned from a page: signatures, steps, and that it is in force now.": (
        "核验一条链，或从页面扫描出的文本：签名、步骤、当前是否有效。"
    ),
    "The newest revocation list of the authority that issued it.": "颁发它的授权主体的最新撤销清单。",
    "The region that issued it, if another.": "颁发地区（如为其他地区）。",
    "The own authority's list of regions.": "本地授权主体的地区清单。",
    "The form.": "形式。",
    "The authority's folder; without it, what the coordinator shows.": "授权主体的目录；不给则取协调方所示。",
    "Propose a grade for each column of a dataset file, with reasons; with --set, sign a person's word on them. Reads no row.": (
        "为数据集文件的每个字段提出级别建议及理由；加 --set 则签署专人的认定。不读取任何一行。"
    ),
    "COLUMN=GRADE as the person says; may be given again.": "专人认定的 字段=级别；可重复。",
    "Who settles these grades, by name.": "认定级别者的姓名。",
    "The key with which the person's word is signed: the data holder's.": "签署认定所用的密钥：数据持有方的密钥。",
    "Where to write the person's word.": "认定写到何处。",
    # prices, records, and what is computed from them
    "Set the price of a dataset, for licences that are granted from now on.": "设定数据集的价格，适用于此后签发的授权书。",
    "What is counted.": "计费单位。",
    "For one unit, in whole fen.": "每单位的价格，以分计。",
    "The fee standard that a unit's price may not exceed, in fen.": "单价不得超过的收费标准上限，以分计。",
    "The revenue that all charges under this price may reach together, in fen.": "该价格下全部收费可达到的最高准许收入，以分计。",
    "Comma-separated purposes that cost nothing, beside public governance and the public interest.": (
        "除公共治理、公益外，其他免费的用途，以逗号分隔。"
    ),
    "How long it holds.": "有效天数。",
    "What happened, job by job; write it to a file from which others read the same.": "逐个任务的经过；可写入文件，供他人读出同样内容。",
    "Write all entries of the ledger and the documents that they are about to FILE.": "把账本的全部条目及其所指文件写入 FILE。",
    "A coordinator's or a node's folder.": "协调方或节点的目录。",
    "A line for each job.": "每个任务一行。",
    "The authority's root.note, any version; needed with a file.": "授权主体的 root.note，任一版本均可；读取文件时须给出。",
    "What the releases of a ledger cost, and who gets how much.": "账本中各次发布的费用，以及各方应得的金额。",
    "Write the charges for accounts to FILE: CSV, or JSON where its name ends so.": (
        "把供记账的收费写入 FILE：CSV，或（文件名以 .json 结尾时）JSON。"
    ),
    "Number of the first entry.": "首条条目的编号。",
    "Number after the last entry; all entries unless given.": "末条条目的下一编号；不给则为全部条目。",
    "Charge the releases among the entries, and sign the statement with the coordinator's key.": (
        "对条目中的发布计费，并以协调方的密钥签署结算单。"
    ),
    "Where to write the signed statement.": "签署的结算单写到何处。",
    "Compute a statement again from the records, and compare it line by line.": "由记录重新计算结算单，逐行比对。",
    "Look for what must not be, and for what to look into, in a ledger's records. Ends with 4 where there is an alarm.": (
        "在账本的记录中查找不应有的和须核查的情形；有告警时以 4 退出。"
    ),
    "Look for what must not be, and for what to look into, in a ledger's records.": "在账本的记录中查找不应有的和须核查的情形。",
    "Refusals of an operator within an hour that are many.": "同一运营单位一小时内被拒绝几次即视为过多。",
    "Questions one level from an earlier one that are many.": "与此前问题只差一个取值的问题有几个即视为过多。",
    "Working hours as FROM-TO, such as 8-18, in UTC+8; no rule about hours unless given.": (
        "工作时间，写作 起-止，如 8-18（UTC+8）；不给则不查时间。"
    ),
    "Counts of public events, as Prometheus reads them.": "公开事件的计数，供 Prometheus 读取。",
    "Write here, whole or not at all, instead of printing.": "写到此处（整体写入或不写），不打印。",
    "Tables of a year or a month, and of a licence, computed from records.": "由记录算出的年度、月度表和授权书报表。",
    "The yearly disclosure, due by 31 March: a table of operators and one of the organisations that hold the data.": (
        "年度信息披露（3 月 31 日前）：运营单位表和数据持有机构表。"
    ),
    "The year, such as 2026 (UTC).": "年份，如 2026（UTC）。",
    "Which table.": "哪张表。",
    "Write the table here, too: CSV, or JSON where the name ends so.": "另把表写到此处：CSV，或（文件名以 .json 结尾时）JSON。",
    "What a licence leaves behind when it ends: every result under it, what is owed, and what still runs.": (
        "授权书终止时留下的一切：其下每个结果、应付金额、仍在运行的任务。"
    ),
    "A licence's scorecard: how it was used, what was refused under it, what an audit finds.": (
        "授权书评分：使用情况、其下被拒绝的任务、审计发现。"
    ),
    "What each operator asked, got and was refused in a month.": "一个月内各运营单位所问、所得和被拒的情况。",
    "The month, such as 2026-03 (UTC).": "月份，如 2026-03（UTC）。",
    "Jobs, releases, refusals, declared numbers and revenue of a year.": "一年的任务、发布、拒绝、申报数值个数和收入。",
    "Everything about one job in a file that anybody can judge offline, with: keyong verify FILE.": (
        "把一个任务的全部证据写入一个文件，任何人可用 keyong verify FILE 离线判定。"
    ),
    "Everything about one job in a file that anybody can judge offline.": "把一个任务的全部证据写入一个文件，任何人可离线判定。",
    # incidents and complaints
    "Open, contain, notify and close security incidents.": "安全事件的登记、控制、告知和结案。",
    "Close it, for good.": "结案，不可恢复。",
    "What data, why it happened, and what harm is possible.": "涉及的数据、原因和可能造成的危害。",
    "What was done, and what those concerned can do.": "已采取的措施，以及有关人员可采取的措施。",
    "Whom those concerned can ask, and how.": "有关人员可联系谁、如何联系。",
    "Say that it is contained; suspend licences first, which every node learns at once.": (
        "标记为已控制；可先暂停授权书，各节点立即得知。"
    ),
    "A licence to suspend at once; can be repeated.": "须立即暂停的授权书；可重复。",
    "The incidents of this folder, how they stand, and when those concerned must be told.": (
        "该目录中的事件、其状态，以及须告知有关人员的期限。"
    ),
    "Say that those concerned were told; refused without all three contents.": "标记为已告知；三项内容不全则拒绝。",
    "Put an incident on record as soon as it is known; its deadline runs from then.": "一经知悉即登记事件；期限自此起算。",
    "National security or the public interest may be harmed: it is reported within 24 hours.": (
        "可能危害国家安全或公共利益：24 小时内报告。"
    ),
    "File a complaint that only the authority can read; see that it is not dropped; answer it.": (
        "提交只有授权主体能阅读的投诉；查验其未被丢弃；答复。"
    ),
    "Publish the answer to a complaint, by its whole id, or by the start of it with the ledger's records.": (
        "发布对投诉的答复：给出完整编号，或连同账本记录给出编号的开头。"
    ),
    "The ledger's records, in which a complaint is found by the start of its id.": "账本记录，据以由编号的开头找到投诉。",
    "What was done; everybody enrolled can read it.": "处理情况；所有已登记方均可阅读。",
    "Whether the ledger still holds the complaint where its owner signed that it does, and what was answered.": (
        "账本是否仍在其所有者签署之处含有该投诉，以及答复内容。"
    ),
    "Seal a text to the authority, hand it to the coordinator, and keep its signed receipt.": (
        "把文本密封给授权主体，交给协调方，并保留其签署的回执。"
    ),
    "Where to write the receipt.": "回执写到何处。",
    "The authority reads the complaints in a ledger's records.": "授权主体阅读账本记录中的投诉。",
    "Verify a result bundle or a job's evidence offline, up to the authority's keys: who computed what, not that the data were true.": (
        "离线核验结果包或任务证据，直至授权主体的公钥：证明谁计算了什么，不证明数据真实。"
    ),
    "Send every chain of the folder, of assets and certificates, to a coordinator that lacks some of it.": (
        "把本目录的全部资产链和凭证链发给尚有缺漏的协调方。"
    ),
    # methods
    "Describe number columns.": "描述数值字段。",
    "Cross-tabulate two category or band columns, or count the levels of one.": "两个分类或分段字段的交叉表，或一个字段各取值的人数。",
    "Logistic regression without penalty, with an intercept, on complete cases.": "无惩罚、带截距的逻辑回归，只用无缺失的人。",
}
METHODS = {
    "describe": """描述数值字段。

columns   数值字段的名称，至多 64 个

一轮求人数与总和，下一轮求与已商定均值的离差平方和；比直接求平方和稳定（Chan, Golub & LeVeque, American Statistician 1983）。sd 除以 n - 1。
对照：pandas.DataFrame.describe，限于结果所列必填字段均有值的人。""",
    "crosstab": """两个分类或分段字段的交叉表，或一个字段各取值的人数。

index, columns   字段名，同 pandas.crosstab；columns 可以不给

支持之后一轮即得。支持不足的单元不打开，显示为已抑制，空单元也是。边际只是已打开单元之和，从不单独打开，因此不会透露被抑制的单元。""",
    "logistic_regression": """无惩罚、带截距的逻辑回归，只用无缺失的人。

target     有两个取值的分类或分段字段
features   数值字段，以及分类、分段字段；后者除首个取值外，每个取值各为一个 0/1 变量
event      target 中作为 1 的取值；默认为第二个
max_iter   牛顿迭代步数的上限

牛顿迭代的每一步为一轮，求得分、信息矩阵和对数似然之和；第一步在零处，并计两类人数。特征按登记的上下界缩放到 [0, 1]，系数再换算回来。
这些和会透露每个取值、每两个取值组合中的人数，因此这些单元都须有支持。某一步中一个人的权重为 4 mu(1 - mu)，在零处为 1；之后的步骤只有在整体
以及特征的每个取值、每两个取值组合中权重都足够时才打开，因此无论系数从何而来，都不会使某个和只关乎少数人。
McCullagh & Nelder，第 2 版，2.5。对照：statsmodels.api.Logit。""",
}
WRONG = {
    r"Missing argument '(.+)'\.": r"缺少参数 \1",
    r"Missing option '(.+)'\.": r"缺少选项 \1",
    r"No such command '(.+?)'\. Did you mean '(.+)'\?": r"没有命令 \1；是否指 \2？",
    r"No such command '(.+?)'\..*": r"没有命令 \1",
    r"No such option '?(.+?)'?\. Did you mean '?(.+?)'?\?": r"没有选项 \1；是否指 \2？",
    r"No such option:? '?(.+?)'?\.?(?: \(.*)?": r"没有选项 \1",
    r"Option '(.+)' requires an argument\.": r"选项 \1 须有取值",
    r"Got unexpected extra arguments? \((.+)\)": r"多余的参数：\1",
    r"Invalid value for '(.+?)': '(.+)' is not one of (.+)\.": r"\1 有误：\2 不在 \3 之中",
    r"Invalid value for '(.+?)': (.+) is not in the range (.+)\.": r"\1 有误：\2 不在 \3 之内",
    r"Invalid value for '(.+?)': '(.+)' is not a valid .+\.": r"\1 有误：\2 不是数字",
    r"Invalid value for '(.+?)': (.+)": r"\1 有误：\2",
}


class Formatter(click.HelpFormatter):
    """Help pages in the reader's language."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or said("Usage: ", "用法："))

    def write_heading(self, heading: str) -> None:
        super().write_heading(said(heading, HEADINGS.get(heading, heading)))

    def write_text(self, text: str) -> None:
        super().write_text(told(text))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(name, told(text)) for name, text in rows], col_max, col_spacing)


class Context(click.Context):
    formatter_class = Formatter


def told(text: str) -> str:
    """A text of a help page in the reader's language; one that is cut off is found by how it begins."""
    if language() == "en" or not text:
        return text
    head, bracket, more = text.partition("  [")
    plain = " ".join(head.split())
    if plain.startswith("Example: "):
        return plain.replace("Example: ", "示例：", 1)
    start = plain.removesuffix("...")
    found = HELP.get(plain) or next((chinese for english, chinese in HELP.items() if english.startswith(start)), head)
    return found + bracket + more.replace("default: ", "默认 ").replace("required", "必填")


def show(error: click.ClickException) -> None:
    """Tell what is wrong with a call, as click does, in the reader's language."""
    if language() == "en":
        error.show()
        return
    message = error.format_message()
    for english, chinese in WRONG.items():
        if found := re.fullmatch(english, message, re.DOTALL):
            message = found.expand(chinese)
            break
    context = getattr(error, "ctx", None)
    usage = f"{context.get_usage()}\n查看帮助：{context.command_path} --help\n\n" if context else ""
    click.echo(f"{usage}请修正调用：{message}", err=True)
