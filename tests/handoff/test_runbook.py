"""The runbook is amended: what people wrote stays, what is generated is written anew."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from release_watch.catalog.models import (
    LogsSignal,
    MetricsSignal,
    Service,
    Signals,
    SyntheticsSignal,
    Tier,
    TracesSignal,
)
from release_watch.catalog.oncall import OnCall, Person, Rotation
from release_watch.catalog.slos import Slo
from release_watch.dashboards.models import DashboardActivation
from release_watch.errors import InvalidInputError
from release_watch.handoff.runbook import amend_runbook
from release_watch.release import Release
from release_watch.slo.rules import rule_groups
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 2, tzinfo=UTC)


def rotation(*names: str) -> Rotation:
    people = tuple(Person(user=name.lower(), name=name) for name in names)
    return Rotation(people=people, starts_at=datetime(2026, 1, 1, tzinfo=UTC))


ONCALL = OnCall(
    roles={
        "sre": rotation("Sam"),
        "oncall": rotation("Ada", "Bob"),
        "operations-lead": rotation("Olga"),
        "technical-lead": rotation("Tim"),
    }
)
SLO = Slo(
    name="checkout-availability",
    service="checkout",
    description="Orders are taken",
    objective=Decimal("0.999"),
    window_days=30,
    kind="ratio",
    good=None,
    bad='req_total{code="500"}',
    total="req_total",
)
DASHBOARD = DashboardActivation(
    uid="u", title="health", activated=True, url="https://grafana/d/u", verdict=Verdict.GO, reason="ok"
)


def service(name: str = "checkout") -> Service:
    return Service(
        name=name,
        tier=Tier.CRITICAL,
        owner="team <b>",
        dependencies=("payments",),
        signals=Signals(
            metrics=MetricsSignal(selector=f'job="shop/{name}"'),
            logs=LogsSignal(selector=f'{{service_name="{name}"}}'),
            traces=TracesSignal(service_name=name),
            synthetics=SyntheticsSignal(selector=f'service="{name}"'),
        ),
    )


def runbook(existing: str | None, release_id: str = "r-1", *names: str, at: datetime = AT) -> str:
    services = [service(name) for name in names or ("checkout",)]
    release = Release(
        deployment_id="d-1",
        release_id=release_id,
        version="1.1.0",
        environment="production",
        services=tuple(one.name for one in services),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )
    rules = rule_groups([SLO], services, release, runbook_url="", dashboard_url="")
    return amend_runbook(existing, release, services, [SLO], rules, [DASHBOARD], ONCALL, at)


def test_a_first_runbook_tells_alerts_checks_people_and_dashboards() -> None:
    text = runbook(None)
    for words in (
        "- release_id: r-1",
        '<a id="servicedown-checkout"></a>',
        "#### SloBurnRatePage: checkout",
        "error ratio over 1h and 5m above 1.44 %",
        'rate(http_server_request_duration_seconds_count{job="shop/checkout",http_response_status_code=~"5.."}',
        '{service_name="checkout"} \\|~ "(?i)error\\|exception"',
        "| oncall | Ada | Ada, Bob |",
        "[open](https://grafana/d/u)",
        "team &lt;b&gt;",
    ):
        assert words in text


def test_every_alert_has_three_first_checks() -> None:
    text = runbook(None)
    alerts = text.split("#### ")[1:]
    assert len(alerts) >= 8
    for alert in alerts:
        assert "\n3. " in alert
        assert "\n4. " not in alert


def test_what_people_wrote_survives_and_the_generated_parts_are_renewed() -> None:
    first = runbook(None)
    noted = first.replace(
        "<!-- release-watch:begin production/checkout -->",
        "## Notes\n\nAsk Kim about refunds.\n\n<!-- release-watch:begin production/checkout -->",
    )
    second = runbook(noted + "\nThe end, by hand.\n", "r-2")
    assert "Ask Kim about refunds." in second
    assert second.endswith("The end, by hand.\n")
    assert "r-1" not in second
    assert second.count("## checkout (production)") == 1


def test_a_runbook_of_somebody_else_is_kept_whole() -> None:
    theirs = "# Our runbook\n\n1. Stay calm.\n"
    assert theirs.strip() in runbook(theirs)


def test_amending_twice_changes_nothing() -> None:
    once = runbook("by hand")
    assert runbook(once) == once


def test_services_of_other_releases_keep_their_part() -> None:
    text = runbook(runbook(None, "r-1", "checkout", "payments"), "r-2", "checkout")
    assert "## payments (production)" in text


def test_who_is_on_duty_follows_the_rotation() -> None:
    assert "| oncall | Bob | Ada, Bob |" in runbook(None, at=datetime(2026, 1, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    "damaged",
    [
        "<!-- release-watch:begin production/checkout -->\nmy notes",
        "<!-- release-watch:end production/checkout -->",
        "<!-- release-watch:begin a -->\n<!-- release-watch:begin b -->\n<!-- release-watch:end b -->",
        "<!-- release-watch:begin a -->\n<!-- release-watch:end a -->\n" * 2,
    ],
    ids=["no end", "no begin", "nested", "twice"],
)
def test_damaged_marks_are_refused_before_anything_is_lost(damaged: str) -> None:
    with pytest.raises(InvalidInputError, match=r"monitoring-runbook\.md"):
        runbook(damaged)
