from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from release_watch.artifacts.models import CoverageCheck
from release_watch.catalog.policies import CoveragePolicy
from release_watch.coverage import log_quality
from release_watch.coverage.covering import covering
from release_watch.coverage.log_versions import version_of
from release_watch.coverage.logs import check_logs
from release_watch.coverage.questions import Question
from release_watch.errors import BackendError
from release_watch.release import Release
from release_watch.telemetry.logs import Loki
from tests.coverage.fake_loki import FakeLoki

DEPLOYED = datetime(2026, 1, 2, 3, 0, 0, 500_000, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
AT = DEPLOYED + 4 * MINUTE

Audit = Callable[..., dict[str, dict[str, CoverageCheck]]]


@pytest.fixture(params=[False, True], ids=["Loki", "a server that floors times"])
def loki(request: pytest.FixtureRequest) -> FakeLoki:
    return FakeLoki(floors=request.param)


@pytest.fixture
def audit(loki: FakeLoki, make_release: Callable[..., Release], monkeypatch: pytest.MonkeyPatch) -> Audit:
    def audited(
        *services: str, at: datetime = AT, released: bool = True, selectors: Any = None, **policy: Any
    ) -> dict[str, dict[str, CoverageCheck]]:
        monkeypatch.setattr(log_quality, "now", lambda: at)
        release = make_release(*(services if released else ["another"]))
        question = Question(
            release.model_copy(update={"deployed_at": DEPLOYED}), at, CoveragePolicy(**policy), {}
        )
        wanted = selectors or {name: f'{{service_name="{name}"}}' for name in services}
        found = check_logs(wanted, Loki(loki), question)
        return {service: {check.name: check for check in checks} for service, checks in found.items()}

    return audited


def labels(service: str, version: str | None = "1.1.0", **more: str) -> dict[str, str]:
    return {"service_name": service, **({"version": version} if version else {}), **more}


def statuses(checks: dict[str, CoverageCheck]) -> dict[str, str]:
    return {name: str(check.status) for name, check in checks.items()}


def healthy(loki: FakeLoki, *services: str) -> None:
    for service in services:
        loki.write_steadily(labels(service), DEPLOYED + SECOND, AT, 5 * SECOND)


def test_a_healthy_service_passes_every_check_that_can_be_told_yet(loki: FakeLoki, audit: Audit) -> None:
    healthy(loki, "checkout", "payments")

    found = audit("checkout", "payments")

    assert set(found) == {"checkout", "payments"}
    for checks in found.values():
        assert statuses(checks) == dict.fromkeys(
            ("live", "release", "values", "clock", "cardinality"), "PASS"
        )


def test_a_silent_service_fails_and_is_not_asked_about_its_lines(loki: FakeLoki, audit: Audit) -> None:
    healthy(loki, "payments")

    found = audit("checkout", "payments")

    assert statuses(found["checkout"]) == {"live": "FAIL", "release": "INCONCLUSIVE"}
    assert found["payments"]["live"].status == "PASS"


@pytest.mark.parametrize("at", [DEPLOYED + 5 * SECOND, DEPLOYED + 4 * MINUTE], ids=["at once", "later"])
@pytest.mark.parametrize("services", [1, 400], ids=["one", "many"])
def test_lines_from_before_the_deployment_never_count(
    loki: FakeLoki, audit: Audit, at: datetime, services: int
) -> None:
    names = [f"s-{number}" for number in range(services)]
    loki.write_steadily(labels("s-0"), DEPLOYED - MINUTE, DEPLOYED, SECOND / 4)

    assert audit(*names, at=at)["s-0"]["live"].status == ("FAIL" if at == AT else "INCONCLUSIVE")


def test_right_after_the_deployment_a_missing_line_is_no_gap_yet(loki: FakeLoki, audit: Audit) -> None:
    loki.write_steadily(labels("payments", "1.0.0"), DEPLOYED + SECOND, AT, SECOND)

    found = audit("checkout", "payments", at=DEPLOYED + 14 * SECOND)

    assert statuses(found["checkout"]) == {"live": "INCONCLUSIVE", "release": "INCONCLUSIVE"}
    assert "14 s after the deployment is too soon to tell" in found["checkout"]["live"].observed
    assert found["payments"]["release"].status == "INCONCLUSIVE"
    assert audit("payments", at=DEPLOYED + 15 * SECOND)["payments"]["release"].status == "FAIL"


def test_lines_of_the_old_version_alone_are_not_of_the_release(loki: FakeLoki, audit: Audit) -> None:
    loki.write_steadily(labels("checkout", "1.0.0"), DEPLOYED + SECOND, AT, SECOND)

    release = audit("checkout")["checkout"]["release"]

    assert (release.status, release.observed) == ("FAIL", "only version 1.0.0")


def test_the_version_of_a_service_that_the_release_does_not_change_is_not_asked(
    loki: FakeLoki, audit: Audit
) -> None:
    loki.write_steadily(labels("checkout", None), DEPLOYED + SECOND, AT, SECOND)

    assert "release" not in audit("checkout", released=False)["checkout"]
    assert not any("version" in query and "|" in query.split("}")[1] for query in loki.asked)


@pytest.mark.parametrize(
    "line",
    [
        '{"message":"x","version":"1.1.0"}',
        '{"service.version":"1.1.0"}',
        '{"resource":{"service.version":"1.1.0"}}',
        '{"service":{"name":"checkout","version":"1.1.0"}}',
        'level=info msg="paid" version=1.1.0',
        'service_version="1.1.0" level=info',
    ],
)
def test_the_version_may_be_a_field_of_the_lines(loki: FakeLoki, audit: Audit, line: str) -> None:
    loki.write_steadily(labels("checkout", None), DEPLOYED + SECOND, AT, SECOND, line)

    release = audit("checkout")["checkout"]["release"]

    assert (release.status, release.observed) == ("PASS", "version 1.1.0")
    assert '|= "1.1.0"' in (release.query or "")


@pytest.mark.parametrize(
    ("line", "status", "observed"),
    [
        ('{"version":"1.0.0"}', "FAIL", "only version 1.0.0"),
        ('{"http":{"version":"1.1"},"message":"x"}', "INCONCLUSIVE", "no version in the telemetry"),
        ('{"api_version":"1.1.0"}', "INCONCLUSIVE", "no version in the telemetry"),
        ("upgraded library to version 1.1.0", "INCONCLUSIVE", "no version in the telemetry"),
        ('{"version":"1.1.0"', "INCONCLUSIVE", "no version in the telemetry"),
    ],
)
def test_what_only_resembles_the_version_proves_nothing(
    loki: FakeLoki, audit: Audit, line: str, status: str, observed: str
) -> None:
    loki.write_steadily(labels("checkout", None), DEPLOYED + SECOND, AT, SECOND, line)

    release = audit("checkout")["checkout"]["release"]

    assert (release.status, release.observed) == (status, observed)


def test_a_quiet_service_is_found_behind_busy_ones_that_fill_a_page(loki: FakeLoki, audit: Audit) -> None:
    line = json.dumps({"version": "1.1.0"})
    loki.write_steadily(labels("busy", None), DEPLOYED + SECOND, AT, SECOND / 10, line)
    loki.write(labels("quiet", None), DEPLOYED + 10 * SECOND, line)

    found = audit("busy", "quiet")

    assert {name: str(found[name]["release"].status) for name in found} == {"busy": "PASS", "quiet": "PASS"}


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        pytest.param([""] * 12, "FAIL", id="empty"),
        pytest.param(['{"cut": "o'] * 12, "FAIL", id="truncated"),
        pytest.param(["Traceback (most recent call last):"] * 5, "PASS", id="a few"),
        pytest.param(["plain text"] * 200, "PASS", id="as a rule no JSON"),
    ],
)
def test_lines_that_cannot_be_read_fail_only_if_they_are_many(
    loki: FakeLoki, audit: Audit, broken: list[str], status: str
) -> None:
    for number in range(80):
        loki.write(labels("checkout"), DEPLOYED + (3 + number) * SECOND, '{"level":"info"}')
    for number, text in enumerate(broken):
        loki.write(labels("checkout"), DEPLOYED + (3 + number) * SECOND, text)

    assert audit("checkout")["checkout"]["values"].status == status


def test_too_few_lines_say_nothing_about_how_many_are_broken(loki: FakeLoki, audit: Audit) -> None:
    loki.write(labels("checkout"), AT - MINUTE, "starting")
    loki.write(labels("checkout"), AT - MINUTE, "{}")

    assert "values" not in audit("checkout")["checkout"]


def test_a_line_of_the_future_fails_the_clock_of_its_service_alone(loki: FakeLoki, audit: Audit) -> None:
    healthy(loki, "checkout", "payments")
    loki.write(labels("checkout"), AT + 5 * MINUTE)
    loki.write(labels("payments"), AT + 20 * SECOND)

    found = audit("checkout", "payments")

    assert found["checkout"]["clock"].observed == "a line stamped 5 min in the future"
    assert (found["checkout"]["clock"].status, found["payments"]["clock"].status) == ("FAIL", "PASS")
    assert found["checkout"]["live"].status == "PASS"


LONG = DEPLOYED + 15 * MINUTE


@pytest.mark.parametrize(
    ("pauses", "every", "status"),
    [
        pytest.param([], 5, "PASS", id="none"),
        pytest.param([(420, 500)], 5, "PASS", id="shorter than allowed"),
        pytest.param([(700, 900)], 5, "FAIL", id="silent now"),
        pytest.param([(630, 830)], 5, "PASS", id="back for a moment"),
        pytest.param([(420, 620)], 5, "PASS", id="steady again"),
        pytest.param([(0, 300)], 5, "PASS", id="began to log late"),
        pytest.param([(200, 400), (500, 900)], 5, None, id="comes and goes"),
        pytest.param([(700, 900)], 55, None, id="low traffic"),
        pytest.param([], 150, None, id="very low traffic"),
    ],
)
def test_a_silence_fails_only_after_steady_logging(
    loki: FakeLoki, audit: Audit, pauses: list[tuple[int, int]], every: int, status: str | None
) -> None:
    for second in range(1, 900, every):
        if not any(begin < second < end for begin, end in pauses):
            loki.write(labels("checkout"), DEPLOYED + second * SECOND)

    check = audit("checkout", at=LONG, live_within=10 * MINUTE)["checkout"].get("gaps")

    assert (check and str(check.status)) == status


def test_no_silence_is_told_of_the_old_version(loki: FakeLoki, audit: Audit) -> None:
    loki.write_steadily(labels("checkout", "1.0.0"), DEPLOYED - 30 * MINUTE, DEPLOYED - SECOND, SECOND)
    loki.write_steadily(labels("checkout"), DEPLOYED + 3 * MINUTE, LONG, SECOND)

    assert audit("checkout", at=LONG)["checkout"]["gaps"].status == "PASS"


def test_a_service_with_too_many_streams_fails(loki: FakeLoki, audit: Audit) -> None:
    healthy(loki, "payments")
    for number in range(101):
        loki.write(labels("checkout", request_id=str(number)), AT - MINUTE)

    found = audit("checkout", "payments", max_series=100)

    assert found["checkout"]["cardinality"].observed == "101 streams"
    assert (found["checkout"]["cardinality"].status, found["payments"]["cardinality"].status) == (
        "FAIL",
        "PASS",
    )


@pytest.mark.parametrize(
    ("words", "check"), [("/series", "cardinality"), ("!~", "values"), ("[30s]", "gaps")]
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_query_that_is_refused_leaves_its_check_open_and_the_others_proven(
    loki: FakeLoki, audit: Audit, words: str, check: str, status: int
) -> None:
    loki.write_steadily(labels("checkout"), DEPLOYED + SECOND, LONG, SECOND)
    loki.refuses[words] = status

    found = statuses(audit("checkout", at=LONG)["checkout"])

    assert found.pop(check) == "INCONCLUSIVE"
    assert set(found.values()) == {"PASS"}
    assert len(found) == 5


def test_a_server_that_refuses_to_count_is_an_error(loki: FakeLoki, audit: Audit) -> None:
    loki.refuses["count_over_time"] = 400

    with pytest.raises(BackendError, match="Loki"):
        audit("checkout", "payments")


def test_a_server_with_a_limit_of_series_gets_the_services_in_halves(loki: FakeLoki, audit: Audit) -> None:
    names = [f"s-{number:03}" for number in range(40)]
    healthy(loki, *names[1:])
    loki.most_series = 10

    found = audit(*names)

    assert {name for name in names if found[name]["live"].status == "FAIL"} == {"s-000"}


@pytest.mark.parametrize("count", [3, 1_000])
def test_the_number_of_queries_does_not_grow_and_each_fits_into_an_address(
    loki: FakeLoki, audit: Audit, count: int
) -> None:
    names = [f"team-{number % 17}-service-{number:04}" for number in range(count)]
    for name in names:
        loki.write(labels(name), AT - MINUTE, "{}")
    loki.write(labels("team-1-service-of-others"), AT - MINUTE)

    found = audit(*names)

    assert set(found) == set(names)
    assert {str(check.status) for checks in found.values() for check in checks.values()} == {"PASS"}
    assert len(loki.asked) == 4
    assert max(len(quote_plus(query)) for query in loki.asked) < 6_000
    assert max(len(check.query or "") for checks in found.values() for check in checks.values()) < 200


def test_a_selector_of_another_form_gets_queries_of_its_own(loki: FakeLoki, audit: Audit) -> None:
    healthy(loki, "checkout", "payments-eu", "payments-us")
    selectors = {"checkout": '{service_name="checkout"}', "payments": '{service_name=~"payments-.*"}'}

    found = audit("checkout", "payments", selectors=selectors)

    assert found["payments"]["live"].status == "PASS"
    assert found["checkout"]["live"].status == "PASS"
    assert len(loki.asked) == 8


@pytest.mark.parametrize("most", [10, 40, 100, 10_000])
def test_a_covering_pattern_matches_every_name_and_is_short_enough(most: int) -> None:
    names = ["a", "a.b", "a-b", "payments+", "payments-eu", *(f"svc-{number:03}" for number in range(200))]

    pattern = covering(names, most)

    assert all(re.fullmatch(pattern, name) for name in names)
    assert len(quote_plus(pattern)) <= most
    if most == 10_000:
        assert not re.fullmatch(pattern, "aXb")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('{"version": 2}', None),
        ('["version", "1.1.0"]', None),
        ('{"version": ""}', None),
        ("", None),
        ("myversion=1.1.0", None),
        ('ts=1 service.version="1.1.0-rc 1" x=y', "1.1.0-rc 1"),
    ],
)
def test_the_version_of_a_line_is_a_field_with_some_text(text: str, version: str | None) -> None:
    assert version_of(text) == version
