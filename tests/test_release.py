from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_watch.clock import format_duration, now, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.identifiers import IDENTIFIER_PATTERN
from release_watch.release import PARAM_SCHEMAS, Mode, Release, RollbackPolicy

GOOD: dict[str, Any] = {
    "deployment_id": "dep-1",
    "release_id": "shop-1.1.0",
    "version": "1.1.0",
    "environment": "production",
    "services": ["checkout", "payments"],
    "deployed_at": "2026-01-02T03:04:05.678Z",
    "evidence_uri": "file:///evidence/dep-1",
}


def test_a_release_is_read_from_params_with_the_defaults_of_production() -> None:
    release = Release.from_params(GOOD)

    assert release.services == ("checkout", "payments")
    assert release.deployed_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert release.baseline_window == timedelta(hours=24)
    assert release.rollback_policy is RollbackPolicy.ASK
    assert (release.mode, release.shadow) == (Mode.ENFORCE, False)


def test_what_is_written_as_json_is_read_back_as_the_same_release() -> None:
    release = Release.from_params({**GOOD, "baseline_window": "PT36H", "mode": "shadow"})

    written = release.model_dump(mode="json")

    assert written["baseline_window"] == "P1DT12H"
    assert written["deployed_at"] == GOOD["deployed_at"]
    assert Release.from_params(written) == release


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("release_id", "../../etc", "not a valid identifier"),
        ("release_id", 'x"} or vector(1)', "not a valid identifier"),
        ("version", "", "not a valid identifier"),
        ("environment", "prod/eu", "not a valid identifier"),
        ("services", [], "name at least one service"),
        ("services", ["a", "a"], "named twice"),
        ("services", ["a b"], "not a valid identifier"),
        ("deployed_at", "yesterday", "datetime"),
        ("deployed_at", "2026-01-02T03:04:05", "timezone"),
        pytest.param(
            "deployed_at",
            rfc3339(now() + timedelta(hours=1)),
            "in the future",
            id="deployed_at-in-the-future",
        ),
        ("evidence_uri", "http://evil.example/x", "one of the schemes"),
        ("evidence_uri", "/etc/passwd", "one of the schemes"),
        ("evidence_uri", "file:///a/../etc", "'..'"),
        ("baseline_window", "24 hours", "ISO 8601"),
        ("baseline_window", "P8D", "between PT1S and P7D"),
        ("review_interval", "PT0S", "between PT1S and P7D"),
        ("rollback_policy", "maybe", "auto"),
        ("mode", "dry", "enforce"),
        ("surprise", 1, "unknown parameter; known are deployment_id"),
    ],
)
def test_a_bad_parameter_is_refused_by_field_with_a_remedy(field: str, value: object, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Release.from_params({**GOOD, field: value})

    assert any(problem.startswith(field) and said in problem for problem in caught.value.problems)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Release.from_params({"release_id": "..", "environment": "x y"})

    fields = {problem.split(":")[0] for problem in caught.value.problems}
    missing = {"deployment_id", "version", "services", "deployed_at", "evidence_uri"}
    assert fields == {"release_id", "environment"} | missing


@given(
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=7)).map(
        lambda d: timedelta(seconds=d // timedelta(seconds=1))
    )
)
def test_every_window_of_whole_seconds_that_the_model_takes_fits_the_schema_of_the_api(
    length: timedelta,
) -> None:
    text = format_duration(length)

    jsonschema.validate(text, PARAM_SCHEMAS["baseline_window"])
    assert Release.from_params({**GOOD, "baseline_window": text}).baseline_window == length


def test_the_schemas_of_the_api_describe_exactly_the_fields_of_a_release() -> None:
    assert set(PARAM_SCHEMAS) == set(Release.model_fields)


@given(st.from_regex(re.compile(IDENTIFIER_PATTERN.replace("$", r"\Z"))))
def test_what_the_api_takes_as_an_identifier_the_model_takes_too(value: str) -> None:
    assert Release.from_params({**GOOD, "release_id": value}).release_id == value
