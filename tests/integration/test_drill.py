"""Drills over real servers: Prometheus, Alertmanager, and a receiver that records what reached it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

from release_watch.clock import now
from release_watch.drills.receipts import Receipts
from release_watch.drills.sweep import sweep
from release_watch.verdict import Verdict
from tests.integration.direct import DirectBackends
from tests.integration.drilling import RELEASE, assert_nothing_is_left, finish, fire_all
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


def test_nobody_acknowledges(backends: DirectBackends, receipts: Receipts) -> None:
    results = fire_all(backends, receipts)

    tested = finish(results, {}, backends, receipts)

    assert tested.verdict is Verdict.NO_GO
    for drill in tested.drills:
        assert drill.hops.delivered.at is not None
        assert "nobody acknowledged" in (drill.diagnosis or "")
    assert_nothing_is_left(backends)


def test_a_killed_drill_is_swept(
    backends: DirectBackends, stack: Any, receipts: Receipts, receiver: ReceiptServer
) -> None:
    folder = backends.rules_directory()
    assert folder is not None
    victim = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(stack.layout.root), RELEASE.model_dump_json()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        wait_until(lambda: any(_drills(backends)))
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert list(folder.glob("release-watch-drill-*.yaml"))

    assert sweep(backends, release_id="another-release") == []
    assert list(folder.glob("release-watch-drill-*.yaml"))
    swept = sweep(backends, release_id=RELEASE.release_id)

    assert len(swept) == 1
    assert_nothing_is_left(backends)


KILLED = textwrap.dedent(
    """
    import sys
    from datetime import timedelta
    from pathlib import Path
    from release_watch.drills.drill import fire
    from release_watch.drills.plan import drill_routes
    from release_watch.drills.receipts import Receipts
    from release_watch.release import Release
    from sandbox.stack import read_endpoints
    from tests.integration.direct import DirectBackends
    from tests.integration.drilling import RULES, SERVICES

    root = Path(sys.argv[1])
    backends = DirectBackends(read_endpoints(root))
    release = Release.model_validate_json(sys.argv[2])
    routes = drill_routes(release, SERVICES, RULES, backends)
    nobody = Receipts.under(root / "nowhere")
    fire(routes, release, backends, nobody, deliver_within=timedelta(minutes=5))
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
