"""``dashboard-config.md``."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import yaml

from release_watch.catalog.models import Service
from release_watch.catalog.policies import Policies
from release_watch.catalog.slos import Slo
from release_watch.dashboards.activation import activate_dashboards
from release_watch.dashboards.document import dashboard_config_markdown
from release_watch.dashboards.models import Dashboard, PanelResult, PanelState
from release_watch.release import Release
from release_watch.slo.activation import Activation
from release_watch.slo.recorded import IDENTITY
from release_watch.slo.rules import rule_groups
from tests.dashboards.conftest import GrafanaStandIn, OnlyGrafana

AT = datetime(2026, 1, 2, tzinfo=UTC)


def test_the_document_holds_links_results_thresholds_and_owners(
    release: Release, service: Service, slo: Slo, built: list[Dashboard], grafana: GrafanaStandIn
) -> None:
    panel = PanelResult(
        dashboard=built[0].uid,
        panel="p",
        query="up | x",
        answered=True,
        samples=3,
        problem=None,
        checked_at=AT,
    )
    rules = Activation(
        file="/rules/a.yaml", groups=2, rules=9, activated_at=AT, replaced=False, problems=("short",)
    )
    text = dashboard_config_markdown(
        release,
        [service],
        activate_dashboards(built, OnlyGrafana(grafana), Policies()),
        [panel],
        rule_groups([slo], [service], release, runbook_url="", dashboard_url=""),
        rules=rules,
        metrics_url="http://prometheus",
        generated_at=AT,
        slos=[slo],
        boards=built,
    )
    for words in (
        "- release_id: r-1",
        "- environment: production",
        "- generated_at: 2026-01-02T00:00:00.000Z",
        f"(https://grafana.example/d/{built[0].uid}/slug)",
        "error ratio over 1h and 5m above 1.44 % (burn rate 14.4)",
        "team &lt;checkout&gt;",
        "`up \\| x` | 3 | answered",
        "1 queries: 1 answered",
        "| checkout: errors | above 0.1 % | warning | the error budget of SLO checkout-availability",
        f"`{built[0].uid}`",
        "9 in 2 groups",
        "- warning: short",
        "inhibit_rules:",
    ):
        assert words in text


def test_a_page_of_one_group_does_not_silence_the_ticket_of_another(release: Release, slo: Slo) -> None:
    grouped = slo.model_copy(update={"name": "by-route", "group_by": ("http_route",)})
    text = dashboard_config_markdown(
        release, [], [], [], [], rules=None, metrics_url="", generated_at=AT, slos=[slo, grouped]
    )
    published = re.search(r"```yaml\n(inhibit_rules:.*?)```", text, re.DOTALL)
    assert published
    (rule,) = yaml.safe_load(published[1])["inhibit_rules"]
    assert rule["equal"] == [*IDENTITY, "http_route"]


def test_rules_that_are_not_in_force_are_said_to_be_so(release: Release) -> None:
    text = dashboard_config_markdown(
        release, [], [], [], [], rules=None, metrics_url="", generated_at=AT, slos=[]
    )
    assert "The rules are not in force." in text


def panel(state: PanelState, problem: str | None) -> PanelResult:
    return PanelResult(
        dashboard="u",
        panel="<b>p</b>",
        query="up",
        answered=state == "answered",
        samples=0,
        problem=problem,
        state=state,
        remedy="do | this",
        checked_at=AT,
    )


def test_panels_that_gave_nothing_stand_first_with_why_and_what_to_do(release: Release) -> None:
    panels = [panel("answered", None), panel("quiet", "no traffic"), panel("missing", "no series is named x")]
    text = dashboard_config_markdown(
        release, [], [], panels, [], rules=None, metrics_url="", generated_at=AT, slos=[]
    )
    assert "3 queries: 1 answered, 1 nothing to show yet, 1 NO SERIES" in text
    assert "| u | &lt;b&gt;p&lt;/b&gt; | NO SERIES | no series is named x | do \\| this |" in text
    assert "<b>" not in text


def test_a_result_of_an_earlier_version_without_a_state_is_read(release: Release) -> None:
    old = panel("answered", None).model_copy(update={"state": None})
    text = dashboard_config_markdown(
        release, [], [], [old], [], rules=None, metrics_url="", generated_at=AT, slos=[]
    )
    assert "1 queries: 1 answered" in text
