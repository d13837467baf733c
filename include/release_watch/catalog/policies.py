"""Policies: how long, how often, how many. Durations are ISO 8601 in YAML and ``timedelta`` in Python."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
)

from release_watch.catalog.fields import Name
from release_watch.catalog.quiet_hours import QuietHours
from release_watch.clock import format_duration, parse_duration

LONGEST = timedelta(days=30)


def _parsed(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("is not an ISO 8601 duration such as PT24H")
    return parse_duration(value)


def _bounded(value: timedelta) -> timedelta:
    if not timedelta(0) < value <= LONGEST:
        raise ValueError(f"must be longer than nothing and at most {format_duration(LONGEST)}")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_parsed),
    AfterValidator(_bounded),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
]


class _Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SignalsPolicy(_Policy):
    """Waiting for what upstream has to say: validation, feature flags, documents."""

    deadline: Duration = timedelta(hours=2)
    poll_interval: Duration = timedelta(seconds=30)


class EvidencePolicy(_Policy):
    """What the deployment documents must be: not older than ``max_age`` when read, not larger."""

    max_age: Duration = timedelta(hours=24)
    max_bytes: int = Field(5_000_000, ge=1_000, le=50_000_000)


class CoveragePolicy(_Policy):
    """What a signal must be to count as live and usable.

    The newest sample at most ``live_within`` old, no gap longer than ``max_gap``, no service with more than
    ``max_series`` series, no clock wrong by more than ``max_clock_skew``.
    """

    live_within: Duration = timedelta(minutes=5)
    max_gap: Duration = timedelta(minutes=2)
    max_series: int = Field(10_000, ge=100)
    max_clock_skew: Duration = timedelta(seconds=30)


class RemediationPolicy(_Policy):
    """How often a failed gate looks again, and when it gives up as BLOCKED."""

    interval: Duration = timedelta(minutes=5)
    deadline: Duration = timedelta(hours=8)


class ApprovalsPolicy(_Policy):
    """How long a person has to answer; no answer is No."""

    timeout: Duration = timedelta(hours=4)


ReceiverKind = Literal["embedded", "alerta", "pagerduty", "mail"]


class ReceiverSettings(_Policy):
    """Where the record of an Alertmanager receiver is kept, and by which Airflow connection it is read.

    ``embedded`` is the receiver of this package and needs no connection; for another kind None means the
    connection that is usual for the kind.
    """

    kind: ReceiverKind = "embedded"
    connection: Name | None = None

    @field_validator("connection")
    @classmethod
    def _of_another_kind(cls, connection: str | None, info: ValidationInfo) -> str | None:
        if connection is not None and info.data.get("kind") == "embedded":
            raise ValueError(
                "is not used by the embedded receiver; name the kind it belongs to, or leave it out"
            )
        return connection


class DrillPolicy(_Policy):
    """The targets of a synthetic incident, counted from the moment it is started, and its manners.

    A receiver gets at most ``per_receiver`` drills in any ``every``, and none in ``quiet_hours`` unless a
    person forces it. The nightly run makes at most ``per_night`` drills. ``receivers`` are those of
    Alertmanager, by their name there.
    """

    deliver_within: Duration = timedelta(minutes=5)
    acknowledge_within: Duration = timedelta(minutes=15)
    per_receiver: int = Field(60, ge=1, le=10_000)
    every: Duration = timedelta(hours=1)
    per_night: int = Field(50, ge=1, le=10_000)
    quiet_hours: QuietHours | None = None
    receivers: dict[str, ReceiverSettings] = Field(default_factory=dict)

    def receiver(self, name: str) -> ReceiverSettings:
        """Return the settings of an Alertmanager receiver; one that is not named is the embedded one."""
        return self.receivers.get(name, ReceiverSettings())


class RulesPolicy(_Policy):
    """How often alert rules are evaluated: pages and symptoms, and the slow windows of tickets."""

    interval: Duration = timedelta(seconds=30)
    ticket_interval: Duration = timedelta(minutes=2)


REFERENCE_OFFSET_STEPS = 5


class BaselinePolicy(_Policy):
    """When a baseline convinces: enough samples, few gaps; else the window is extended this often.

    The reference ends ``reference_offset`` before the deployment; None is five steps, so PT5M. A pinned
    baseline is used until ``known_good_max_age`` after the end of its window, whatever its pin says.
    """

    step: Duration = timedelta(minutes=1)
    min_samples: int = Field(720, ge=3)
    min_completeness: float = Field(0.8, gt=0, le=1)
    reference_window: Duration = timedelta(hours=48)
    reference_offset: Duration | None = None
    known_good_max_age: Duration = timedelta(days=30)
    extensions: int = Field(2, ge=0, le=10)

    @field_validator("reference_offset")
    @classmethod
    def _shorter_than_the_window(cls, offset: timedelta | None, info: ValidationInfo) -> timedelta | None:
        window = info.data.get("reference_window", LONGEST)
        if offset is not None and offset > window:
            raise ValueError(
                f"must be at most the reference_window, {format_duration(window)}: what ended longer ago "
                "says little about the release"
            )
        return offset

    @property
    def offset(self) -> timedelta:
        """How long before the deployment the reference ends."""
        return self.reference_offset or min(REFERENCE_OFFSET_STEPS * self.step, self.reference_window)


class WatchPolicy(_Policy):
    """How often the window looks at alerts, and how long resource metrics may warm up unjudged."""

    poll_interval: Duration = timedelta(minutes=1)
    warm_up: Duration = timedelta(minutes=15)


class JudgePolicy(_Policy):
    """What is worse and what is noise.

    Where no golden metric is worse, metrics of ``corroborating_families`` (errors, latency, traffic,
    resources, other) must be, for a service to be.
    """

    min_relative_effect: float = Field(0.1, gt=0, le=10)
    persistence: int = Field(3, ge=1, le=100)
    spread_factor: float = Field(4.0, gt=0, le=100)
    corroborating_families: int = Field(2, ge=1, le=5)


class TicketPolicy(_Policy):
    """Where tickets are kept; the server is the connection ``tickets_default``.

    In Jira they are made in ``project`` as ``issue_type``, and closed into ``closed_status``, or where that
    is None into the first status that the workflow counts as done.
    """

    tracker: Literal["roundup", "jira"] = "roundup"
    project: str | None = Field(None, pattern=r"^[A-Z][A-Z0-9_]{1,99}$", validate_default=True)
    issue_type: str = Field("Bug", min_length=1, max_length=60)
    closed_status: str | None = Field(None, min_length=1, max_length=60)

    @field_validator("project")
    @classmethod
    def _needed_in_jira(cls, project: str | None, info: ValidationInfo) -> str | None:
        if project is None and info.data.get("tracker") == "jira":
            raise ValueError("is missing; name the Jira project that tickets are made in, such as OPS")
        return project


class ResponsePolicy(_Policy):
    """What follows a finding: how far apart rollbacks are, how long one may take, where tickets are kept.

    Within ``cool_down`` after a rollback of the same service no other is asked for without a person's Yes.
    """

    cool_down: Duration = timedelta(hours=1)
    rollback_within: Duration = timedelta(minutes=30)
    tickets: TicketPolicy = TicketPolicy()


_NIGHT = QuietHours.model_validate({"from": "22:00", "until": "07:00", "time_zone": "UTC"})


class AlertQualityPolicy(_Policy):
    """By which rules alerts are held against incidents, and from when on one is called noisy or flapping.

    ``lead``, ``trail`` and ``dependencies`` say what belongs together, ``review`` whether an alert without an
    incident is false (tracker) or only one that a person called false (explicit). Samples of alerts are
    read every ``resolution``. ``night`` is in the time zone of the rotation, where it has one. A ``shift`` of
    at most ``pages_per_shift`` pages is bearable (two in twelve hours: Site Reliability Engineering, ch. 11).
    """

    lead: Duration = timedelta(minutes=30)
    trail: Duration | None = None
    dependencies: bool = False
    review: Literal["explicit", "tracker"] = "explicit"
    resolution: Duration = Field(timedelta(seconds=15), ge=timedelta(seconds=1), le=timedelta(minutes=5))
    joined_gap: Duration = timedelta(minutes=5)
    flap_within: Duration = timedelta(hours=1)
    flapping_from: int = Field(3, ge=1)
    fewest_firings: int = Field(3, ge=1)
    noisy_below: float = Field(0.5, gt=0, le=1)
    page_severities: tuple[str, ...] = ("page",)
    night: QuietHours = _NIGHT
    shift: Duration = timedelta(hours=12)
    pages_per_shift: int = Field(2, ge=1)


class DashboardsPolicy(_Policy):
    """Where dashboards go; files are written to ``provisioning_directory`` where there is no Grafana API."""

    folder: str = Field("Release Watch", min_length=1, max_length=100)
    provisioning_directory: str | None = None


class Policies(_Policy):
    """All policies; what a file leaves out has the value for production."""

    signals: SignalsPolicy = SignalsPolicy()
    evidence: EvidencePolicy = EvidencePolicy()
    coverage: CoveragePolicy = CoveragePolicy()
    remediation: RemediationPolicy = RemediationPolicy()
    approvals: ApprovalsPolicy = ApprovalsPolicy()
    drill: DrillPolicy = DrillPolicy()
    rules: RulesPolicy = RulesPolicy()
    baseline: BaselinePolicy = BaselinePolicy()
    watch: WatchPolicy = WatchPolicy()
    judge: JudgePolicy = JudgePolicy()
    response: ResponsePolicy = ResponsePolicy()
    alert_quality: AlertQualityPolicy = AlertQualityPolicy()
    dashboards: DashboardsPolicy = DashboardsPolicy()
