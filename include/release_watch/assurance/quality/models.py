"""What is known of alerts after a month: numbers, and the query or source behind each."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Self

from pydantic import BaseModel, ConfigDict

from release_watch.artifacts.models import Window
from release_watch.assurance.proportion import Proportion
from release_watch.clock import Timestamp
from release_watch.verdict import Verdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Part):
    """Several lengths of time: how many, and the least, the median and the most, in seconds."""

    samples: int
    least: float
    median: float
    most: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Self | None:
        """Return the spread, or None of nothing."""
        found = sorted(seconds)
        if not found:
            return None
        return cls(samples=len(found), least=found[0], median=median(found), most=found[-1])


class Times(_Part):
    """The times of alerting on incidents; None where nobody wrote down what it needs.

    ``detection`` is from the begin of the impact to the first alert, and ``reset`` from the end of the impact
    to the end of the last alert (SRE Workbook, ch. 5); negative where the alert was first. ``lead`` is from
    the first alert to the ticket; ``acknowledge`` from the first alert to the acknowledgement.
    """

    detection: Spread | None
    reset: Spread | None
    lead: Spread | None
    acknowledge: Spread | None


class Tally(_Part):
    """How firings were judged. Only the reviewed ones, true and false, are in the precision.

    ``lowest`` and ``highest`` are the precision if all that nobody reviewed were false, or true.
    """

    firings: int
    true_positives: int
    false_positives: int
    unreviewed: int
    excluded: int
    precision: Proportion | None
    lowest: float | None
    highest: float | None


class Caught(_Part):
    """How many incidents alerts told of."""

    incidents: int
    detected: int
    recall: Proportion | None

    @property
    def misses(self) -> int:
        """How many they did not tell of."""
        return self.incidents - self.detected


class AlertMeasures(_Part):
    """How one alert of one service did.

    ``duplicates`` are series that fired while another of the same alert did; ``flaps`` how often it came back
    soon after its end; ``not_acted_on`` the firings of which no ticket and no row tells. ``caught`` is held
    against the incidents of its service.
    """

    alert: str
    service: str
    severity: str
    tally: Tally
    caught: Caught | None
    times: Times
    fired_seconds: float
    duplicates: int
    flaps: int
    flapping: bool
    noisy: bool
    pages: int
    night_pages: int
    silenced: int | None
    not_acted_on: int | None
    query: str


class IncidentMeasures(_Part):
    """What alerts told of one incident: which ones, first to last, and the times in seconds."""

    ref: str
    service: str
    title: str
    began_at: Timestamp
    opened_at: Timestamp
    alerts: tuple[str, ...]
    firings: int
    paged: bool
    detection_seconds: float | None
    reset_seconds: float | None
    lead_seconds: float | None
    acknowledge_seconds: float | None

    @property
    def missed(self) -> bool:
        """Whether no alert told of it."""
        return self.firings == 0


class ShiftLoad(_Part):
    """The pages of one shift; ``person`` is None without a rotation. ``heavy``: more than is bearable."""

    person: str | None
    start: Timestamp
    end: Timestamp
    pages: int
    night_pages: int
    heavy: bool


class Paging(_Part):
    """How often people were paged; shifts without a page are in ``quiet_shifts`` only."""

    pages: int
    night_pages: int
    pages_per_shift: float
    busiest: int
    heavy_shifts: int
    quiet_shifts: int
    shifts: tuple[ShiftLoad, ...]
    night: str
    rotation: str


class AlertReport(_Part):
    """Alerts of a window against its incidents.

    ``reviewed`` is False where no incidents could be had, with the reason: nothing is then known of precision
    and recall. ``carried_over`` firings and incidents began before the window and are counted in none of its
    numbers. ``page_caught`` counts only what paged. ``notes`` say what part of the history is not known.
    """

    window: Window
    reviewed: bool
    reason: str
    tally: Tally
    caught: Caught | None
    page_caught: Caught | None
    times: Times
    alerts: tuple[AlertMeasures, ...]
    incidents: tuple[IncidentMeasures, ...]
    paging: Paging
    carried_over_firings: int
    carried_over_incidents: int
    rules: tuple[str, ...]
    queries: dict[str, str]
    incident_source: str
    notes: tuple[str, ...] = ()

    @property
    def silences_known(self) -> bool:
        """Whether pages are counted without those that were silenced."""
        return all(one.silenced is not None for one in self.alerts)

    @property
    def missed(self) -> tuple[IncidentMeasures, ...]:
        """The incidents that no alert told of."""
        return tuple(one for one in self.incidents if one.missed)

    @property
    def verdict(self) -> Verdict:
        """GO if alerts and incidents agree, WARN where something is to be tuned, INCONCLUSIVE unreviewed."""
        if not self.reviewed:
            return Verdict.INCONCLUSIVE
        poor = any(one.noisy or one.flapping for one in self.alerts)
        tune = self.missed or poor or self.paging.heavy_shifts or self.notes
        return Verdict.WARN if tune else Verdict.GO
