from __future__ import annotations

import pytest

from release_watch.assurance.backlog import backlog_items
from release_watch.catalog.config import load_config
from release_watch.dashboards.models import DashboardActivation
from release_watch.evidence.models import AuditFinding
from release_watch.verdict import Verdict


def test_findings_of_the_quality_audit_become_items_of_their_owner() -> None:
    finding = AuditFinding(
        severity="high", service="checkout", title="no error series", detail="QA-4", source="audit.json:3"
    )
    config = load_config()
    (item,) = backlog_items(None, None, None, None, config, audited=[finding])
    assert item.priority == "high"
    assert item.owner == config.catalog.get("checkout").owner
    assert "audit.json:3" in item.evidence


@pytest.mark.parametrize(("activated", "items"), [(True, 0), (False, 1)])
def test_dashboards_that_were_not_activated_become_one_item(activated: bool, items: int) -> None:
    boards = [
        DashboardActivation(
            uid=f"u{n}", title="t", activated=activated, verdict=Verdict.WARN, reason="no Grafana"
        )
        for n in range(3)
    ]
    assert len(backlog_items(None, None, None, None, load_config(), dashboards=boards)) == items
