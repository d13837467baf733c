"""Removing drills that nobody ended: their rules from Prometheus, their alerts from Alertmanager."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from release_watch.clock import now, rfc3339
from release_watch.drills import alertmanager, rulefile
from release_watch.errors import ReleaseWatchError

if TYPE_CHECKING:
    from release_watch.telemetry.backends import Backends

log = logging.getLogger(__name__)


def sweep(backends: Backends, *, release_id: str | None = None, at: datetime | None = None) -> list[str]:
    """Remove left-over drills of both kinds: their rules and alerts. Return the ids of their alert tests.

    Left over is what is past its life, and, with ``release_id``, all that this release has: one release runs
    one alert test at a time. Drills of other releases that are under way stay.

    Raises:
        NotConfiguredError: without a connection or a rules directory.
        BackendError: if a server does not answer; the files are gone all the same.
    """
    moment = at or now()
    tests = [
        one.test_id
        for one in rulefile.loaded(backends)
        if _is_left(one.release_id, one.expires_at, release_id, moment)
    ]
    rulefile.remove(tests, backends)
    return sorted({*tests, *sweep_alerts(backends, release_id=release_id, at=moment)})


def sweep_alerts(
    backends: Backends, *, release_id: str | None = None, at: datetime | None = None
) -> list[str]:
    """End the left-over alerts of drills, as :func:`sweep` does, and return the ids of their alert tests.

    Raises:
        NotConfiguredError: without a connection to Alertmanager.
        BackendError: if Alertmanager does not answer.
    """
    moment = at or now()
    server = backends.alertmanager()
    ended = [
        alert
        for alert in alertmanager.alerts(server, [alertmanager.DRILL_FILTER])
        if _is_left(
            alert.annotations.get("release_id"), alert.annotations.get("expires_at"), release_id, moment
        )
    ]
    alertmanager.expire(server, ended, moment)
    tests = {rulefile.alert_test_of(alert.labels.get("drill_id", "")) for alert in ended}
    return sorted(test_id for test_id in tests if rulefile.TEST_ID.fullmatch(test_id))


def end_alerts(tests: Sequence[str], backends: Backends, moment: datetime) -> None:
    """Resolve every alert of these alert tests that Alertmanager holds.

    Raises:
        NotConfiguredError: without a connection to Alertmanager.
        BackendError: if Alertmanager does not answer.
    """
    server = backends.alertmanager()
    found = alertmanager.alerts(server, [alertmanager.DRILL_FILTER])
    ours = [one for one in found if rulefile.alert_test_of(one.labels.get("drill_id", "")) in tests]
    alertmanager.expire(server, ours, moment)


def clean_up(tests: Sequence[str], backends: Backends, moment: datetime, *, direct: bool = False) -> None:
    """Leave nothing behind and hide no earlier error: what fails is logged, the next sweep repeats it.

    Tests of the ``direct`` kind have no rules.
    """
    names = ", ".join(tests)
    if not direct:
        try:
            rulefile.remove(tests, backends)
        except (ReleaseWatchError, OSError) as error:
            log.warning("The rules of drill %s may still be loaded until the next sweep: %s", names, error)
    try:
        end_alerts(tests, backends, moment)
    except ReleaseWatchError as error:
        log.warning("The alerts of drill %s end by themselves: %s", names, error)


def _is_left(owner: str | None, expires_at: str | None, release_id: str | None, moment: datetime) -> bool:
    past = expires_at is None or expires_at < rfc3339(moment)
    return past or (release_id is not None and owner == release_id)
