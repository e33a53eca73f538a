"""One round of Flower's SecAgg+ in one process, its own client mod and server workflow, timed by phase. Runs in Flower's environment.

    flower/.venv/bin/python flower_secagg.py MEMBERS LENGTH THRESHOLD DROPPED

The dropped members leave before they upload. Prints one JSON object: CPU seconds of one client (median over clients) and of the server
in each stage, and the largest error of the mean.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time

import numpy as np

logging.disable(logging.CRITICAL)

from flwr.app import ConfigRecord, Context, Message, RecordDict  # noqa: E402
from flwr.client.mod.secure_aggregation.secaggplus_mod import secaggplus_mod  # noqa: E402
from flwr.common import Code, FitIns, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays  # noqa: E402
from flwr.common.secure_aggregation.secaggplus_constants import RECORD_KEY_CONFIGS, Key, Stage  # noqa: E402
from flwr.compat.common import recorddict_compat  # noqa: E402
from flwr.server.compat.legacy_context import LegacyContext  # noqa: E402
from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD  # noqa: E402
from flwr.server.workflow.constant import Key as WorkflowKey  # noqa: E402
from flwr.server.workflow.secure_aggregation.secaggplus_workflow import SecAggPlusWorkflow, WorkflowState  # noqa: E402
from flwr.supercore.task_identity import TaskIdentity  # noqa: E402

MEMBERS, LENGTH, THRESHOLD, DROPPED = map(int, sys.argv[1:5])
WEIGHT = 100
STAGES = (Stage.SETUP, Stage.SHARE_KEYS, Stage.COLLECT_MASKED_VECTORS, Stage.UNMASK)


def vector(node: int) -> np.ndarray:
    return np.random.default_rng(node).normal(0, 0.1, LENGTH).astype(np.float32)


def own_copy(record):
    return ConfigRecord(dict(record)) if isinstance(record, ConfigRecord) else record


class Proxy:
    def __init__(self, node: int) -> None:
        self.node_id = node


class Strategy:
    """Everyone takes part; the mean is kept."""

    mean: np.ndarray | None = None

    def configure_fit(self, server_round, parameters, client_manager):
        return [(Proxy(node), FitIns(parameters, {})) for node in range(1, MEMBERS + 1)]

    def aggregate_fit(self, server_round, results, failures):
        self.mean = parameters_to_ndarrays(results[0][1].parameters)[0]
        return results[0][1].parameters, {}


class Grid:
    """Calls every client in turn and keeps its CPU time, without the training in the middle."""

    def __init__(self) -> None:
        self.clients = {n: Context(run_id=1, node_id=n, node_config={}, state=RecordDict(), run_config={}) for n in range(1, MEMBERS + 1)}
        self.spent: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.training = 0.0
        self.away = 0.0

    def train(self, message, context):
        start = time.process_time()
        result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([vector(message.metadata.dst_node_id)]), WEIGHT, {})
        reply = Message(recorddict_compat.fitres_to_recorddict(result, False), reply_to=message)
        self.training = time.process_time() - start
        return reply

    def send_and_receive(self, messages, timeout=None):
        entered = time.process_time()
        replies = [reply for message in messages if (reply := self.call(message)) is not None]
        self.away += time.process_time() - entered
        return replies

    def call(self, message):
        node, stage = message.metadata.dst_node_id, message.content.config_records[RECORD_KEY_CONFIGS][Key.STAGE]
        if node <= DROPPED and stage in (Stage.COLLECT_MASKED_VECTORS, Stage.UNMASK):
            return None
        # on a wire every client would get its own copy
        message.content = RecordDict({key: own_copy(record) for key, record in message.content.items()})
        self.training, start = 0.0, time.process_time()
        reply = secaggplus_mod(message, self.clients[node], self.train)
        self.spent[stage].append(time.process_time() - start - self.training)
        reply.metadata.__dict__["_src_node_id"] = node
        return reply


def main() -> None:
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1
    strategy, grid = Strategy(), Grid()
    context = Context(run_id=1, node_id=1, node_config={}, state=RecordDict(), run_config={})
    legacy = LegacyContext(context, strategy=strategy)
    legacy.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({WorkflowKey.CURRENT_ROUND: 1})
    nothing = ndarrays_to_parameters([np.zeros(4, np.float32)])
    legacy.state.array_records[MAIN_PARAMS_RECORD] = recorddict_compat.parameters_to_arrayrecord(nothing, True)
    workflow, state = SecAggPlusWorkflow(MEMBERS, THRESHOLD, max_weight=float(WEIGHT)), WorkflowState()
    steps = (workflow.setup_stage, workflow.share_keys_stage, workflow.collect_masked_vectors_stage, workflow.unmask_stage)
    server = {}
    for stage, step in zip(STAGES, steps, strict=True):
        grid.away, start = 0.0, time.process_time()
        if not step(grid, legacy, state):
            sys.exit(f"Flower gave up in {stage}")
        server[stage] = time.process_time() - start - grid.away
    truth = np.mean([vector(node).astype(float) for node in range(DROPPED + 1, MEMBERS + 1)], axis=0)
    client = {stage: statistics.median(spent) for stage, spent in grid.spent.items()}
    print(json.dumps({"client": client, "server": server, "error": float(np.abs(strategy.mean - truth).max())}))


main()
