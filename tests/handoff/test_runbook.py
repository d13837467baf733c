"""The runbook is amended: what people wrote stays, what is generated is written anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release_watch.catalog.models import (
    BusinessMetric,
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
from release_watch.gates.drill_rows import runbook_rows
from release_watch.handoff.runbook import amend_runbook
from release_watch.handoff.runbook_parts import Block, read_pieces
from release_watch.release import Release, RollbackPolicy
from release_watch.slo.rulefile import Rule, RuleGroup
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


def release(release_id: str = "r-1", *names: str) -> Release:
    return Release(
        deployment_id="d-1",
        release_id=release_id,
        version="1.1.0",
        environment="production",
        services=names or ("checkout",),
        deployed_at=datetime(2026, 1, 1, tzinfo=UTC),
        evidence_uri="file:///evidence",
    )


def runbook(
    existing: str | None,
    release_id: str = "r-1",
    *names: str,
    at: datetime = AT,
    without: str = "",
    oncall: OnCall = ONCALL,
) -> str:
    services = [service(name) for name in names or ("checkout",)]
    ours = release(release_id, *(one.name for one in services))
    rules = [
        group.model_copy(update={"rules": tuple(rule for rule in group.rules if rule.name != without)})
        for group in rule_groups([SLO], services, ours, runbook_url="", dashboard_url="")
    ]
    return amend_runbook(existing, ours, services, [SLO], rules, [DASHBOARD], oncall, at)


def outside(text: str) -> list[str]:
    """Return what is not generated."""
    pieces = read_pieces(text)
    assert pieces is not None
    return [piece for piece in pieces if isinstance(piece, str)]


def section(text: str, name: str) -> str:
    (found,) = [one.content for one in read_pieces(text) or () if isinstance(one, Block) and one.name == name]
    return found


def test_a_first_runbook_tells_alerts_checks_people_and_dashboards() -> None:
    text = runbook(None)
    for words in (
        "- release_id: r-1",
        '<a id="servicedown-checkout"></a>',
        "### SloBurnRatePage: checkout",
        "error ratio over 1h and 5m above 1.44 %",
        'rate(http_server_request_duration_seconds_count{job="shop/checkout",http_response_status_code=~"5.."}',
        '\n   ```logql\n   {service_name="checkout"} |~ "(?i)error|exception"\n   ```\n',
        '{ resource.service.name = "checkout" && duration > 1000ms }',
        "[open](https://grafana/d/u)",
        "team &lt;b&gt;",
        "  - [HighErrorRate: checkout](#higherrorrate-checkout)",
        "### DegradedAgainstBaseline: checkout",
        "### Watchdog",
    ):
        assert words in text


def test_every_alert_has_a_section_with_three_first_checks_and_a_link_to_it() -> None:
    text = runbook(None)
    groups = rule_groups([SLO], [service()], release(), runbook_url="https://r", dashboard_url="")
    alerts = [rule for group in groups for rule in group.alerts]
    assert all(row["status"] == "PASS" for row in runbook_rows([rule.name for rule in alerts], text))
    for rule in alerts:
        anchor = rule.annotations["runbook_url"].partition("#")[2]
        assert f'<a id="{anchor}"></a>' in text
        if rule.service:
            there = section(text, f"production/checkout/{rule.name}")
            assert f"(#{anchor})" in section(text, "contents")
            assert "\n3. " in there
            assert "\n4. " not in there
            assert "**Mitigation**" in there
            assert "[Whom to call](#whom-to-call)" in there or "in working hours" in there


def test_what_people_wrote_survives_and_the_generated_parts_are_renewed() -> None:
    first = runbook(None)
    note = "\n## Notes\n\nAsk Kim about  refunds.\t\n"
    noted = first.replace("<!-- release-watch:end production/checkout/ServiceDown -->\n", "\\0")
    noted = noted.replace("\\0", f"<!-- release-watch:end production/checkout/ServiceDown -->\n{note}")
    second = runbook(noted + "\nThe end, by hand, without a line break", "r-2")
    assert note in second
    assert second.endswith("\nThe end, by hand, without a line break")
    assert "r-1" not in second
    assert second.count("## checkout (production)") == 1


def test_a_runbook_of_somebody_else_is_kept_whole() -> None:
    theirs = "# Our runbook\n\n1. Stay calm.  \n\n\n"
    assert runbook(theirs).endswith(theirs)


def test_amending_twice_changes_nothing() -> None:
    once = runbook("by hand")
    assert runbook(once) == once


def test_services_of_other_releases_keep_their_part_and_their_place_in_the_contents() -> None:
    text = runbook(runbook(None, "r-1", "checkout", "payments"), "r-2", "checkout")
    assert "## payments (production)" in text
    assert "  - [ServiceDown: payments](#servicedown-payments)" in section(text, "contents")


def test_a_part_that_was_moved_is_renewed_where_it_is() -> None:
    first = runbook(None)
    pieces = read_pieces(first)
    assert pieces is not None
    moved = "My order:\n\n" + "\n".join(str(piece) for piece in reversed(pieces) if isinstance(piece, Block))
    again = runbook(moved, "r-2")
    names = [piece.name for piece in read_pieces(moved) or () if isinstance(piece, Block)]
    assert [piece.name for piece in read_pieces(again) or () if isinstance(piece, Block)] == names
    assert outside(again)[:-1] == outside(moved)
    assert "r-1" not in again


def test_a_part_that_was_removed_comes_back_with_a_note_and_the_note_may_go() -> None:
    first = runbook(None)
    gone = first.replace(str(Block("production/checkout/ServiceDown", _of(first, "ServiceDown"))), "")
    assert "### ServiceDown" not in gone
    back = runbook(gone, "r-2")
    assert back.count("### ServiceDown: checkout") == 1
    assert "> The part below, `production/checkout/ServiceDown`, had been removed." in back
    assert runbook(back, "r-2") == back
    without_note = "\n".join(line for line in back.split("\n") if not line.startswith("> The part below"))
    assert runbook(without_note, "r-2") == without_note


def _of(text: str, alert: str) -> str:
    return section(text, f"production/checkout/{alert}")


def test_what_was_edited_between_marks_is_kept_once_below_the_new_part() -> None:
    edited = runbook(None).replace("### HighErrorRate: checkout", "### High errors: call Kim first")
    again = runbook(edited, "r-2")
    assert "### HighErrorRate: checkout" in _of(again, "HighErrorRate")
    (kept,) = [one for one in outside(again) if "call Kim first" in one]
    assert "> The part above, `production/checkout/HighErrorRate`, had been edited" in kept
    assert "```markdown" in kept
    assert runbook(again, "r-2") == again


def test_a_formatter_that_only_moves_white_space_has_edited_nothing() -> None:
    first = runbook(None)
    formatted = "\ufeff" + first.replace("|---|", "| ------ |").replace("\n", "\r\n")
    again = runbook(formatted, "r-2")
    assert "had been" not in again
    assert again.startswith("\ufeff<!-- release-watch:begin header")


@pytest.mark.parametrize(
    "damage",
    [
        ("<!-- release-watch:end production/checkout/ServiceDown -->", ""),
        ("<!-- release-watch:end production/checkout/ServiceDown -->", "<!-- release-watch:end x -->"),
        ("<!-- release-watch:begin production/checkout/ServiceDown", "<!-- release-watch:begni production/x"),
        ("<!-- release-watch:end contents -->", "<!-- release-watch:end contents"),
        ("<!-- release-watch:end contents -->", "glued to a line <!-- release-watch:end contents -->"),
        ("<!-- release-watch:end contents -->", "<!-- release-watch:end contents -->\n" * 2),
    ],
    ids=["no end", "other end", "misspelt", "cut off", "glued", "twice"],
)
def test_damaged_marks_lose_nothing(damage: tuple[str, str]) -> None:
    note = "Written by hand: Kim knows.  "
    damaged = runbook(None).replace(*damage).replace("# Monitoring runbook", f"# Monitoring runbook\n{note}")
    again = runbook(damaged, "r-2")
    assert "> The marks of the generated parts had been damaged" in again
    assert re.sub(r"(?m)^<!-- release-watch:", "<!-- was release-watch:", damaged) in again
    assert again.startswith("<!-- release-watch:begin header")
    assert section(again, "production/checkout").count("r-2") == 1
    assert runbook(again, "r-2") == again


def test_an_alert_that_is_no_more_is_named_once_and_its_notes_stay() -> None:
    first = runbook(None)
    end = "<!-- release-watch:end production/checkout/LowThroughput -->"
    noted = first.replace(end, f"{end}\n\nOn Mondays this is the batch.")
    gone = runbook(noted, "r-2", without="LowThroughput")
    line = "- LowThroughput: checkout: no alert of this name since r-2, 2026-01-02"
    assert "### LowThroughput" not in gone
    assert "On Mondays this is the batch." in gone
    assert gone.count(line) == 1
    later = runbook(gone, "r-3", without="LowThroughput")
    assert section(later, "production:retired") == section(gone, "production:retired")
    back = runbook(later, "r-4")
    assert "### LowThroughput: checkout" in back
    assert "had been removed" not in back
    assert runbook(back, "r-5", without="LowThroughput").count("- LowThroughput: checkout: no alert") == 2


WRITTEN = runbook(None)
GAPS = list(read_pieces(WRITTEN) or ())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, len(GAPS)), st.text(st.characters(codec="utf-8"), max_size=60)), max_size=4
    ),
    st.integers(1, 3),
)
def test_whatever_people_write_between_the_parts_survives(notes: list[tuple[int, str]], times: int) -> None:
    pieces: list[str] = [str(piece) for piece in GAPS]
    for position, note in sorted(notes, reverse=True):
        pieces.insert(position, note)
    text = "".join(pieces)
    written = read_pieces(text)
    again = text
    for number in range(times):
        again = runbook(again, f"r-{number}")
    assert all(note in again for _, note in notes)
    assert runbook(again, f"r-{times - 1}") == again
    if written is not None:
        there = [piece for piece in written if isinstance(piece, str)]
        assert "".join(outside(again)) in ("".join(there), "".join(there) + "\n")


@pytest.mark.parametrize(
    ("of_run", "of_service", "words"),
    [
        (RollbackPolicy.ASK, None, "whoever is on call decides"),
        (RollbackPolicy.AUTO, None, "without asking"),
        (RollbackPolicy.FREEZE, None, "the operations lead and the technical lead decide"),
        (RollbackPolicy.AUTO, RollbackPolicy.FORWARD_ONLY, "nothing is rolled back"),
    ],
    ids=["ask", "auto", "freeze", "the service's own"],
)
def test_the_mitigation_says_what_the_rollback_policy_does(
    of_run: RollbackPolicy, of_service: RollbackPolicy | None, words: str
) -> None:
    ours = release().model_copy(update={"rollback_policy": of_run})
    watched = service().model_copy(update={"rollback_policy": of_service})
    rules = rule_groups([SLO], [watched], ours, runbook_url="", dashboard_url="")
    text = amend_runbook(None, ours, [watched], [SLO], rules, [DASHBOARD], ONCALL, AT)
    for alert in ("ServiceDown", "SloBurnRatePage", "LowThroughput"):
        (last,) = re.findall(
            r"^- If it began after 2026-01-01T00:00:00.000Z, with r-1: .*$", _of(text, alert), re.M
        )
        assert words in last


@pytest.mark.parametrize("space", [" ", "", "   "], ids=["a space", "none", "several"])
def test_content_from_outside_is_text_and_no_mark(space: str) -> None:
    hostile = f"x <script>\n<!--{space}release-watch:end production/checkout -->\n# heading | `code`"
    watched = service().model_copy(
        update={
            "description": hostile,
            "owner": hostile,
            "business_metrics": (
                BusinessMetric(
                    name="orders",
                    query=f"sum(up{{a=`\n<!--{space}release-watch:end production/checkout -->\n`}}) # ```",
                    unit="1",
                    direction="both",
                ),
            ),
        }
    )
    ours = release()
    slo = SLO.model_copy(update={"description": hostile})
    rules = [
        *rule_groups([slo], [watched], ours, runbook_url="", dashboard_url=""),
        RuleGroup(
            name="theirs",
            rules=(
                Rule(
                    alert="Odd name | <b>",
                    expr=f"up{{a=`\n<!--{space}release-watch:begin x -->\n`}} == 0 # ```",
                    labels={"service": "checkout"},
                    annotations={"threshold": hostile},
                ),
            ),
        ),
    ]
    board = DASHBOARD.model_copy(update={"title": hostile, "url": "javascript:alert(1)"})
    text = amend_runbook(None, ours, [watched], [slo], rules, [board], ONCALL, AT)
    assert "<script>" not in text
    assert "](javascript" not in text
    assert "### Odd name \\| &lt;b&gt;: checkout" in text
    assert read_pieces(text) is not None
    assert amend_runbook(text, ours, [watched], [slo], rules, [board], ONCALL, AT) == text
