"""Drills over real servers: Prometheus, Alertmanager, and a receiver that records what reached it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from release_watch.catalog.oncall import Paging, Person
from release_watch.clock import now
from release_watch.drills.direct import fire_direct
from release_watch.drills.escalation import pages_due
from release_watch.drills.receipts import Page, Receipts
from release_watch.drills.sweep import sweep
from release_watch.verdict import Verdict
from tests.integration.direct import DirectBackends
from tests.integration.drilling import (
    ACKNOWLEDGE_WITHIN,
    RELEASE,
    assert_nothing_is_left,
    finish,
    fire_all,
)
from tests.integration.receiving import ReceiptServer


def test_two_drills_go_the_whole_way_and_leave_nothing(
    backends: DirectBackends, receipts: Receipts, receiver: ReceiptServer
) -> None:
    results = fire_all(backends, receipts)
    answers = {result.drill_id: receipts.acknowledge(result.drill_id, "oncall", now()) for result in results}

    tested = finish(results, answers, backends, receipts)

    assert [drill.diagnosis for drill in tested.drills] == [None, None]
    assert tested.verdict is Verdict.GO
    assert [drill.service for drill in tested.drills] == ["checkout", "payments"]
    for drill in tested.drills:
        hops = (drill.hops.fired, drill.hops.accepted, drill.hops.delivered, drill.hops.acknowledged)
        times = [hop.at for hop in hops if hop.at]
        assert len(times) == 4
        assert times[-1] >= times[2]
        assert drill.hops.resolved.at is not None
        assert drill.hops.resolved.at > times[-1]
        assert drill.acknowledged_by == "oncall"
        assert all(hop.proof for hop in hops)
    fired = {result.drill_id for result in results}
    texts = [
        alert["annotations"]["summary"]
        for notice in receiver.notices
        for alert in notice["alerts"]
        if alert["labels"].get("drill_id") in fired
    ]
    assert texts and all(text.startswith("DRILL") for text in texts)
    assert_nothing_is_left(backends)


ORDER = (
    Paging(1, "oncall", Person(user="anna", name="Anna"), timedelta(seconds=2)),
    Paging(2, "sre", Person(user="bob", name="Bob"), timedelta(seconds=5)),
)


def test_level_1_is_silent_level_2_acknowledges_one_drill_and_nobody_the_other(
    backends: DirectBackends, receipts: Receipts
) -> None:
    results = fire_all(backends, receipts)
    told: list[Page] = []

    def page_who_is_due() -> bool:
        due = pages_due(
            results, ORDER, receipts, target=ACKNOWLEDGE_WITHIN, at=now(), channel="airflow", proof="task 2"
        )
        told.extend(receipts.record_page(page) for page in due)
        return len(told) == 2

    wait_until(page_who_is_due)
    assert {(page.level, page.person) for page in told} == {(2, "bob")}
    receipts.acknowledge(results[0].drill_id, "bob", now())

    tested = finish(results, {}, backends, receipts, paging=ORDER)

    assert tested.verdict is Verdict.NO_GO
    answered, unanswered = tested.drills
    assert (answered.verdict, answered.acknowledged_by) == (Verdict.WARN, "bob")
    assert "Level 1 (oncall: anna) did not answer within 2 s" in (answered.diagnosis or "")
    first, second = answered.escalation
    assert first.paged.at is not None and second.paged.at is not None and second.acknowledged.at is not None
    assert (first.acknowledged.at, first.paged.at) == (None, answered.hops.delivered.at)
    assert second.acknowledged.at > second.paged.at >= first.paged.at + timedelta(seconds=2)
    assert (unanswered.verdict, unanswered.acknowledged_by) == (Verdict.NO_GO, None)
    assert "nobody acknowledged" in (unanswered.diagnosis or "")
    assert [step.paged.at is not None for step in unanswered.escalation] == [True, True]
    assert_nothing_is_left(backends)


def test_direct_drills_go_the_whole_way_from_alertmanager_on(
    backends: DirectBackends, receipts: Receipts, receiver: ReceiptServer
) -> None:
    results = fire_all(backends, receipts, by=fire_direct)
    answers = {result.drill_id: receipts.acknowledge(result.drill_id, "oncall", now()) for result in results}

    tested = finish(results, answers, backends, receipts)

    assert [(drill.kind, drill.diagnosis) for drill in tested.drills] == [("direct", None)] * 2
    assert tested.verdict is Verdict.GO
    for drill in tested.drills:
        assert "says nothing about Prometheus" in (drill.hops.fired.proof or "")
        assert drill.hops.resolved.at is not None
    assert_nothing_is_left(backends)


@pytest.mark.parametrize("by", ["fire", "fire_direct"])
def test_a_killed_drill_is_swept(backends: DirectBackends, stack: Any, by: str) -> None:
    end_while_it_fires(by, signal.SIGKILL, backends, stack)
    assert_left(by, backends)

    assert sweep(backends, release_id="another-release") == []
    assert_left(by, backends)
    swept = sweep(backends, release_id=RELEASE.release_id)

    assert len(swept) == 1
    assert_nothing_is_left(backends)


def test_a_direct_drill_that_is_terminated_cleans_up_itself(backends: DirectBackends, stack: Any) -> None:
    end_while_it_fires("fire_direct", signal.SIGTERM, backends, stack)

    assert_nothing_is_left(backends)


def end_while_it_fires(by: str, with_: signal.Signals, backends: DirectBackends, stack: Any) -> None:
    victim = subprocess.Popen(
        [sys.executable, "-c", FIRING, str(stack.layout.root), RELEASE.model_dump_json(), by],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: any(_drills(backends)))
    finally:
        victim.send_signal(with_)
        victim.wait()


def assert_left(by: str, backends: DirectBackends) -> None:
    folder = backends.rules_directory()
    assert folder is not None
    assert bool(list(folder.glob("release-watch-drill-*.yaml"))) is (by == "fire")
    assert _drills(backends)


FIRING = textwrap.dedent(
    """
    import signal
    import sys
    from datetime import timedelta
    from pathlib import Path
    from release_watch.drills.direct import fire_direct
    from release_watch.drills.drill import fire
    from release_watch.drills.plan import drill_routes
    from release_watch.drills.receipts import Receipts
    from release_watch.release import Release
    from sandbox.stack import read_endpoints
    from tests.integration.direct import DirectBackends
    from tests.integration.drilling import RULES, SERVICES

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    root = Path(sys.argv[1])
    backends = DirectBackends(read_endpoints(root))
    release = Release.model_validate_json(sys.argv[2])
    routes = drill_routes(release, SERVICES, RULES, backends)
    nobody = Receipts.under(root / "nowhere")
    by = {"fire": fire, "fire_direct": fire_direct}[sys.argv[3]]
    by(routes, release, backends, nobody, deliver_within=timedelta(minutes=5))
    """
)


def _drills(backends: DirectBackends) -> list[Any]:
    answer = backends.alertmanager().request("GET", "/api/v2/alerts", params={"filter": 'drill="true"'})
    return list(answer.body)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
