from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from release_watch.artifacts.models import BaselineKind, BaselineMetrics, Window
from release_watch.artifacts.store import ArtifactStore
from release_watch.baseline.excluded import LEAD
from release_watch.baseline.rolled_back import RECORD, REFERENCE, rolled_back
from release_watch.errors import InvalidInputError
from release_watch.release import Release
from release_watch.response.ledger import EntryState, RollbackLedger
from release_watch.response.rollback import RollbackStatus, RollbackTicket
from release_watch.response.rollback_record import RollbackRecord
from release_watch.verdict import Verdict
from tests.baseline.conftest import DEPLOYED

MINUTE = timedelta(minutes=1)
ASKED = DEPLOYED + 40 * MINUTE
LONG_AGO = DEPLOYED - timedelta(days=4)


@pytest.fixture
def ledger(tmp_path: Path, release: Release) -> RollbackLedger:
    ledger = RollbackLedger(tmp_path)
    ledger.note(release, "run-1", ASKED, EntryState.SUCCEEDED)
    return ledger


def left_by_its_run(root: Path, release: Release) -> None:
    store = ArtifactStore(root, "production", release.release_id)
    store.write_json(
        REFERENCE,
        BaselineMetrics(
            release_id=release.release_id,
            environment="production",
            generated_at=DEPLOYED,
            kind=BaselineKind.REFERENCE,
            window=Window(start=DEPLOYED - 50 * MINUTE, end=DEPLOYED - 5 * MINUTE),
            verdict=Verdict.GO,
            reason="",
            metrics=(),
        ),
    )
    ticket = RollbackTicket(
        rollback_id="rb1",
        deployment_id="42",
        status=RollbackStatus.SUCCEEDED,
        finished_at=ASKED + 3 * MINUTE,
    )
    store.write_json(
        RECORD,
        RollbackRecord(
            release_id=release.release_id,
            environment="production",
            generated_at=ASKED,
            deployment_id="42",
            version="1.1.0",
            services=release.services,
            idempotency_key=release.release_id,
            decided_at=ASKED,
            decided_by="the rollback policy",
            reason="slow",
            rollback=ticket,
        ),
    )


@pytest.mark.usefixtures("ledger")
def test_it_counts_from_its_deployment_to_the_end_of_its_rollback(tmp_path: Path, release: Release) -> None:
    left_by_its_run(tmp_path, release)

    (bad,) = rolled_back(tmp_path, "production", LONG_AGO)

    assert (bad.release_id, bad.services) == ("shop-1.1.0", ("checkout",))
    assert (bad.deployed_at, bad.finished_at) == (DEPLOYED - 5 * MINUTE, ASKED + 3 * MINUTE)


@pytest.mark.usefixtures("ledger")
def test_without_what_its_run_left_the_ledger_tells(tmp_path: Path) -> None:
    (bad,) = rolled_back(tmp_path, "production", LONG_AGO)

    assert (bad.deployed_at, bad.requested_at, bad.finished_at) == (ASKED - LEAD, ASKED, None)


@pytest.mark.parametrize(
    ("environment", "state", "since"),
    [
        pytest.param("staging", EntryState.SUCCEEDED, LONG_AGO, id="elsewhere"),
        pytest.param("production", EntryState.REFUSED, LONG_AGO, id="refused"),
        pytest.param("production", EntryState.SUCCEEDED, ASKED + MINUTE, id="before"),
    ],
)
def test_others_do_not_count(
    ledger: RollbackLedger,
    tmp_path: Path,
    release: Release,
    environment: str,
    state: EntryState,
    since: datetime,
) -> None:
    ledger.note(release, "run-1", ASKED, state)

    assert list(rolled_back(tmp_path, environment, since)) == []


def test_a_damaged_ledger_is_an_error(ledger: RollbackLedger, tmp_path: Path) -> None:
    assert ledger
    (path,) = (tmp_path / "rollbacks").rglob("rollback.json")
    path.write_text("{}")

    with pytest.raises(InvalidInputError, match=r"rollback\.json: Field required"):
        list(rolled_back(tmp_path, "production", LONG_AGO))
