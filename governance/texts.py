"""The texts behind the error codes, in English and Chinese: what happened, and who can do what about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from governance.details import in_chinese

TEXTS: dict[str, tuple[str, str]] = {
    # who must act, by class
    "keyong": ("keyong failed: {detail}", "keyong 出错：{detail}"),
    "usage": ("fix the call: {detail}", "请修正调用：{detail}"),
    "decode": ("bytes from outside were not accepted: {detail}", "外来数据不合规范，已拒收：{detail}"),
    "refused": ("refused by policy: {detail}", "按策略拒绝：{detail}"),
    "licence": ("refused by the licence: {detail}", "授权不允许：{detail}"),
    "disclosure": ("refused to protect persons: {detail}", "为保护个人而拒绝：{detail}"),
    "budget": ("what was granted is spent: {detail}", "授权额度已用完：{detail}"),
    "quorum": ("too few data holders are left: {detail}", "在线的数据持有方不足：{detail}"),
    "protocol": ("a message does not fit this run: {detail}", "消息与本次运行不符：{detail}"),
    "protocol.turn": ("a message came out of turn: {detail}", "消息不在其应到之时：{detail}"),
    "protocol.peer": ("another party broke the protocol: {detail}", "另一方违反协议：{detail}"),
    "integrity": ("integrity alarm: {detail}", "完整性告警：{detail}"),
    "integrity.sent": (
        "integrity alarm: what was sent is not signed as it must be: {detail}",
        "完整性告警：所发送的内容未按要求签名：{detail}",
    ),
    "integrity.rollback": (
        "integrity alarm: this journal has {here} ledger entries, and a witness has seen {size}: it is an older copy of itself. Stop, and "
        "find the newer one",
        "完整性告警：本日志只有 {here} 条账本记录，而见证方已见过 {size} 条：这是较旧的副本。请停止运行并找回较新的日志",
    ),
    "integrity.fork": (
        "integrity alarm: the first {size} entries of this ledger are not those that a witness has seen; stop, and find out who wrote "
        "two histories",
        "完整性告警：本账本前 {size} 条记录与见证方所见不一致；请停止运行并查明何以出现两种历史",
    ),
    "quorum.witnesses": (
        "too few witnesses cosigned the ledger of {log}, {count} of them: {names}; nothing is opened before enough of them have",
        "联署账本 {log} 的见证方不足，仅 {count} 家：{names}；足数之前不打开任何结果",
    ),
    "unavailable": ("not available now: {detail}", "暂不可用：{detail}"),
    "draft": (
        "draft {file}: {have} of {need} have signed. Next, at an officer who has not: keyong authority sign {file} --home FOLDER; "
        "then, with the options of before: {then}",
        "草稿 {file}：已签 {have} / 须签 {need}。下一步，由尚未签名的负责人执行 keyong authority sign {file} --home 目录；"
        "足数后以原有选项执行 {then}",
    ),
    "draft.plan": (
        "the plan must be signed first. Draft {file}: {have} of {need} have signed. Next, at an officer who has not: "
        "keyong authority sign {file} --home FOLDER; then call this again for the licence: {then}",
        "须先签署应急预案。草稿 {file}：已签 {have} / 须签 {need}。下一步，由尚未签名的负责人执行 "
        "keyong authority sign {file} --home 目录；足数后再次执行本命令以签发授权书：{then}",
    ),
    "root.expired": (
        "version {version} of the authority's key root expired at {end}; the authority must publish the next one",
        "授权主体密钥根的版本 {version} 已于 {end} 到期；须由授权主体发布下一版本",
    ),
    "party.out": (
        "{party} is not enrolled any more: only keys that the authority withdrew vouched for it; it must join again",
        "{party} 已不在登记之列：为其作保的密钥均已被授权主体撤回；须重新加入",
    ),
    "party.withdrawn": (
        "the key of {party} was withdrawn by the authority, since it was stolen or lost; {party} must come with a new one",
        "{party} 的密钥因被盗或遗失已由授权主体停用；{party} 须换用新密钥",
    ),
    # the licence
    "licence.missing": (
        "you hold no licence for the dataset {dataset}; ask the authority for one, with the key that keyong operator show prints",
        "您没有数据集 {dataset} 的授权书；请用 keyong operator show 打印的公钥向授权主体申请",
    ),
    "licence.none": ("none of your licences fits this job: {detail}", "您的授权书都不适用于本任务：{detail}"),
    "licence.forged": (
        "the licence is not signed by the authority; get it from the authority again",
        "授权书没有授权主体的有效签名，请向授权主体重新获取",
    ),
    "licence.link": (
        "link {number} of the licence is not signed by those whom the link above it names, or names another one above it; "
        "whoever narrowed the licence must do it again",
        "授权链第 {number} 级没有上一级所指定各方的有效签名，或所指的上一级不符；须由收窄授权的一方重新制作",
    ),
    "licence.size": (
        "a licence has at most {links} links, {limit} characters and {lines} signatures in all; "
        "it must be granted in fewer or smaller ones",
        "授权链至多 {links} 级，合计至多 {limit} 个字符、{lines} 个签名；须以更少或更小的级别签发",
    ),
    "licence.empty": (
        "the links of the licence leave nothing of {field} together; ask for a link that leaves something",
        "授权链各级合起来没有留下任何 {field}；请另行申请留有内容的授权",
    ),
    "licence.conflict": (
        "the links of the licence disagree on {field}, which none may change; the link must be made again with what the first one says",
        "授权链各级的 {field} 不一致，而该项任何一级都不得更改；须按第一级的内容重新制作",
    ),
    "licence.key": (
        "a key of the licence was revoked by the authority; ask it for a licence for another key",
        "授权书中的一把密钥已被授权主体撤销，请为另一把密钥重新申请授权",
    ),
    "licence.plan": (
        "the contingency plan that the licence names is not here, or is not signed by both authority and operator; "
        "the authority must publish it",
        "授权书所指的应急预案不在此处，或未经授权主体和运营单位双方签名；须由授权主体发布",
    ),
    "licence.drill": (
        "the contingency plan's drill is overdue: one is needed every {days} days; hold it, and ask the authority for a licence with the "
        "new plan",
        "应急预案的演练已逾期：每 {days} 天须演练一次；请完成演练，并凭新预案向授权主体申请授权",
    ),
    "licence.bearer": (
        "the licence was granted to another operator than {operator}; ask the authority for one of your own",
        "授权书并非授予运营单位 {operator}，请向授权主体申请本单位的授权",
    ),
    "licence.delegates": (
        "{signed} of the {threshold} delegates that the licence asks for signed the job; the others must sign it, too",
        "授权书要求 {threshold} 位受托方签署任务，现有 {signed} 位；须由其余受托方补签",
    ),
    "licence.approvals": (
        "the licence asks that a person approve the job at {needed} data holders' organisations, at {given} one did; "
        "more holders must set keyong node policy --approval person",
        "授权书要求 {needed} 家数据持有方经人工批准，现有 {given} 家；须有更多持有方执行 keyong node policy --approval person",
    ),
    "licence.early": (
        "the licence is not valid before {start}; submit the job then",
        "授权书自 {start} 起生效，目前尚未生效，请届时再提交",
    ),
    "licence.expired": ("the licence expired at {end}; ask the authority to renew it", "授权书已于 {end} 到期，请向授权主体申请续期"),
    "licence.revoked": ("the licence was revoked by the authority; ask it for a new one", "授权书已被授权主体撤销，请重新申请授权"),
    "licence.stale": (
        "the revocation list is missing or older than {next_update}; the authority must publish a new one",
        "撤销清单缺失或早于 {next_update}，须由授权主体发布新清单",
    ),
    "licence.dataset": (
        "the licence does not cover the dataset {dataset}; ask the authority for it",
        "授权范围不含数据集 {dataset}，请向授权主体申请增加",
    ),
    "licence.column": (
        "the licence does not cover these columns: {columns}; leave them out, or ask the authority for them",
        "授权范围不含以下字段：{columns}；请去掉这些字段，或向授权主体申请增加",
    ),
    "licence.grade": (
        "these columns are graded above {grade}, the highest grade that the licence covers: {columns}; leave them out, or ask the "
        "authority for more",
        "以下字段的级别高于授权书所及的最高级别 {grade}：{columns}；请去掉这些字段，或向授权主体申请提高",
    ),
    "licence.holder": (
        "the licence does not cover these data holders: {holders}; ask the authority for them",
        "授权范围不含以下数据持有方：{holders}；请向授权主体申请增加",
    ),
    "licence.region": (
        "the licence does not allow results to go to {region}, only to {allowed}; ask from there, or ask the authority for it",
        "授权不允许结果送往 {region}，只允许 {allowed}；请改在其中提出，或向授权主体申请增加",
    ),
    "licence.basis": (
        "results would leave {home} for {region}, and the licence names no legal basis for that; ask the authority for a licence with the "
        "digest of the document",
        "结果将由 {home} 出境至 {region}，而授权书未载明出境的合规依据；请向授权主体申请载明依据文件摘要的授权",
    ),
    "licence.output": (
        "the licence does not allow a release by the rule {rule}, only {allowed}; use one of these, or ask the authority for it",
        "授权不允许按 {rule} 规则发布，只允许 {allowed}；请改用其中之一，或向授权主体申请增加",
    ),
    "licence.epsilon": (
        "epsilon {asked} is more than the {most} that the licence allows one job; ask for less, or ask the authority for more",
        "epsilon {asked} 超过授权书对单个任务的上限 {most}；请降低，或向授权主体申请提高",
    ),
    "licence.purpose": (
        "the licence does not allow the purpose {purpose}, only {allowed}; name one of these, or ask the authority for it",
        "授权不允许用于 {purpose}，只允许 {allowed}；请改用其中之一，或向授权主体申请增加",
    ),
    "licence.method": (
        "the licence does not allow the method {method}, only {allowed}; use one of these, or ask the authority for it",
        "授权不允许使用方法 {method}，只允许 {allowed}；请改用其中之一，或向授权主体申请增加",
    ),
    "licence.min_cell": (
        "min_cell {asked} is not the licence's, {minimum} persons; ask with that, or ask the authority for another licence",
        "最小单元人数 {asked} 与授权书不符：授权书规定为 {minimum} 人；请按此提出，或向授权主体另行申请授权",
    ),
    # registration and certificates
    "asset.unregistered": (
        "the dataset {dataset} is not registered as an asset in its present form; the holder must apply and the authority register it",
        "数据集 {dataset} 的现有形式尚未登记为资产，须由持有方申请、登记机构登记",
    ),
    "asset.cancelled": (
        "the registration of the asset {asset} was cancelled; nothing more may be authorised or computed on it",
        "资产 {asset} 已注销登记，不得再授权或计算；请改用其他已登记的数据",
    ),
    "asset.superseded": (
        "the registration of the asset {asset} that is shown here is not the newest; the revocation list names its last link",
        "此处出示的资产 {asset} 的登记不是最新的：撤销清单已列出其最后一环；请出示最新的登记",
    ),
    "asset.free": (
        "the asset {asset} is registered as {openness}, free of charge; no licence on it may name a price",
        "资产 {asset} 登记为 {openness}，无偿开放；对它的授权书不得约定价格，请去掉价格",
    ),
    "asset.step": (
        "the asset {asset} is in the state {state}, after which {step} may not come; see keyong asset show",
        "资产 {asset} 当前状态为 {state}，不能进行 {step}；请查看 keyong asset show",
    ),
    "certificate.step": (
        "the certificate {certificate} is in the state {state}, after which {step} may not come",
        "凭证 {certificate} 当前状态为 {state}，不能进行 {step}",
    ),
    "certificate.pledged": (
        "the certificate {certificate} is pledged; the creditor must release it first",
        "凭证 {certificate} 处于质押中，须先由质权人解除质押",
    ),
    "certificate.spent": (
        "the certificate {certificate} has moved on since this was signed; begin from its newest link",
        "凭证 {certificate} 在此签名之后已有新的变动，请从其最新一环重新办理",
    ),
    "certificate.cancelled": (
        "the certificate {certificate} was cancelled by its authority",
        "凭证 {certificate} 已由登记机构注销",
    ),
    "certificate.superseded": (
        "the link of the certificate {certificate} that is shown here is not its newest: it was moved on or cancelled since",
        "此处出示的不是凭证 {certificate} 的最新一环：此后已有转让、质押、解押或注销；请出示最新的凭证",
    ),
    "certificate.expired": (
        "the certificate {certificate} is not valid now; it ends at {end}",
        "凭证 {certificate} 目前不在有效期内；有效期至 {end}",
    ),
    "certificate.stale": (
        "the list by which certificates are checked is missing or older than {next_update}; get a new one from the authority",
        "核验凭证所用的清单缺失或早于 {next_update}，请向登记机构获取新清单",
    ),
    "certificate.foreign": (
        "certificates of the class {sort} from the region {region} are not recognised here; the own authority's list of regions decides",
        "本地不认可地区 {region} 的 {sort} 类凭证，以本地登记机构的互认清单为准",
    ),
    "product.algorithm": (
        "the algorithm package does not allow this: {detail}; use it for what it was reviewed for, or have it reviewed anew",
        "算法包不允许此用：{detail}；请按其审查范围使用，或重新送审",
    ),
    "product.frozen": (
        "this is not the product that was registered: {detail}; run it as it was frozen, or ask for another product",
        "与登记的数据产品不符：{detail}；请按冻结的内容运行，或另行申请产品",
    ),
    "policy.min_cell": (
        "the cells of this snapshot are judged by {fixed} persons; another min_cell would tell one holder's number; ask under a licence "
        "with that min_cell, or once the holder has added changed rows",
        "该快照的单元一律按 {fixed} 人判定；换用其他最小单元人数会泄露某一家的数字；"
        "请凭最小单元人数为 {fixed} 的授权书提出，或待持有方登记变化后的数据",
    ),
    "policy.least_cell": (
        "this data holder requires at least {minimum} persons in a cell, and a job must ask its licence's min_cell, {asked}: the authority "
        "must issue a licence with a min_cell of {minimum} or more, or the holder must require less",
        "本数据持有方要求每个单元至少 {minimum} 人，而任务只能按授权书的 {asked} 人提出："
        "须由授权主体另发最小单元人数不低于 {minimum} 的授权书，"
        "或由持有方降低要求",
    ),
    "licence.used": (
        "the licence's {limit} uses are spent; ask the authority for more",
        "授权的 {limit} 次使用额度已用完，请向授权主体申请增加",
    ),
    "licence.same_house": (
        "operator and coordinator belong to the same organisation, {organisation}; exact results need two: submit to another coordinator",
        "运营单位与协调方同属 {organisation}；精确结果要求二者分属不同机构，请改由另一协调方提交",
    ),
    # budgets
    "budget.block": (
        "the privacy budget of {block} has no room for this job, whoever asks; ask for less, or for data of another period",
        "{block} 的隐私预算已容不下该任务，无论由谁提出；请减少所求，或改用其他时期的数据",
    ),
    "budget.operator": (
        "one operator's share of {block}, epsilon {epsilon}, has no room for this job; ask for less",
        "单个运营单位在 {block} 中的份额（ε {epsilon}）已容不下该任务；请减少所求",
    ),
    "budget.licence": (
        "the licence's share of {block}, epsilon {epsilon}, has no room for this job; ask for less, or ask the authority for more",
        "授权书在 {block} 中的份额（ε {epsilon}）已容不下该任务；请减少所求，或向授权主体申请增加",
    ),
    "budget.licence_releases": (
        "the {limit} results that the licence allows have been released here; ask the authority for more",
        "授权书允许的 {limit} 项结果已在此全部发布；请向授权主体申请增加",
    ),
    "budget.releases": (
        "this data holder releases at most {limit} exact results over the same rows, for all operators together, and they are spent; ask "
        "the holder to allow more, or wait until its rows change",
        "本数据持有方对同样的行至多发布 {limit} 项精确结果（所有运营单位合计），现已用完；请其放行更多，或待其数据变化",
    ),
    "budget.numbers": (
        "this data holder opens at most {limit} exact numbers over the same rows, for all operators together, and this job could open more "
        "than are left; ask for fewer, ask the holder to allow more, or wait until its rows change",
        "本数据持有方对同样的行至多打开 {limit} 个精确数（所有运营单位合计），而本任务可能超出余量；"
        "请减少所求，请其放行更多，或待其数据变化",
    ),
    # the holder's own policy
    "policy.method": (
        "this data holder does not allow the method {method}; use another one, or ask the holder to allow it",
        "本数据持有方不允许使用方法 {method}，请改用其他方法，或请其放行",
    ),
    "policy.purpose": (
        "this data holder does not allow the purpose {purpose}; ask the holder to allow it",
        "本数据持有方不允许用于 {purpose}，请其放行后再提交",
    ),
    "policy.peer": (
        "this data holder does not work together with {peer}; ask the holder to allow it",
        "本数据持有方不与 {peer} 联合计算，请其放行后再提交",
    ),
    "policy.denied": (
        "a person at this data holder denied the job: {reason}; change the job, or talk to the holder",
        "本数据持有方人工审核未通过：{reason}；请修改任务，或与其协商",
    ),
    "policy.dataset": (
        "this data holder does not serve the dataset {dataset} in the registered form; the holder must run: keyong node data add",
        "本数据持有方未按登记的结构提供数据集 {dataset}，须由其执行 keyong node data add 重新登记数据",
    ),
    "policy.consent": (
        "consent to the dataset {dataset} has changed for the purpose {purpose}, and such changes enter exact results in batches; submit "
        "again later",
        "数据集 {dataset} 用于 {purpose} 的个人同意情况有变化，此类变化须成批计入精确结果；请稍后再提交",
    ),
    "policy.roster": (
        "the data of this snapshot were already counted with another set of holders; the same holders must take part",
        "该快照的数据已与另一组持有方共同统计过；须由同一组持有方参与",
    ),
    "policy.conditions": (
        "the conditions that were answered over the same rows are so many that one more cannot be held against them (at most {most}, fewer "
        "where they cut finely); ask about one of them again, or once the holder has added changed rows",
        "针对同一批记录已答复的条件过多，无法再逐一核对（至多 {most} 个，切分细时更少）；请使用问过的条件，或待持有方登记变化后的数据",
    ),
    "policy.difference": (
        "the surviving holders are not those of an earlier total, with {least} or more left out or added; those missing must come back",
        "存活的持有方与此前某次合计的不同，也不是在其基础上少了或多了至少 {least} 家；须等缺席方恢复",
    ),
    "policy.contribution": (
        "the part of a group of fewer than {least} data holders would tell of them; make larger groups, or add noise to the utilities",
        "分组不足 {least} 家时，其贡献会透露组内各家的情况；请合并分组，或加噪后再发布效用值",
    ),
    "policy.deadline": ("the deadline must lie between now and {most} seconds from now", "截止时间须在现在起 {most} 秒之内"),
    # jobs
    "job.unsigned": (
        "the job is not signed by an enrolled operator; sign it with the enrolled key",
        "任务没有已登记运营单位的有效签名，请用已登记的密钥签名",
    ),
    "job.coordinator": (
        "the job was made for another coordinator than {coordinator}; submit it there, or make it again for this one",
        "任务并非为协调方 {coordinator} 制作；请提交给任务所指明的协调方，或为本协调方重新制作",
    ),
    "job.parameter": ("a parameter of the analysis is wrong: {detail}", "分析参数有误：{detail}"),
    "job.predicate": ("the condition is not allowed: {detail}", "筛选条件不被允许：{detail}"),
    "job.queue": (
        "{most} jobs of yours wait or run here, and no more are taken; send it again when one of them has ended",
        "贵单位已有 {most} 个任务在此等待或运行，暂不再接收；请待其中一个结束后重新提交",
    ),
    "job.deadline": ("the job did not finish before its deadline", "任务未能在截止时间前完成"),
    "job.local": (
        "the local step failed at this data holder; its administrator finds the reason in the node's log",
        "该持有方的本地计算失败；原因由其管理员在节点日志中查看",
    ),
    "job.cancelled": ("the operator cancelled the job", "运营单位已取消任务"),
    "job.unknown": ("there is no such job here, or it is not yours to see", "此处没有该任务，或您无权查看"),
    # the coordinator's door
    "auth.unsigned": ("the request is not signed; sign it with the key of an enrolled party", "请求未签名；请用已登记方的密钥签名"),
    "auth.key": ("the request is signed with a key that is not enrolled here; enrol first", "请求所用密钥未在此登记；请先登记"),
    "auth.signature": (
        "the signature does not fit the request; sign it as docs/specs/api.md says",
        "签名与请求不符；请按 docs/specs/api.md 签名",
    ),
    "auth.body": ("the body is not the one that was signed", "请求正文与签名时不一致"),
    "auth.stale": (
        "the request was signed more than {seconds} seconds away from the coordinator's clock; set the clock and sign again",
        "签名时间与协调方时钟相差超过 {seconds} 秒；请校准时钟后重新签名",
    ),
    "auth.replay": ("this signed request was received before; sign each request anew", "该签名请求此前已收到过；每次请求须重新签名"),
    "auth.role": ("this is not for a party of the role {role}", "角色为 {role} 的一方无权进行此操作"),
    "http.path": ("there is nothing at this address; see /openapi.json", "该地址不存在；请参见 /openapi.json"),
    "http.method": ("this address does not take the method {method}", "该地址不支持方法 {method}"),
    "http.size": ("the body is larger than {limit} bytes", "请求正文超过 {limit} 字节"),
    "http.type": ("the body must be {type}", "请求正文的类型须为 {type}"),
    "http.host": (
        "the request was meant for another host; use the address in the join token",
        "请求的目标主机有误；请使用加入令牌中的地址",
    ),
    "http.input": ("the request is not as described in /openapi.json: {detail}", "请求与 /openapi.json 的描述不符：{detail}"),
    "http.busy": ("the coordinator is busy or just started; send the request again", "协调方繁忙或刚刚启动；请稍后重新发送请求"),
    "http.failed": ("the coordinator failed; its operator must look into its log", "协调方出错；须由其运维人员查看日志"),
    # the jail
    "jail.time": ("the local step did not finish in time", "本地计算未按时完成"),
    "jail.died": ("the local step ended without its declared statistics", "本地计算未给出所声明的统计量即终止"),
    "jail.output": ("the local step returned something else than its declared statistics", "本地计算返回了所声明统计量之外的内容"),
}


def text_of(code: str, language: str, facts: Mapping[str, object]) -> str:
    """The text of *code*; a fact that was not given shows as ``?``."""
    english, chinese = TEXTS.get(code) or TEXTS[code.partition(".")[0]]
    shown = {name: str(fact) for name, fact in facts.items()}
    if language == "zh" and "detail" in shown:
        shown["detail"] = in_chinese(shown["detail"])
    return (chinese if language == "zh" else english).format_map(defaultdict(lambda: "?", shown))
