"""A change that was back-tested on a real Prometheus, approved and activated, does what was said of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from release_watch.artifacts.models import Approval
from release_watch.artifacts.store import ArtifactStore
from release_watch.assurance import __main__ as assurance
from release_watch.assurance.drift.command import Connected
from release_watch.assurance.registry import ActiveReleases
from release_watch.assurance.tuning import command
from release_watch.assurance.tuning.applying import NotApprovedError, apply_proposal
from release_watch.assurance.tuning.back_test import BackTest, back_test, replayed
from release_watch.assurance.tuning.choosing import Chosen, Past
from release_watch.assurance.tuning.history import History
from release_watch.assurance.tuning.measuring import Outcome, measure
from release_watch.assurance.tuning.picture import pictures
from release_watch.assurance.tuning.proposal import read_proposal
from release_watch.assurance.tuning.report import tuning_markdown
from release_watch.catalog.config import load_config
from release_watch.clock import format_duration
from release_watch.response.incidents import Incident
from release_watch.slo.activation import activate
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.telemetry import prometheus_api
from sandbox.backfill import backfill
from sandbox.stack import Stack
from tests.assurance.fakes import release
from tests.assurance.test_correlation import correlate
from tests.assurance.tuning.test_command import every_incident_has_its_ticket
from tests.integration.direct import DirectBackends

MINUTE = 60
HALF = timedelta(days=12)
REQUESTS_PER_MINUTE = 100
TIMEOUT = timedelta(seconds=30)
RULE_SET = "tuned"
RECORDED = timedelta(days=4)
"""A recording was added so lately; what it records is too long to be calculated for the time before."""

RULE = Rule(
    alert="HighErrorRate",
    expr=(
        'sum(rate(http_requests_total{code="500",job="checkout"}[5m])) '
        '/ sum(rate(http_requests_total{job="checkout"}[5m])) > 0.01 '
        'and sum(increase(http_requests_total{code="500",job="checkout"}[5m])) > 4.5'
    ),
    labels={"service": "checkout", "severity": "page"},
    annotations={"summary": "many requests fail", "runbook_url": "https://runbooks.example/errors"},
)
GROUP = RuleGroup(name="symptoms-checkout", interval="1m", rules=(RULE,))


class World(NamedTuple):
    """A Prometheus with a past of two halves, what happened in it, and the rule in force."""

    backends: DirectBackends
    halves: tuple[tuple[datetime, datetime], tuple[datetime, datetime]]
    incidents: list[Incident]

    def history(self, half: int) -> History:
        start, end = self.halves[half]
        own = [one for one in self.incidents if start <= one.opened_at <= end]
        return History(self.backends.metrics(), (start, end), own)


def troubles(start: int, end: int) -> tuple[dict[int, int], list[Incident]]:
    """Return failures by minute, and the incidents: about one a day, amid bursts that are none.

    Most bursts are small and short, some are long, and some large: no change can tell all of them apart.
    """
    source = random.Random(20261122)
    failures: dict[int, int] = {}
    incidents: list[Incident] = []
    moment = start + 3 * 3600
    while moment < end - 3 * 3600:
        real = source.random() < 0.25
        length = source.randint(25, 50) if real else source.choice((1, 2, 3, 3, 20))
        for minute in range(length):
            least, most = (15, 40) if real else source.choice(((5, 9), (5, 9), (5, 9), (15, 40)))
            failures[moment + minute * MINUTE] = source.randint(least, most)
        if real:
            opened, closed = (
                datetime.fromtimestamp(moment + minutes * MINUTE, UTC) for minutes in (8, length)
            )
            incidents.append(
                Incident(f"T-{len(incidents) + 1}", "", "checkout fails", "checkout", opened, closed)
            )
        moment += source.randint(150, 400) * MINUTE
    return failures, incidents


def samples(start: int, end: int, failures: dict[int, int]) -> Iterator[str]:
    for code in ("200", "500"):
        counted = 0
        for moment in range(start, end, MINUTE):
            failed = failures.get(moment, 0)
            counted += failed if code == "500" else REQUESTS_PER_MINUTE - failed
            yield f'http_requests_total{{job="checkout",code="{code}"}} {counted} {moment}'
    for moment in range(end - int(RECORDED.total_seconds()), end, MINUTE):
        yield f"failures:of_minute {failures.get(moment, 0)} {moment}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    stack = Stack(tmp_path_factory.mktemp("tuning"), ["prometheus", "alertmanager"])
    end = int(time.time()) // 3600 * 3600 - 3600
    middle, start = (end - int(parts * HALF.total_seconds()) for parts in (1, 2))
    failures, incidents = troubles(start, end)
    backfill(stack.layout, samples(start, end, failures))
    first, border, last = (datetime.fromtimestamp(moment, UTC) for moment in (start, middle, end))
    with stack:
        backends = DirectBackends(stack.endpoints)
        activate(to_yaml([GROUP]), RULE_SET, backends, timeout=TIMEOUT)
        yield World(backends, ((first, border), (border, last)), incidents)


@pytest.fixture(scope="module")
def tested(world: World) -> BackTest:
    return back_test(RULE, GROUP, world.history(0), at=datetime.now(UTC))


def test_an_alert_of_young_recordings_is_replayed_over_the_part_that_has_them(world: World) -> None:
    recording = Rule(record="failures:of_minute", expr=" + ".join(["sum(http_requests_total)"] * 1_000))
    rule = Rule(alert="Young", expr="max(failures:of_minute) > 4", labels=RULE.labels)
    groups = (RuleGroup(name="young", interval="1m", rules=(recording, rule)),)
    start, end = world.halves[0][0], world.halves[1][1]
    correlation = correlate([], world.incidents, window=(start, end))
    past = Past(correlation, world.incidents, world.backends.metrics(), ())
    found = past.test(Chosen(rule, groups[0], groups), anyway=True)
    assert abs(found.window[0] - (end - RECORDED)) <= timedelta(minutes=10)
    assert found.window[1] == end
    of_part = [one for one in world.incidents if (one.closed_at or end) >= found.window[0]]
    assert 0 < found.before.incidents == len(of_part) < len(world.incidents)
    assert found.before.firings > 0
    assert found.trials


def approval(digest: str) -> Approval:
    return Approval(
        role="sre",
        task="approve_tuning",
        answer="yes",
        responded_by="ada",
        responded_at=datetime.now(UTC),
        evidence_uri="file:///proposal.json",
        evidence_sha256=digest,
    )


def rule_in_force(backends: DirectBackends) -> Rule:
    """Return what Prometheus itself says that it runs."""
    (loaded,) = [one for one in prometheus_api.rules(backends.prometheus()) if one.name == RULE.name]
    hold = f"{loaded.duration_seconds:.0f}s" if loaded.duration_seconds else None
    keep = f"{loaded.keep_firing_seconds:.0f}s" if loaded.keep_firing_seconds else None
    return RULE.model_copy(update={"expr": loaded.query, "hold": hold, "keep_firing_for": keep})


def test_a_change_does_on_what_follows_what_its_back_test_said(world: World, tested: BackTest) -> None:
    proposal = tested.proposal
    assert proposal is not None
    assert proposal.expected.caught == proposal.before.caught
    assert len(proposal.before.caught) >= 3
    assert proposal.expected.false < proposal.before.false

    with pytest.raises(NotApprovedError):
        apply_proposal(proposal.document(), approval("0" * 64), RULE_SET, world.backends, timeout=TIMEOUT)
    assert rule_in_force(world.backends) == RULE

    yes = approval(proposal.digest)
    assert apply_proposal(proposal.document(), yes, RULE_SET, world.backends, timeout=TIMEOUT).live
    rules = Path(world.backends.rules_directory() or "")
    assert any(proposal.change in file.read_text() for file in rules.glob("*.yaml"))

    following = world.history(1)
    _, firings, _ = replayed(rule_in_force(world.backends), GROUP, following)
    followed = measure(proposal, firings, following.incidents, window=following.window)
    assert followed.held, followed.in_words()

    _, unchanged, _ = replayed(RULE, GROUP, following)
    without = measure(proposal, unchanged, following.incidents, window=following.window)
    assert without.precision is Outcome.WORSE


def test_the_report_shows_the_change_as_picture_table_and_diff(tested: BackTest, tmp_path: Path) -> None:
    shown = pictures([tested])
    (tmp_path / f"{tested.key}.png").write_bytes(shown[tested.key])
    text = tuning_markdown(
        correlate(tested.firings, tested.incidents, window=tested.window),
        release_id="2026.11.22-1",
        environment="production",
        services=["checkout"],
        config=load_config(),
        back_tests=[tested],
        pictures={key: f"{key}.png" for key in shown},
        at=datetime.now(UTC),
    )
    (tmp_path / "alert-tuning-report.md").write_text(text)
    assert tested.proposal is not None
    assert f"({tested.key}.png)" in text
    assert tested.proposal.digest in text
    assert "+++ rules.yaml (proposed)" in text
    assert text.count("PROPOSED") == 1


def test_the_command_proposes_the_same_from_the_same_past(
    world: World,
    tested: BackTest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start, end = world.halves[0]
    rows = (f"{one.id},checkout,{one.opened_at},{one.closed_at}" for one in world.history(0).incidents)
    (tmp_path / "incidents.csv").write_text("\n".join(["id,service,opened_at,closed_at", *rows]))
    rules = {RULE_SET: to_yaml([GROUP])}
    ActiveReleases(tmp_path).register(
        release("rel-1", "checkout"), artifacts_uri="file:///a", rules=rules, at=end
    )
    monkeypatch.setattr(assurance, "connected", lambda _: Connected(world.backends, tmp_path))
    monkeypatch.setattr(command, "load_config", every_incident_has_its_ticket)
    span = ["--since", format_duration(end - start), "--until", end.isoformat()]
    told = ["--incidents", str(tmp_path / "incidents.csv"), "--store", "--json"]
    assert assurance.main(["tune", "--environment", "production", *span, *told]) == 0

    (found,) = json.loads(capsys.readouterr().out)["tests"]
    stored = ArtifactStore(tmp_path, "production", "rel-1")
    (name,) = [one for one in stored.names("tuning/") if one.endswith(".json")]
    proposal = read_proposal(stored.read_bytes(name))
    assert tested.proposal is not None
    assert proposal.model_copy(update={"generated_at": tested.proposal.generated_at}) == tested.proposal
    assert (found["sha256"], len(found["trials"])) == (proposal.digest, len(tested.trials))
