"""Phase 2: dashboards, alert rules and the runbook of the release, live and read back."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING

from release_watch import texts
from release_watch.orchestration.run import ProtocolRun, log
from release_watch.orchestration.steps.tuned_rules import carried_over, rules_in_force, tuned_file
from release_watch.orchestration.storage import artifact_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from release_watch.handoff.living_runbook import LivingRunbook
    from release_watch.slo.activation import Activation
    from release_watch.slo.rulefile import RuleGroup

RULES = "alert-rules.yaml"
DASHBOARDS = "dashboard-config.md"
RULES_RECORD = "records/rules.json"
RULE_TESTS = "alert-rules-tests.yaml"
READ_BACK_WITHIN = timedelta(seconds=60)


def generate_rules(run: ProtocolRun) -> list[RuleGroup]:
    """Return the alert and recording rules of this release, for the metrics its services expose now."""
    from release_watch.slo.red import find_metric_names
    from release_watch.slo.rules import rule_groups

    return rule_groups(
        run.config.slos,
        run.services,
        run.release,
        runbook_url=runbook_of(run).uri,
        dashboard_url=run.store.uri_of(DASHBOARDS),
        metric_names=find_metric_names(run.services, run.backends),
        interval=run.config.policies.rules.interval,
        ticket_interval=run.config.policies.rules.ticket_interval,
    )


def active_rules(run: ProtocolRun) -> list[RuleGroup]:
    """Return the rules that were activated, as tuned since."""
    from release_watch.slo.rulefile import from_yaml
    from release_watch.slo.rules import rule_set_name

    return from_yaml(rules_in_force(run.store, rule_set_name(run.release), RULES))


def activate_rules(run: ProtocolRun) -> str:
    """Generate the alert rules, check them with promtool, load them into Prometheus and read them back."""
    from release_watch.slo.activation import activate
    from release_watch.slo.ownership import RuleOwner
    from release_watch.slo.promtool import check_rules
    from release_watch.slo.rulefile import to_yaml
    from release_watch.slo.rules import rule_set_name

    log.info(texts.PHASE_START[2])
    generated = generate_rules(run)
    groups = carried_over(run, generated)
    text = to_yaml(groups)
    written = run.store.write_text(RULES, text)
    check_rules(text, run.backends.promtool())
    write_rule_tests(run, generated, groups)
    if run.release.shadow:
        log.info("Shadow mode: would have activated %d bytes of rules; they would page", written.size_bytes)
        return written.uri
    activation = activate(
        text,
        rule_set_name(run.release),
        run.backends,
        timeout=READ_BACK_WITHIN,
        supersedes=superseded(run),
        owner=RuleOwner.of(run.release),
    )
    run.store.remove(tuned_file(rule_set_name(run.release)))
    run.store.write_json(RULES_RECORD, activation.model_dump(mode="json"))
    run.record("alert rules activated", uri=written.uri, sha256=written.sha256, rules=activation.rules)
    tell_activation(activation)
    return written.uri


def write_rule_tests(run: ProtocolRun, generated: Sequence[RuleGroup], groups: Sequence[RuleGroup]) -> None:
    """Write the promtool unit tests that travel with the rules; what no test can show is said.

    They prove what an SLO demands, so an SLO whose ``generated`` rules were tuned by approval has none.
    They are not run here: they take seconds each, and prove what any release with these objectives has.
    ``promtool test rules`` runs them, as ``python -m release_watch.slo check`` does before a deployment.
    """
    from release_watch.slo.unit_tests import unit_tests

    named = {group.name: group for group in groups}
    tuned = {one.name for one in generated if one.rules != named[one.name].rules}
    slos = [slo for slo in run.config.slos if f"slo-{slo.name}-page" in named]
    ours = [slo for slo in slos if tuned.isdisjoint((f"slo-{slo.name}-page", f"slo-{slo.name}-ticket"))]
    pairs = [(slo, (named[f"slo-{slo.name}-page"], named[f"slo-{slo.name}-ticket"])) for slo in ours]
    tests = unit_tests(pairs)
    left_out = tuple(f"{slo.name}: an alert of it was tuned by approval" for slo in slos if slo not in ours)
    tests = tests._replace(untested=(*tests.untested, *left_out))
    for name, content in tests.files(RULES, PurePath(RULE_TESTS)).items():
        run.store.write_text(name, content)
    for line in tests.untested:
        log.info("No unit test: %s", line)


def tell_activation(activation: Activation) -> None:
    """Say what is in force, and what is not."""
    for healed in activation.healed:
        log.warning("An activation of %s had been cut short; it was put right", healed)
    for yielded in activation.yielded:
        log.warning("A later release owns the rules of %s; they were left to it", yielded)
    for problem in activation.problems:
        log.log(logging.WARNING if activation.live else logging.ERROR, "%s", problem)
    if activation.live:
        log.info("%d rules in %d groups are loaded and healthy", activation.rules, activation.groups)
    else:
        log.error("The rules are not in force: %s; Gate 2 cannot pass", activation.state)


def superseded(run: ProtocolRun) -> list[str]:
    """Return the rule-set names of earlier releases of these services, which this release replaces."""
    from release_watch.assurance.registry import ActiveReleases

    earlier = ActiveReleases(artifact_root()).superseded_by(run.release)
    return [name for active in earlier for name in active.rules]


def rule_problems(run: ProtocolRun) -> list[str] | None:
    """Return what reading the rules back from Prometheus finds now; None if none were activated."""
    from release_watch.slo.change import still_owned
    from release_watch.slo.readback import read_back
    from release_watch.slo.rules import rule_set_name

    if not run.store.exists(RULES_RECORD):
        return None
    name = rule_set_name(run.release)
    text = rules_in_force(run.store, name, RULES)
    return read_back(still_owned(text, name, run.backends), run.backends)


def runbook_of(run: ProtocolRun) -> LivingRunbook:
    """Return the runbook of the environment, which every release amends."""
    from release_watch.handoff.living_runbook import LivingRunbook

    return LivingRunbook(artifact_root(), run.release.environment)
