from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from release_watch.cdevents.events import CUSTOM, Kind, version_of
from release_watch.cdevents.reading import ContentTypeError, NoCloudEventError, read_event
from release_watch.clock import now, rfc3339
from release_watch.errors import InvalidInputError
from release_watch.identifiers import is_identifier
from release_watch.release import Mode, Release, RollbackPolicy

DEPLOYED = "dev.cdevents.service.deployed.0.3.0"
ROLLED_BACK = "dev.cdevents.service.rolledback.0.3.0"
CUSTOM_DATA = {"evidence_uri": "file:///evidence/dep-1", "release_id": "shop-1.1.0", "deployment_id": "dep-1"}


def cdevent(kind: str = DEPLOYED, *, custom: Any = None, **changed: Any) -> dict[str, Any]:
    """Return a CDEvent; ``changed`` replaces fields, addressed as ``context__id``."""
    event: dict[str, Any] = {
        "context": {
            "specversion": "0.5.1",
            "id": "271069a8-fc18-44f1-b38f-9d70a1695819",
            "source": "/orchestrator/production",
            "type": kind,
            "timestamp": "2026-03-02T08:55:00.123Z",
        },
        "subject": {
            "id": "checkout",
            "content": {
                "environment": {"id": "production"},
                "artifactId": "pkg:oci/checkout@sha256%3A0b31b1c02ff458ad?tag=1.1.0",
            },
        },
        "customData": CUSTOM_DATA if custom is None else custom,
    }
    for name, value in changed.items():
        place = event
        *above, last = name.split("__")
        for part in above:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return event


def envelope(event: dict[str, Any], **changed: Any) -> CloudEvent:
    context = event["context"]
    attributes = {
        "specversion": "1.0",
        "id": context.get("id"),
        "source": context.get("source"),
        "type": context.get("type"),
        "datacontenttype": "application/json",
    }
    return CloudEvent({**attributes, **changed}, event)


def structured(event: dict[str, Any], **changed: Any) -> tuple[dict[str, str], bytes]:
    message = http.to_structured_event(envelope(event, **changed))
    return message.headers, message.body


def binary(event: dict[str, Any], **changed: Any) -> tuple[dict[str, str], bytes]:
    message = http.to_binary_event(envelope(event, **changed))
    return message.headers, message.body


def problems(event: dict[str, Any]) -> list[str]:
    """Return what is wrong with the event, or with the release it tells of."""
    with pytest.raises(InvalidInputError) as refused:
        read_event(*structured(event)).release()
    return list(refused.value.problems)


@pytest.mark.parametrize("mode", [structured, binary])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("dev.cdevents.service.deployed.0.1.0", Kind.DEPLOYED),
        ("dev.cdevents.service.deployed.0.2.0", Kind.DEPLOYED),
        ("dev.cdevents.service.upgraded.0.3.0", Kind.UPGRADED),
        ("dev.cdevents.service.rolledback.0.1.1", Kind.ROLLED_BACK),
    ],
)
def test_an_event_is_read_in_both_modes(mode: Any, kind: str, said: Kind) -> None:
    event = read_event(*mode(cdevent(kind)))

    assert (event.kind, event.type, event.service, event.environment) == (
        said,
        kind,
        "checkout",
        "production",
    )
    assert event.at == datetime(2026, 3, 2, 8, 55, 0, 123000, UTC)
    assert event.custom == CUSTOM_DATA


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/cloudevents+json; charset=utf-8"},
        {"content-type": "Application/CloudEvents+JSON"},
    ],
    ids=["charset", "case"],
)
def test_the_content_type_is_read_as_http_has_it(headers: dict[str, str]) -> None:
    assert read_event(headers, structured(cdevent())[1]).service == "checkout"


def test_header_values_are_percent_decoded() -> None:
    event = cdevent(context__source="/orchestrator/größe 1")
    headers, body = binary(event)

    assert "%" in headers["ce-source"]
    assert read_event(headers, body).source == "/orchestrator/größe 1"


@pytest.mark.parametrize("version", ["0.3.0", "0.4.1", "0.5.0"])
def test_the_specification_calls_its_version_by_two_names(version: str) -> None:
    event = cdevent(context__specversion=None, context__version=version)

    assert read_event(*structured(event)).service == "checkout"


def test_the_event_becomes_the_release() -> None:
    custom = {
        **CUSTOM_DATA,
        "services": ["checkout", "payments"],
        "version": "1.1.0-rc1",
        "baseline_window": "PT36H",
        "review_interval": "PT30M",
        "rollback_policy": "auto",
        "mode": "shadow",
    }

    release = read_event(*structured(cdevent(custom=custom))).release()

    assert release == Release(
        deployment_id="dep-1",
        release_id="shop-1.1.0",
        version="1.1.0-rc1",
        environment="production",
        services=("checkout", "payments"),
        deployed_at=datetime(2026, 3, 2, 8, 55, 0, 123000, UTC),
        evidence_uri="file:///evidence/dep-1",
        baseline_window=timedelta(hours=36),
        review_interval=timedelta(minutes=30),
        rollback_policy=RollbackPolicy.AUTO,
        mode=Mode.SHADOW,
    )
    assert set(custom) == set(CUSTOM)


def test_what_the_custom_data_leaves_out_comes_from_the_event() -> None:
    event = read_event(*structured(cdevent(custom={"evidence_uri": "file:///evidence/dep-1"})))

    release = event.release()

    assert release.services == ("checkout",)
    assert (release.version, release.release_id) == ("1.1.0", "checkout-1.1.0")
    assert release.deployment_id == event.id
    assert release.mode is Mode.ENFORCE


def test_an_event_id_that_is_no_identifier_makes_one() -> None:
    events = [
        read_event(*structured(cdevent(context__id=id, custom={"evidence_uri": "file:///e"})))
        for id in ("../../etc/passwd", "../../etc/passwd", "/a b")
    ]

    first, again, other = (event.release().deployment_id for event in events)

    assert first == again != other
    assert is_identifier(first)
    assert {is_identifier(event.key) for event in events} == {True}


def test_the_key_tells_source_and_id_apart() -> None:
    keys = {
        read_event(*structured(cdevent(context__source=source, context__id=id))).key
        for source, id in [("/a", "b"), ("/a/", "b"), ("/", "ab"), ("/a", "b/")]
    }
    assert len(keys) == 4


@pytest.mark.parametrize("subject", ["checkout", "service/checkout"])
def test_the_subject_is_a_service_with_or_without_its_kind(subject: str) -> None:
    assert read_event(*structured(cdevent(subject__id=subject))).release().services == ("checkout",)


@pytest.mark.parametrize(
    ("artifact", "version"),
    [
        ("pkg:oci/checkout@sha256%3A0b31?tag=1.1.0", "1.1.0"),
        ("pkg:oci/checkout@sha256:0b31?repository_url=ghcr.io/shop&tag=1.1.0", "1.1.0"),
        ("pkg:docker/shop/checkout@1.1.0", "1.1.0"),
        ("pkg:docker/shop/checkout@1.1.0?platform=linux#etc", "1.1.0"),
        ("pkg:npm/%40shop/checkout@2.0.0", "2.0.0"),
        ("pkg:golang/example.com/shop/checkout@234fd47e07d1004f0aed9c", "234fd47e07d1004f0aed9c"),
        ("pkg:oci/checkout@sha256%3A0b31", None),
        ("pkg:oci/checkout", None),
        ("pkg:oci/checkout@", None),
        ("checkout-1.1.0.whl", None),
        ("shop@1.1.0", None),
    ],
)
def test_the_version_stands_in_the_package_url(artifact: str, version: str | None) -> None:
    assert version_of(artifact) == version


def test_every_problem_is_told_at_once_in_terms_of_the_event() -> None:
    event = cdevent(
        subject__id="check out",
        subject__content__environment__id="prod/eu",
        subject__content__artifactId="pkg:oci/checkout@sha256%3A0b31",
        context__timestamp=rfc3339(now() + timedelta(hours=1)),
        custom={"release_id": "../x", "mode": "loud", "baseline_window": "P30D", "colour": "red"},
    )

    places = {problem.partition(":")[0] for problem in problems(event)}

    assert places == {
        "customData.colour",
        "customData.release_id",
        "customData.mode",
        "customData.baseline_window",
        "customData.evidence_uri",
        "customData.version",
        "subject.id",
        "subject.content.environment.id",
        "context.timestamp",
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"custom": {**CUSTOM_DATA, "environment": "staging"}}, "customData.environment: unknown; known are"),
        ({"custom": {"release_id": "r"}}, "customData.evidence_uri: missing; give it there"),
        (
            {"custom": {**CUSTOM_DATA, "services": ["payments"]}},
            "subject.id: 'checkout': add it to customData.services",
        ),
        ({"custom": {**CUSTOM_DATA, "services": "checkout"}}, "customData.services: 'checkout'"),
        ({"custom": {**CUSTOM_DATA, "version": None}}, "customData.version: 'None'"),
        (
            {"subject__content__artifactId": "pkg:oci/x@1.1.0+5"},
            "subject.content.artifactId: '1.1.0+5'",
        ),
        ({"custom": "PGRhdGE+"}, "customData: 'PGRhdGE+': Input should be a valid dictionary"),
        ({"custom": [1]}, "customData: '[1]'"),
    ],
)
def test_what_the_custom_data_may_not_say(changed: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems(cdevent(**changed)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"context": None}, "context: missing"),
        ({"context__timestamp": None}, "context.timestamp: missing"),
        (
            {"context__timestamp": "yesterday"},
            "context.timestamp: 'yesterday': must be a time as in RFC 3339",
        ),
        ({"context__timestamp": "2026-03-02T08:55:00"}, "context.timestamp"),
        ({"context__timestamp": 1772441700}, "context.timestamp"),
        ({"context__timestamp": "9999-12-31T23:59:59-01:00"}, "lies outside of the calendar"),
        ({"context__specversion": "0.2.0"}, "context.version: '0.2.0'"),
        ({"context__specversion": None}, "context.specversion: missing"),
        ({"subject__content__environment": None}, "subject.content.environment: missing"),
        ({"subject__content__environment": "production"}, "subject.content.environment: 'production'"),
        ({"subject__content__artifactId": None}, "subject.content.artifactId: missing"),
        ({"subject__id": ""}, "subject.id: ''"),
        ({"subject__id": ["a"]}, "subject.id"),
        ({"subject__id": "a\r\nSet-Cookie: x"}, "subject.id"),
        ({"subject__id": "a" * 251}, "subject.id"),
    ],
)
def test_what_is_no_cdevent_is_refused_by_field_and_value(changed: dict[str, Any], said: str) -> None:
    event = cdevent()
    good = envelope(event)
    message = http.to_structured_event(CloudEvent(good.get_attributes(), cdevent(**changed)))
    with pytest.raises(InvalidInputError) as refused:
        read_event(message.headers, message.body)
    said = said.replace("context.version: '0.2.0'", "context.specversion: '0.2.0'")
    assert any(said in problem for problem in refused.value.problems), refused.value.problems


@pytest.mark.parametrize(
    "kind",
    [
        "dev.cdevents.service.removed.0.3.0",
        "dev.cdevents.service.deployed.0.4.0",
        "dev.cdevents.service.deployed.1.0.0",
        "dev.cdevents.service.deployed",
        "dev.cdevents.service.deployed.0.3.0\n",
        "com.example.deployed",
    ],
)
def test_another_type_is_refused_with_the_known_ones(kind: str) -> None:
    with pytest.raises(InvalidInputError, match=r"known are dev\.cdevents\.service\.deployed"):
        read_event(*structured(cdevent(kind)))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("id", "another"), ("source", "/other"), ("type", ROLLED_BACK), ("subject", "payments")],
)
def test_an_envelope_that_says_something_else_is_refused(attribute: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{attribute}: '{value}' in the CloudEvent, but"):
        read_event(*structured(cdevent(), **{attribute: value}))


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_nothing_is_made_up_for_what_the_envelope_lacks(missing: str) -> None:
    headers, body = structured(cdevent())
    told = json.loads(body)
    del told[missing]
    with pytest.raises(NoCloudEventError, match=f"{missing}: missing"):
        read_event(headers, json.dumps(told).encode())

    headers, body = binary(cdevent())
    del headers[f"ce-{missing}"]
    with pytest.raises(NoCloudEventError, match=f"header ce-{missing}: missing"):
        read_event(headers, body)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/xml",
        "application/cloudevents-batch+json",
        "application/cloudevents+avro",
        "application/x-www-form-urlencoded",
        "application/cloudevents",
    ],
)
def test_other_content_types_are_refused_with_the_two_that_will_do(content_type: str) -> None:
    with pytest.raises(ContentTypeError, match=r"application/cloudevents\+json"):
        read_event({"content-type": content_type}, structured(cdevent())[1])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half of it"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"1" * 5000, id="a long number"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b'{"specversion": "0.3", "id": "1", "source": "/", "type": "t"}', id="0.3"),
        pytest.param(b'{"specversion": "1.0", "id": 1, "source": "/", "type": "t"}', id="id no text"),
        pytest.param(b'{"specversion": "1.0", "id": "1", "source": "/", "type": "t", "time": 5}', id="time"),
        pytest.param(b'{"specversion": "1.0", "id": "1", "source": "/", "type": "t", "A": 5}', id="name"),
    ],
)
def test_a_body_that_is_no_cloud_event_is_refused(body: bytes) -> None:
    with pytest.raises(NoCloudEventError):
        read_event({"content-type": "application/cloudevents+json"}, body)


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b"\xff", b'"text"', b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused_in_binary_mode(body: bytes) -> None:
    headers, _ = binary(cdevent())
    with pytest.raises(InvalidInputError):
        read_event(headers, body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)
PLACES = (
    "context",
    "context__id",
    "context__timestamp",
    "context__specversion",
    "subject",
    "subject__id",
    "subject__content",
    "subject__content__environment__id",
    "subject__content__artifactId",
    "customData",
    *(f"customData__{name}" for name in ("services", "version", "release_id", "deployment_id", "mode")),
)


@given(st.sampled_from(PLACES), json_values.filter(lambda value: value is not None))
def test_whatever_stands_in_a_field_gives_a_release_or_a_refusal(place: str, value: Any) -> None:
    event = json.loads(json.dumps(cdevent(ROLLED_BACK)))
    *above, last = place.split("__")
    holder = event
    for part in above:
        holder = holder[part]
    attributes = envelope(event).get_attributes()
    holder[last] = value
    headers, body = http.to_structured_event(CloudEvent(attributes, event)).__dict__.values()
    try:
        read = read_event(headers, body)
    except InvalidInputError as error:
        assert all(error.problems)
        return
    for meaning in (read.release, read.rollback):
        try:
            meaning()
        except InvalidInputError as error:
            assert all(error.problems)


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/cloudevents+json"]))
def test_whatever_the_body_is_it_is_refused_in_words(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_event({"content-type": content_type, "ce-id": "1"}, body)
    assert all(refused.value.problems)


WATCHED = Release(
    deployment_id="dep-1",
    release_id="shop-1.1.0",
    version="1.1.0",
    environment="production",
    services=("checkout", "payments"),
    deployed_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
    evidence_uri="file:///evidence/dep-1",
)
NOW_RUNS = "pkg:docker/shop/checkout@1.0.0"


@pytest.mark.parametrize(
    ("ends", "changed"),
    [
        pytest.param(True, {"custom": {"release_id": "shop-1.1.0"}}, id="by release"),
        pytest.param(True, {"custom": {"deployment_id": "dep-1"}}, id="by deployment"),
        pytest.param(True, {"custom": {"version": "1.1.0"}}, id="by version"),
        pytest.param(True, {"custom": {}}, id="by what ran before"),
        pytest.param(
            True, {"custom": {"release_id": "shop-1.1.0"}, "subject__id": "db"}, id="release, any service"
        ),
        pytest.param(False, {"custom": {"release_id": "shop-1.2.0"}}, id="another release"),
        pytest.param(False, {"custom": {"deployment_id": "dep-2"}}, id="another deployment"),
        pytest.param(False, {"custom": {"release_id": "shop-1.1.0", "version": "1.2.0"}}, id="contradiction"),
        pytest.param(False, {"custom": {"version": "1.2.0"}}, id="another version"),
        pytest.param(False, {"custom": {"version": "1.1.0"}, "subject__id": "db"}, id="another service"),
        pytest.param(False, {"custom": {}, "subject__id": "db"}, id="another service runs again"),
        pytest.param(
            False,
            {"custom": {}, "subject__content__artifactId": "pkg:docker/shop/checkout@1.1.0"},
            id="back to this very version",
        ),
        pytest.param(
            False,
            {"custom": {"release_id": "shop-1.1.0"}, "subject__content__environment__id": "staging"},
            id="another environment",
        ),
        pytest.param(
            False,
            {"custom": {"release_id": "shop-1.1.0"}, "context__timestamp": "2026-03-02T07:59:59Z"},
            id="before this deployment",
        ),
    ],
)
def test_a_rollback_ends_the_watch_over_what_was_taken_back(ends: bool, changed: dict[str, Any]) -> None:
    changed = {"subject__content__artifactId": NOW_RUNS, **changed}

    assert read_event(*binary(cdevent(ROLLED_BACK, **changed))).rollback().ends(WATCHED) is ends


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"custom": {"release_id": 5}}, "customData.release_id"),
        ({"custom": {"deployment_id": "../x"}}, "customData.deployment_id"),
        ({"custom": {"reason": "slow"}}, "customData.reason"),
        ({"subject__id": "a b"}, "subject.id"),
        ({"subject__content__environment__id": ".."}, "subject.content.environment.id"),
        ({"context__timestamp": "2999-01-01T00:00:00Z"}, "context.timestamp"),
    ],
)
def test_a_rollback_that_names_nothing_that_can_be_is_refused(changed: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_event(*structured(cdevent(ROLLED_BACK, **changed))).rollback()
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [place]
