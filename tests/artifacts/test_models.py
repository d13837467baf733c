from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from release_watch.artifacts.__main__ import DOCUMENTED, write_schemas
from release_watch.artifacts.models import (
    PUBLISHED,
    Artifact,
    CoverageStatus,
    GateRecord,
    InstrumentationAudit,
    ServiceAudit,
    Signal,
    SignalAudit,
)
from release_watch.verdict import Verdict

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))


def audit(**changes: object) -> InstrumentationAudit:
    service = ServiceAudit(
        service="checkout",
        tier="critical",
        score=1.0,
        signals={Signal.LOGS: SignalAudit(status=CoverageStatus.PASS, checks=())},
    )
    fields = {
        "release_id": "shop-1.1.0",
        "environment": "production",
        "generated_at": AT,
        "verdict": Verdict.GO,
        "services": (service,),
        **changes,
    }
    return InstrumentationAudit.model_validate(fields)


@pytest.mark.parametrize("model", PUBLISHED.values(), ids=PUBLISHED)
def test_every_json_artifact_begins_with_the_same_four_fields(model: type[Artifact]) -> None:
    assert list(model.model_fields)[:4] == ["schema_version", "release_id", "environment", "generated_at"]


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert audit().model_dump(mode="json")["generated_at"] == "2026-01-02T02:04:05.000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="generated_at"):
        audit(generated_at=datetime(2026, 1, 2))  # noqa: DTZ001 - that it has no zone is the point


@pytest.mark.parametrize("gate", [0, 5])
def test_there_are_four_gates(gate: int) -> None:
    with pytest.raises(ValidationError, match="gate"):
        GateRecord(gate=gate, verdict=Verdict.GO, decided_at=datetime.now(UTC), objectives=())


def test_an_artifact_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        audit().verdict = Verdict.NO_GO  # type: ignore[misc]


def test_the_published_schema_fits_what_is_written(tmp_path: Path) -> None:
    written = write_schemas(tmp_path)

    assert {path.name for path in written} == {
        f"{name.removesuffix('.json')}.schema.json" for name in DOCUMENTED
    }
    schema = json.loads((tmp_path / "instrumentation-audit.schema.json").read_text())
    document = audit().model_dump(mode="json")
    jsonschema.Draft202012Validator(schema).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**document, "verdict": "FINE"})
