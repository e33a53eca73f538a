"""A plan's bounds hold for what a job then sends and opens, however it is protected."""

from __future__ import annotations

import inmemory
import pytest
import records
from inmemory import Run

from federated import plan
from mpc import threshold
from sandbox.analyses import Crosstab, Describe, LogisticRegression
from sandbox.messages import kind_of

ANALYSES = [Describe(("age", "income")), Crosstab("vote", "party"), LogisticRegression("vote", ("age",))]


@pytest.mark.parametrize("protect", ["secagg", "threshold"])
@pytest.mark.parametrize("analysis", ANALYSES, ids=lambda a: a.name)
def test_no_more_bytes_are_sent_than_planned(monkeypatch, analysis, protect):
    monkeypatch.setattr(threshold, "BITS", 2048)  # the size of the keys in this process
    run = Run(records.election().parts([3, 4, 5]), of=inmemory.texts(records.election().schema, analysis, "abc", protect=protect))
    planned = plan._payloads(run.case, run.case.analysis.opens(run.case.dataset.schema))
    run.finish()
    for name in run.names:
        sent = sum(len(part) for post in run.seen if post.sender == name and kind_of(post.step) != "accept" for part in post.payloads)
        assert 0 < sent <= planned
