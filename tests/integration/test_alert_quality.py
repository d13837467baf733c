"""A month of alerts and incidents with known truth, in a real Prometheus, gives exactly the known numbers."""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from release_watch.assurance.correlation import Correlation
from release_watch.assurance.proportion import Proportion
from release_watch.assurance.quality import collecting, command
from release_watch.assurance.quality.incidents_csv import read_incidents
from release_watch.assurance.quality.intervals import AlertInterval
from release_watch.assurance.quality.models import AlertMeasures, AlertReport, Spread, Tally, Times
from release_watch.assurance.quality.review import Judged, judge_firings
from release_watch.assurance.reading import NightReading
from release_watch.assurance.registry import ActiveRelease
from release_watch.catalog.config import load_config
from release_watch.errors import NotConfiguredError
from release_watch.orchestration.steps import assuring
from release_watch.response.incidents import Incident
from release_watch.response.roundup import Roundup
from release_watch.telemetry.metrics import Prometheus
from sandbox.backfill import backfill
from sandbox.stack import Stack
from tests.assurance.fakes import release
from tests.assurance.test_command_lines import load
from tests.integration.direct import DirectTransport

EVALUATION = 30
OFFSET = 0.25
"""Rules are evaluated this much after the half minute: a grid of whole seconds never meets them."""
HOUR, DAY = 3600, 86400
MONTH = timedelta(days=30)
RESTARTS = ((4 * DAY + 13 * HOUR, 20 * 60), (9 * DAY + 13 * HOUR, 30 * 60))
"""When, and for how many seconds, Prometheus evaluated nothing."""


class Fired(NamedTuple):
    """A firing as it was: seconds since the month began, and for how long its condition held before."""

    alert: str
    service: str
    start: int
    seconds: int
    held_before: int = 120
    severity: str = "page"
    instance: str = "a"
    environment: str = "production"
    drill: bool = False

    @property
    def end(self) -> int:
        return self.start + self.seconds

    def labels(self) -> str:
        return (
            f'alertname="{self.alert}",service="{self.service}",severity="{self.severity}",'
            f'instance="{self.instance}",environment="{self.environment}"' + ',drill="true"' * self.drill
        )


class Row(NamedTuple):
    """A line of the incidents file; its times are seconds since the month began."""

    id: str
    service: str
    opened_at: int
    closed_at: int
    began_at: int | None = None
    ended_at: int | None = None
    acknowledged_at: int | None = None
    alert: str = ""
    verdict: str = ""


def day(number: int, hour: float = 12.0) -> int:
    return int(number * DAY + hour * HOUR)


def history() -> tuple[list[Fired], list[Row]]:
    """Return the month. Every day at noon is one event, at most; the numbers below follow from it."""
    fired: list[Fired] = []
    rows: list[Row] = []
    # 10 incidents of checkout, each told of by its page, which begins 60, 90, ... 330 s after the impact and
    # ends 30, 60, ... 300 s after it; acknowledged 40, 50, ... 130 s after the page; ticket 5 min after it.
    for number in range(10):
        page = Fired("CheckoutErrors", "checkout", day(number), 1800)
        fired.append(page)
        rows.append(
            Row(
                f"INC-{number}",
                "checkout",
                opened_at=page.start + 300,
                closed_at=page.end + HOUR,
                began_at=page.start - 60 - 30 * number,
                ended_at=page.end - 30 - 30 * number,
                acknowledged_at=page.start + 40 + 10 * number,
            )
        )
    # 5 false alarms of the same page: four are reviewed, one nobody looked at. Two are at night (23:00).
    for number in range(10, 15):
        night = number in (10, 11)
        alarm = Fired("CheckoutErrors", "checkout", day(number, 23 if night else 12), 600)
        fired.append(alarm)
        if number != 14:
            rows.append(
                Row(
                    f"FA-{number}",
                    "checkout",
                    alarm.start + 60,
                    alarm.end,
                    alert=alarm.alert,
                    verdict="false-alarm",
                )
            )
    # Catalogue: a ticket alert that flaps five times, 20 min apart, and that nobody ever looked at.
    fired += [
        Fired("CatalogueSlow", "catalogue", day(16) + number * 1200, 300, severity="ticket")
        for number in range(5)
    ]
    # Payments: two instances at once are one firing and a duplicate; one incident told of, two not.
    fired += [
        Fired("PaymentsDown", "payments", day(18), 900, instance="a"),
        Fired("PaymentsDown", "payments", day(18) + 60, 900, instance="b"),
    ]
    rows += [
        Row(
            "PAY-1",
            "payments",
            day(18) + 120,
            day(18) + 2 * HOUR,
            began_at=day(18) - 120,
            ended_at=day(18) + 900,
        ),
        Row("PAY-2", "payments", day(20), day(20, 13)),
        Row("PAY-3", "payments", day(21), day(21, 13)),
    ]
    # A drill by its label, and one that somebody did by hand; a firing of maintenance; another environment.
    fired += [
        Fired("CheckoutErrors", "checkout", day(22), 600, drill=True),
        Fired("CheckoutErrors", "checkout", day(23), 600),
        Fired("PaymentsDown", "payments", day(24), 600),
        Fired("CheckoutErrors", "checkout", day(23, 18), 600, environment="staging"),
        Fired("CatalogueErrors", "catalogue", day(25), 600),
    ]
    rows += [
        Row("DRILL-1", "checkout", day(23) - 60, day(23, 13), verdict="drill"),
        Row("CHANGE-1", "*", day(24) - 60, day(24, 13), verdict="maintenance"),
        Row("CAT-1", "catalogue", day(25) + 60, day(25, 13)),
    ]
    # Of the month before: the firing counts there.
    fired.append(Fired("StorefrontDown", "storefront", -HOUR, 2 * HOUR))
    # Two firings that a restart interrupts: one keeps its activeAt, and one has forgotten it.
    fired += [
        Fired("CatalogueErrors", "catalogue", RESTARTS[0][0] - 600, 3600, held_before=1200),
        Fired("CatalogueErrors", "catalogue", RESTARTS[1][0] - 600, 3600, held_before=0),
    ]
    rows += [Row(f"CAT-{2 + n}", "catalogue", at + 600, at + 2 * HOUR) for n, (at, _) in enumerate(RESTARTS)]
    return fired, rows


def evaluations(first: int, last: int) -> Iterator[int]:
    """Yield the evaluations of a time, the last excluded; while Prometheus was away there were none."""
    for moment in range(first, last, EVALUATION):
        if not any(at < moment < at + length for at, length in RESTARTS):
            yield moment


def active_since(one: Fired, moment: int) -> int:
    """Return activeAt as Prometheus has it: an alert with a short ``for`` forgets it in a restart."""
    since = one.start - one.held_before
    forgotten = [at + length for at, length in RESTARTS if one.start < at + length <= moment]
    return max([since, *forgotten]) if one.held_before < 600 else since


def samples(fired: Sequence[Fired], begin: float) -> Iterator[str]:
    """Yield what Prometheus wrote in the month: the two series of each alert, and its dead man's switch."""
    for one in fired:
        for moment in evaluations(one.start, one.end + 1):
            stamp = f"{begin + moment + OFFSET:.3f}"
            yield f'ALERTS{{{one.labels()},alertstate="firing"}} 1 {stamp}'
    for one in fired:
        for moment in evaluations(one.start - one.held_before, one.end + 1):
            at = f"{begin + moment + OFFSET:.3f}"
            yield f"ALERTS_FOR_STATE{{{one.labels()}}} {begin + active_since(one, moment):.0f} {at}"
    for moment in evaluations(0, int(MONTH.total_seconds())):
        if moment % 60 == 0:
            yield f'ALERTS{{alertname="Watchdog",alertstate="firing"}} 1 {begin + moment + OFFSET:.3f}'


def write_rows(file: Path, rows: Sequence[Row], begin: float) -> None:
    times = ("opened_at", "closed_at", "began_at", "ended_at", "acknowledged_at")
    with file.open("w", encoding="utf-8", newline="") as written:
        table = csv.DictWriter(written, Row._fields)
        table.writeheader()
        for row in rows:
            told = {
                name: datetime.fromtimestamp(begin + getattr(row, name), UTC).isoformat()
                for name in times
                if getattr(row, name) is not None
            }
            table.writerow({**row._asdict(), **dict.fromkeys(times, ""), **told})


def by_metric(lines: Iterator[str]) -> Iterator[str]:
    """Yield OpenMetrics: the samples of a metric stand together."""
    return iter(sorted(lines, key=lambda line: line.partition("{")[0]))


def nowhere(environment: str) -> command.Connected:
    raise AssertionError(f"the connections of {environment} are not needed")


class Month(NamedTuple):
    """The Prometheus that holds the month, the file of its incidents, and its end."""

    url: str
    incidents: Path
    end: datetime

    @property
    def window(self) -> tuple[datetime, datetime]:
        return self.end - MONTH, self.end


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    folder = tmp_path_factory.mktemp("quality")
    begin = float((int(time.time()) // DAY - 31) * DAY)
    fired, rows = history()
    write_rows(folder / "incidents.csv", rows, begin)
    stack = Stack(folder, ["prometheus"])
    backfill(stack.layout, by_metric(samples(fired, begin)))
    with stack:
        end = datetime.fromtimestamp(begin, UTC) + MONTH
        yield Month(stack.endpoints["prometheus"], folder / "incidents.csv", end)


@pytest.fixture(scope="module")
def report(month: Month) -> AlertReport:
    """What the command says of the month."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    asked = ["--prometheus", month.url, "--incidents", str(month.incidents)]
    with redirect_stdout(StringIO()) as printed:
        assert command.run(parser.parse_args([*asked, "--until", month.end.isoformat(), "--json"]), nowhere)
    return AlertReport.model_validate_json(printed.getvalue())


class ToldByTracker:
    """The month's Prometheus, and a tracker that tells what is in the file."""

    def __init__(self, month: Month) -> None:
        self._month = month

    def metrics(self, service: object = None) -> Prometheus:  # noqa: ARG002 - one server for all services
        return Prometheus(self._month.url)

    def tickets(self) -> DirectTransport:
        return DirectTransport("http://127.0.0.1:9")

    def alertmanager(self) -> DirectTransport:
        raise NotConfiguredError("alertmanager_default", "silences")

    def incidents(self, *_: object) -> list[Incident]:
        return read_incidents(self._month.incidents)


def numbers(report: AlertReport) -> str:
    """Return all of a report but where it came from."""
    return report.model_dump_json(exclude={"queries", "incident_source"}, indent=1)


def test_command_run_script_and_night_tell_the_same(
    month: Month, report: AlertReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Any = ToldByTracker(month)
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", str(tmp_path))
    monkeypatch.setattr(collecting, "tickets_of", lambda *_: told)
    config = load_config()
    names = [service.name for service in config.catalog.services]
    shop = release("shop-1", *names, days_ago=60)

    script = load("aggregate_coverage")
    monkeypatch.setattr(script, "AirflowBackends", lambda _: told)
    monkeypatch.setattr(script, "now", lambda: month.end)
    options = ["--scope", "monitoring", "--since", "P30D", "--json", "--output", str(tmp_path / "report.md")]
    with redirect_stdout(StringIO()) as printed:
        assert script.main(options) == 0
    by_script = Correlation.model_validate_json(printed.getvalue())

    monkeypatch.setattr(assuring, "now", lambda: month.end)
    monkeypatch.setattr(assuring, "HISTORY", MONTH)
    run: Any = SimpleNamespace(backends=told, config=config, release=shop)
    by_run, _ = assuring.correlated(run)

    entry = ActiveRelease(
        release=shop, services=shop.services, registered_at=month.end, artifacts_uri="file:///artifacts"
    )
    by_night = NightReading([entry], told, config, month.end, month.window[0]).history.correlation(names)

    for found in (by_script, by_run, by_night):
        assert numbers(found.report) == numbers(report)
        assert (found.precision, found.recall) == (Proportion.of(14, 18), Proportion.of(14, 16))
    page = (tmp_path / "report.md").read_text()
    for words in ("| pages | 19 |", "78% (14 of 18;", "| duplicates | 1 |", "acknowledgement | 85 s"):
        assert words in page


def test_a_ticket_of_the_tracker_that_is_marked_is_a_review(tmp_path: Path) -> None:
    begun = datetime.now(UTC)
    with Stack(tmp_path, ["tickets"]) as stack:
        account = json.loads(Path(stack.endpoints["files"]["tickets_credentials"]).read_text())
        transport = DirectTransport(
            stack.endpoints["tickets"], auth=(account["username"], account["password"])
        )
        site = urlsplit(transport.base_url)
        form = {"X-Requested-With": "test", "Origin": f"{site.scheme}://{site.netloc}"}
        form["Referer"] = f"{transport.base_url}/"
        for title in ("checkout pages for nothing [false-alarm]", "payments are down"):
            made = transport.request("POST", "/rest/data/issue", json={"title": title}, headers=form)
            assert made.status == 201, made.body
        tickets = Roundup(transport).incidents(
            begun - timedelta(hours=1), ["checkout", "payments", "catalogue"]
        )
    alerts = [
        AlertInterval("Errors", service, "page", begun, begun + timedelta(minutes=5))
        for service in ("checkout", "payments", "catalogue")
    ]
    review = judge_firings(alerts, tickets, until=begun + timedelta(hours=1))
    assert review.firings == (Judged.FALSE, Judged.TRUE, Judged.UNREVIEWED)
    assert [incident.service for incident in review.incidents] == ["payments"]


def alert(report: AlertReport, name: str) -> AlertMeasures:
    (found,) = (one for one in report.alerts if one.alert == name)
    return found


def counts(tally: Tally) -> tuple[int, ...]:
    return (tally.firings, tally.true_positives, tally.false_positives, tally.unreviewed, tally.excluded)


def test_every_firing_is_judged_as_it_was(report: AlertReport) -> None:
    assert counts(report.tally) == (26, 14, 4, 6, 2)
    assert report.carried_over_firings == 1
    assert report.notes == ()
    assert {one.alert: counts(one.tally) for one in report.alerts} == {
        "CatalogueErrors": (3, 3, 0, 0, 0),
        "CatalogueSlow": (5, 0, 0, 5, 0),
        "CheckoutErrors": (16, 10, 4, 1, 1),
        "PaymentsDown": (2, 1, 0, 0, 1),
    }


def test_precision_and_recall_are_the_known_ones(report: AlertReport) -> None:
    assert report.tally.precision == Proportion.of(14, 18)
    assert (report.tally.lowest, report.tally.highest) == (14 / 24, 20 / 24)
    assert report.caught is not None
    assert report.caught.recall == Proportion.of(14, 16)
    assert report.page_caught == report.caught
    assert [one.ref for one in report.missed] == ["PAY-2", "PAY-3"]
    assert {
        one.alert: (one.tally.precision, one.caught and (one.caught.detected, one.caught.misses))
        for one in report.alerts
    } == {
        "CatalogueErrors": (Proportion.of(3, 3), (3, 0)),
        "CatalogueSlow": (None, (0, 3)),
        "CheckoutErrors": (Proportion.of(10, 14), (10, 0)),
        "PaymentsDown": (Proportion.of(1, 1), (1, 2)),
    }


def test_times_are_the_known_ones_to_the_quarter_of_a_second(report: AlertReport) -> None:
    assert report.times == Times(
        detection=Spread(samples=11, least=60.25, median=180.25, most=330.25),
        reset=Spread(samples=11, least=30.25, median=150.25, most=300.25),
        lead=Spread(samples=14, least=59.75, median=299.75, most=1199.75),
        acknowledge=Spread(samples=10, least=39.75, median=84.75, most=129.75),
    )
    assert alert(report, "CatalogueErrors").fired_seconds == 600 + 3600 + 3600


def test_flapping_duplicates_pages_and_what_nobody_acted_on_are_the_known_ones(report: AlertReport) -> None:
    slow = alert(report, "CatalogueSlow")
    assert (slow.flaps, slow.flapping, slow.pages, slow.not_acted_on) == (4, True, 0, 5)
    checkout = alert(report, "CheckoutErrors")
    assert (checkout.flaps, checkout.pages, checkout.night_pages, checkout.not_acted_on) == (0, 15, 2, 1)
    assert {one.alert: one.duplicates for one in report.alerts if one.duplicates} == {"PaymentsDown": 1}
    assert (report.paging.pages, report.paging.night_pages, report.paging.heavy_shifts) == (19, 2, 0)
    assert sum(shift.pages for shift in report.paging.shifts) == 19
