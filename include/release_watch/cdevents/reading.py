"""Reading an event off an HTTP request, in the structured or the binary mode of CloudEvents 1.0.

Specifications: https://github.com/cloudevents/spec (``http-protocol-binding.md``) and
https://github.com/cdevents/spec (``cloudevents-binding.md``, ``continuous-deployment.md``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
)

from release_watch.cdevents.events import Kind, ServiceEvent
from release_watch.errors import InvalidInputError

STRUCTURED = "application/cloudevents+json"
BINARY = "application/json"
REQUIRED = ("specversion", "id", "source", "type")
KNOWN_TYPES = "dev.cdevents.service.deployed, .upgraded and .rolledback, each of version 0.1 to 0.3"
TYPE = re.compile(r"dev\.cdevents\.service\.(deployed|upgraded|rolledback)\.0\.[123]\.[0-9]{1,4}")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class ContentTypeError(InvalidInputError):
    """The request is in none of the two modes that are understood."""


class NoCloudEventError(InvalidInputError):
    """The request is no CloudEvent."""


def read_event(headers: Mapping[str, str], body: bytes) -> ServiceEvent:
    """Return the event of an HTTP request.

    Raises:
        ContentTypeError: for a batch, and for anything that is not JSON.
        NoCloudEventError: if it is no CloudEvent 1.0.
        InvalidInputError: with every problem of the CDEvent in it, each naming field, value and remedy.
    """
    envelope = _cloud_event(headers, body)
    found = TYPE.fullmatch(envelope.get_type())
    if not found:
        unknown = f"{envelope.get_type()[:80]!r} starts and ends nothing here"
        raise InvalidInputError([f"type: {unknown}; known are {KNOWN_TYPES}"])
    data = envelope.get_data()
    if not isinstance(data, dict):
        raise InvalidInputError(["data: must be the CDEvent as a JSON object, with 'context' and 'subject'"])
    try:
        event = _CDEvent.model_validate(data)
    except ValidationError as error:
        raise InvalidInputError([_problem(problem) for problem in error.errors()]) from error
    problems = _contradictions(envelope, event)
    if problems:
        raise InvalidInputError(problems)
    return ServiceEvent(
        id=event.context.id,
        source=event.context.source,
        type=event.context.type,
        kind=Kind(found[1]),
        at=event.context.timestamp,
        service=event.subject.id.removeprefix("service/"),  # the specification's own example is service/myapp
        environment=event.subject.content.environment.id,
        artifact=event.subject.content.artifactId,
        custom=event.customData,
    )


def _cloud_event(headers: Mapping[str, str], body: bytes) -> BaseCloudEvent:
    plain = {name.lower(): value for name, value in headers.items()}
    mode = plain.get("content-type", "").partition(";")[0].strip().lower()
    if mode not in (STRUCTURED, BINARY):
        remedy = (
            f"send one event as {STRUCTURED} (structured mode), or as {BINARY} with ce- headers (binary mode)"
        )
        raise ContentTypeError([f"content-type: {mode[:80]!r}: {remedy}"])
    message = HTTPMessage(headers={**plain, "content-type": mode}, body=body)
    try:
        if mode == STRUCTURED:
            return from_structured(message, JSONFormat(), _complete)
        return from_binary(message, JSONFormat(), _complete_headers)
    except BaseCloudEventException as error:
        raise NoCloudEventError([str(error)[:500]]) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:  # of a body of any shape
        what = f"no CloudEvent 1.0 in JSON ({type(error).__name__}: {str(error)[:120]})"
        raise NoCloudEventError([f"body: {what}; see the examples in docs/events.md"]) from error


def _complete(attributes: dict[str, Any], data: Any, where: str = "") -> BaseCloudEvent:
    """Return the event if nothing is missing; by itself the package makes up an id where there is none."""
    missing = [name for name in REQUIRED if name not in attributes]
    if missing:
        raise NoCloudEventError([f"{where}{name}: missing; every CloudEvent 1.0 has it" for name in missing])
    return CloudEvent(attributes, data)


def _complete_headers(attributes: dict[str, Any], data: Any) -> BaseCloudEvent:
    return _complete(attributes, data, where="header ce-")


def _written_time(value: object) -> object:
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise ValueError("must be a time as in RFC 3339, with its time zone")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside of the calendar") from error


Text = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""No control characters, as in CloudEvents: it goes into logs and mails."""


class _Context(BaseModel):
    specversion: Annotated[str, StringConstraints(pattern=r"^0\.[345](\.[0-9]+)*$")] = Field(
        validation_alias=AliasChoices("specversion", "version")  # up to 0.4 it was called version
    )
    id: Text
    source: Text
    type: Text
    timestamp: Annotated[AwareDatetime, BeforeValidator(_written_time), AfterValidator(_utc)]


class _Environment(BaseModel):
    id: Text


class _Content(BaseModel):
    environment: _Environment
    artifactId: Text  # noqa: N815 - as CDEvents writes it


class _Subject(BaseModel):
    id: Text
    content: _Content


class _CDEvent(BaseModel):
    context: _Context
    subject: _Subject
    customData: dict[str, Any] = Field(default_factory=dict)  # noqa: N815 - as CDEvents writes it


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "data"
    if error["type"] == "missing":
        return f"{place}: missing; every CDEvent of a service has it"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {str(error['input'])[:80]!r}: {message}"


def _contradictions(envelope: BaseCloudEvent, event: _CDEvent) -> list[str]:
    context = event.context
    pairs = [
        ("id", envelope.get_id(), context.id),
        ("source", envelope.get_source(), context.source),
        ("type", envelope.get_type(), context.type),
        ("subject", envelope.get_subject() or event.subject.id, event.subject.id),
    ]
    return [
        f"{name}: {outer[:80]!r} in the CloudEvent, but {inner[:80]!r} in the CDEvent; they must be the same"
        for name, outer, inner in pairs
        if outer != inner
    ]
