"""Edits of what was activated, made in a real Prometheus and Alertmanager, and told apart by their meaning.

Each case is a service of its own with a group of its own: all edits are live at once, and are read once.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from release_watch.assurance.drift import Drift, Expected, Live, drift_of, read_live
from release_watch.assurance.drift.live import Away, LiveRules
from release_watch.assurance.drift.model import Reached
from release_watch.assurance.drift.reading import rule_set
from release_watch.assurance.drift.scraping_config import LiveScraping
from release_watch.catalog.models import MetricsSignal, Service, Signals, Tier
from release_watch.telemetry import prometheus_api
from sandbox.stack import Stack
from tests.integration.conftest import reload_alertmanager
from tests.integration.direct import DirectBackends, DirectTransport

Group = dict[str, Any]
FILE = "release-watch-production-r-1.yaml"
EXPR = 'sum by (job, instance) (rate(errors_total{job="shop",code=~"500|502"}[1h])) > 1000'
OTHERS = "something_else.yaml"
INHIBITED = "inhibited by the dead man's switch"


class Case(NamedTuple):
    """An edit of a group, and the kinds of drift that it is; none where it means the same.

    ``expr`` is what the first rule of the group was activated with.
    """

    edit: Callable[[Group], None]
    kinds: frozenset[str] = frozenset()
    expr: str = EXPR


def matchers(text: str) -> str:
    return EXPR.replace('job="shop",code=~"500|502"', text)


def expr(text: str) -> Callable[[Group], None]:
    return lambda group: group["rules"][0].update(expr=text)


def rule(**fields: Any) -> Callable[[Group], None]:
    names = {"hold": "for"}
    return lambda group: group["rules"][0].update({names.get(name, name): v for name, v in fields.items()})


def label(name: str, value: str) -> Callable[[Group], None]:
    return lambda group: group["rules"][0]["labels"].update({name: value})


def annotation(name: str, value: str) -> Callable[[Group], None]:
    return lambda group: group["rules"][0]["annotations"].update({name: value})


def whole(**fields: Any) -> Callable[[Group], None]:
    return lambda group: group.update(fields)


def reordered(group: Group) -> None:
    group["rules"] = [dict(reversed(one.items())) for one in reversed(group["rules"])]
    for one in group["rules"]:
        one["labels"] = dict(reversed(one["labels"].items()))


def added(group: Group) -> None:
    group["rules"].append({**group["rules"][0], "alert": "Handmade", "expr": "vector(1) > 2"})


def untouched(_: Group) -> None:
    """Edited elsewhere: in Alertmanager's or Prometheus' configuration."""


EDITED, MISSING, EXTRA, MUTED = (frozenset({kind}) for kind in ("edited", "missing", "extra", "muted"))
SUMS = 'sum by (job) (rate(a_total{job="shop"}[5m])) + sum by (job) (rate(b_total{job="shop"}[5m])) > 5'
JOINED = "sum by (job) (rate(a_total[5m])) * on (job) group_left (team) owner_info > 5"

SAME = {
    "nothing": Case(untouched),
    "other layout": Case(expr(EXPR.replace(" ", "\n  ").replace(",", " , "))),
    "matchers in another order": Case(expr(matchers('code=~"500|502",job="shop"'))),
    "a matcher twice": Case(expr(EXPR.replace('{job="shop",', '{job="shop",job="shop",'))),
    "other quotes and a last comma": Case(expr(EXPR.replace('"', "'").replace("}", ",}"))),
    "needless parentheses": Case(expr(f"(({EXPR.replace('rate(', '(rate(').replace('[1h])', '[1h]))')}))")),
    "60m for 1h": Case(expr(EXPR.replace("1h", "60m"))),
    "1e3 for 1000": Case(expr(EXPR.replace("1000", "1e3"))),
    "labels of by in another order": Case(expr(EXPR.replace("job, instance", "instance, job"))),
    "by after the operand": Case(expr(f"sum({EXPR[24:-8]}) by (job, instance) > 1000")),
    "a comment": Case(expr(f"{EXPR} # raised after the sale")),
    "the limit on the left": Case(expr(f"1000 < {EXPR[:-7]}")),
    "alternatives in another order": Case(expr(EXPR.replace("500|502", "502|500"))),
    "summands in another order": Case(
        expr(" + ".join(reversed(SUMS.removesuffix(" > 5").split(" + "))) + " > 5"), expr=SUMS
    ),
    "group_right for group_left": Case(
        expr("owner_info * on (job) group_right (team) sum by (job) (rate(a_total[5m])) > 5"), expr=JOINED
    ),
    "a number worked out": Case(expr("up < 0.25"), expr="up < 1 - 0.75"),
    "for in seconds": Case(rule(hold="300s")),
    "nothing said in words": Case(rule(keep_firing_for="0s")),
    "interval in seconds": Case(whole(interval="60s", limit=0)),
    "rules and fields in another order": Case(reordered),
    "words laid out anew": Case(annotation("summary", "Errors of {{$labels.job}}\nare   high")),
    "in another file": Case(untouched),
    "matched by other words": Case(untouched),
    "one alert of two silenced": Case(untouched),
}  # fmt: skip
OTHER = {
    "another threshold": Case(expr(EXPR.replace("1000", "10000")), EDITED),
    "another comparison": Case(expr(EXPR.replace(">", ">=")), EDITED),
    "another window": Case(expr(EXPR.replace("1h", "6h")), EDITED),
    "a matcher less": Case(expr(EXPR.replace(',code=~"500|502"', "")), EDITED),
    "another pattern": Case(expr(EXPR.replace("500|502", "5..")), EDITED),
    "a label of by less": Case(expr(EXPR.replace("job, instance", "job")), EDITED),
    "another aggregation": Case(expr(EXPR.replace("sum", "max")), EDITED),
    "an offset": Case(expr(EXPR.replace("[1h]", "[1h] offset 1d")), EDITED),
    "operands swapped that may not be": Case(expr("b - a > 1"), EDITED, "a - b > 1"),
    "unless for and": Case(expr("up == 0 unless on (job) a"), EDITED, "up == 0 and on (job) a"),
    "waits longer": Case(rule(hold="2h"), EDITED),
    "keeps firing": Case(rule(keep_firing_for="1h"), EDITED),
    "another severity": Case(label("severity", "ticket"), EDITED),
    "a label more": Case(label("quiet", "true"), EDITED),
    "another runbook": Case(annotation("runbook_url", "https://elsewhere.example"), EDITED),
    "evaluated less often": Case(whole(interval="15m"), EDITED),
    "a limit": Case(whole(limit=3), EDITED),
    "group renamed": Case(whole(name="renamed"), EDITED),
    "rule deleted": Case(lambda group: group["rules"].pop(0), MISSING),
    "rule added": Case(added, EXTRA),
    "rule renamed": Case(rule(alert="Renamed"), MISSING | EXTRA),
    "rule repeated in another file": Case(untouched, EXTRA),
    "recording rule edited": Case(lambda group: group["rules"][2].update(expr="avg(a)"), EDITED),
    "route to nobody": Case(untouched, MUTED),
    "route to somebody else": Case(untouched, EDITED),
    "receiver gone": Case(untouched, MISSING),
    "route with mute times": Case(untouched, MUTED),
    "whole service silenced": Case(untouched, MUTED),
    INHIBITED: Case(untouched, MUTED),
    "targets dropped by relabelling": Case(untouched, MISSING),
    "series dropped by relabelling": Case(untouched, MISSING),
}
CASES = {**SAME, **OTHER}
NAMES = {title: f"case-{number:02d}" for number, title in enumerate(CASES)}


def activated(title: str) -> Group:
    """Return the group of a case as it was activated."""
    service = NAMES[title]
    labels = {"severity": "page", "service": service, "team": "shop"}
    notes = {
        "summary": "Errors of {{ $labels.job }} are high",
        "runbook_url": "https://runbooks.example/errors",
    }
    return {
        "name": f"service-{service}",
        "interval": "1m",
        "rules": [
            {
                "alert": "Errors",
                "expr": CASES[title].expr,
                "for": "5m",
                "labels": labels,
                "annotations": notes,
            },
            {"alert": "Slow", "expr": "latency_seconds > 1", "labels": dict(labels), "annotations": notes},
            {"record": "job:a:sum", "expr": "sum(a)", "labels": {"service": service}},
        ],
    }


def service(title: str) -> Service:
    jobs = {"targets dropped by relabelling": "dropped", "series dropped by relabelling": "cut"}
    metrics = MetricsSignal(selector=f'job="{jobs[title]}"') if title in jobs else None
    return Service(name=NAMES[title], tier=Tier.CRITICAL, owner="shop", signals=Signals(metrics=metrics))


def expected() -> Expected:
    watchdog = {"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}}
    groups = [*map(activated, CASES), {"name": "watchdog", "rules": [watchdog]}]
    groups[list(CASES).index("series dropped by relabelling")]["rules"][1]["expr"] = (
        'process_cpu_seconds_total{job="cut"} > 1'
    )
    drilled = {"receiver gone": "former"}
    return Expected(
        release_id="r-1",
        environment="production",
        services=tuple(map(service, CASES)),
        rule_sets=(rule_set("production-r-1", yaml.safe_dump({"groups": groups}), listed_as=FILE),),
        reached=tuple(
            Reached(NAMES[title], "page", (drilled.get(title, "oncall"),))
            for title in CASES
            if title != "route to nobody"
        ),
    )


def write_rules(folder: Path) -> None:
    """Lay the edited groups where Prometheus reads them."""
    groups = yaml.safe_load(yaml.safe_dump([activated(title) for title in CASES]))
    groups[list(CASES).index("series dropped by relabelling")]["rules"][1]["expr"] = (
        'process_cpu_seconds_total{job="cut"} > 1'
    )
    by_title = dict(zip(CASES, groups, strict=True))
    for title, case in CASES.items():
        case.edit(by_title[title])
    elsewhere = [by_title.pop("in another file")]
    twin = deepcopy(by_title["rule repeated in another file"])
    elsewhere.append({**twin, "name": "copied", "rules": twin["rules"][:1]})
    watchdog = {"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}}
    own = [*reversed(by_title.values()), {"name": "watchdog", "rules": [watchdog]}]
    folder.joinpath(FILE).write_text(yaml.dump({"groups": own}, sort_keys=False))
    folder.joinpath(OTHERS).write_text(yaml.dump({"groups": elsewhere}, sort_keys=False))


def scrape_jobs(file: Path) -> None:
    """Have Prometheus drop the targets of one service and a series of another."""
    config = yaml.safe_load(file.read_text())
    own = config["scrape_configs"][0]["static_configs"]
    config["scrape_configs"] += [
        {
            "job_name": "dropped",
            "static_configs": own,
            "relabel_configs": [{"source_labels": ["__address__"], "regex": ".+", "action": "drop"}],
        },
        {
            "job_name": "cut",
            "static_configs": own,
            "metric_relabel_configs": [
                {"source_labels": ["__name__"], "regex": "process_cpu.*", "action": "drop"}
            ],
        },
    ]
    file.write_text(yaml.safe_dump(config, sort_keys=False))


def route(file: Path) -> None:
    """Edit the routes and inhibition of single services, and the rest in ways that mean the same."""
    webhook = {"webhook_configs": [{"url": "http://127.0.0.1:9/receipts"}]}

    def of(title: str, receiver: str, **more: Any) -> dict[str, Any]:
        return {"receiver": receiver, "matchers": [f'service="{NAMES[title]}"'], **more}

    config = {
        "route": {
            "receiver": "oncall",
            "group_by": ["service"],
            "routes": [
                of("route to nobody", "null"),
                of("route to somebody else", "another"),
                of("route with mute times", "oncall", mute_time_intervals=["weekends"]),
                {"receiver": "oncall", "match": {"service": NAMES["matched by other words"]}},
                {"receiver": "oncall", "match_re": {"severity": "page|ticket"}},
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ["alertname=Watchdog"],
                "target_matchers": [f'service="{NAMES[INHIBITED]}"'],
            },
            {
                "source_matchers": ["severity=page"],
                "target_matchers": ["severity=ticket"],
                "equal": ["service", "slo"],
            },
        ],
        "time_intervals": [{"name": "weekends", "time_intervals": [{"weekdays": ["saturday", "sunday"]}]}],
        "receivers": [{"name": "oncall", **webhook}, {"name": "another", **webhook}, {"name": "null"}],
    }
    file.write_text(yaml.safe_dump(config, sort_keys=False))


def silence(alertmanager: DirectTransport, title: str, alert: str | None = None) -> None:
    begin = datetime.now(UTC)
    wanted = {"service": NAMES[title], **({"alertname": alert} if alert else {})}
    content = {
        "matchers": [
            {"name": name, "value": value, "isRegex": False, "isEqual": True}
            for name, value in wanted.items()
        ],
        "startsAt": begin.isoformat(),
        "endsAt": (begin + timedelta(hours=1)).isoformat(),
        "createdBy": "mallory",
        "comment": "too loud",
    }
    assert alertmanager.request("POST", "/api/v2/silences", json=content).status == 200


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, DirectBackends]]:
    """A Prometheus and an Alertmanager with all edits live: one reload of each."""
    with Stack(tmp_path_factory.mktemp("drift"), ["prometheus", "alertmanager"]) as stack:
        backends = DirectBackends(stack.endpoints)
        folder = backends.rules_directory()
        assert folder is not None
        write_rules(folder)
        scrape_jobs(stack.layout.run / "prometheus" / "prometheus.yml")
        route(stack.layout.run / "alertmanager" / "alertmanager.yml")
        silence(backends.alertmanager(), "whole service silenced")
        silence(backends.alertmanager(), "one alert of two silenced", "Errors")
        reload_alertmanager(backends.alertmanager())
        prometheus_api.reload(backends.prometheus())
        yield stack, backends


@pytest.fixture(scope="module")
def live(servers: tuple[Stack, DirectBackends]) -> Live:
    """Everything that is live, once the targets are found, which takes seconds after a reload."""
    deadline = time.monotonic() + 20
    while True:
        found = read_live(servers[1], datetime.now(UTC))
        scraping = found.scraping
        if isinstance(scraping, LiveScraping) and scraping.dropped and "cut" in scraping.active:
            return found
        assert time.monotonic() < deadline, found.scraping
        time.sleep(0.3)


@pytest.fixture(scope="module")
def drifts(live: Live) -> tuple[Drift, ...]:
    return drift_of(expected(), live)


@pytest.fixture(scope="module")
def by_service(drifts: tuple[Drift, ...]) -> dict[str | None, list[Drift]]:
    found: dict[str | None, list[Drift]] = defaultdict(list)
    for drift in drifts:
        found[drift.service].append(drift)
    return found


@pytest.mark.parametrize("title", CASES)
def test_an_edit_is_drift_only_if_it_changes_what_is_meant(
    title: str, by_service: dict[str | None, list[Drift]]
) -> None:
    found = by_service[NAMES[title]]
    assert {drift.kind for drift in found} == CASES[title].kinds, found
    assert all(drift.owner == "shop" and drift.to_do for drift in found)


def test_nothing_is_found_around_the_services(by_service: dict[str | None, list[Drift]]) -> None:
    assert by_service[None] == []


@pytest.mark.parametrize(
    ("title", "diff"),
    [
        ("another threshold", "{+10000+}"),
        ("another window", "[-1h-]{+6h+}"),
        ("waits longer", "[-300-]{+7200+}"),
        ("another severity", "[-page-]{+ticket+}"),
    ],
)
def test_the_difference_is_shown_word_by_word(
    title: str, diff: str, by_service: dict[str | None, list[Drift]]
) -> None:
    (drift,) = by_service[NAMES[title]]
    assert diff in drift.diff


def test_all_releases_are_held_against_what_was_read_once(live: Live) -> None:
    assert isinstance(live.rules, LiveRules)
    assert drift_of(expected(), live) == drift_of(expected(), live)


class Unreachable(DirectBackends):
    """The same servers behind a network that is down."""

    def transport(self, name: str) -> DirectTransport:
        assert name in self._endpoints
        return DirectTransport("http://127.0.0.1:9", timeout_seconds=0.2)


def test_a_server_that_is_away_is_never_no_drift(servers: tuple[Stack, DirectBackends]) -> None:
    away = read_live(Unreachable(servers[0].endpoints), datetime.now(UTC))
    assert isinstance(away.rules, Away)
    found = drift_of(expected(), away)
    assert {drift.kind for drift in found} == {"unknown"}
    assert {drift.verdict for drift in found} == {"INCONCLUSIVE"}
    assert len(found) == 3
