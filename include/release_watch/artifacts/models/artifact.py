"""What every JSON artifact is made of.

Downstream owners parse artifacts: fields may be added, never renamed. Times are RFC 3339 UTC with
milliseconds, durations are seconds.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from release_watch.clock import Timestamp

SCHEMA_VERSION = "1.0"


class Signal(StrEnum):
    """The four kinds of telemetry a release must have."""

    METRICS = "metrics"
    LOGS = "logs"
    TRACES = "traces"
    SYNTHETICS = "synthetics"


class Part(BaseModel):
    """A part of an artifact."""

    model_config = ConfigDict(frozen=True)


class Artifact(BaseModel):
    """What every JSON artifact begins with."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = SCHEMA_VERSION
    release_id: str
    environment: str
    generated_at: Timestamp


class Window(Part):
    """A span of time, start inclusive."""

    start: Timestamp
    end: Timestamp
