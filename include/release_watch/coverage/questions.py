"""What an audit asks, and the checks that its answers become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from release_watch.artifacts.models import CoverageCheck, CoverageStatus
from release_watch.catalog.policies import CoveragePolicy
from release_watch.clock import in_words, rfc3339
from release_watch.release import Release


@dataclass(frozen=True)
class Question:
    """The terms of one audit: which release, as of when, how good samples must be, which endpoints."""

    release: Release
    at: datetime
    policy: CoveragePolicy
    endpoints: Mapping[str, Sequence[str]]

    @property
    def since(self) -> datetime:
        """The moment after which a sample proves that a signal is live: never before the deployment."""
        return max(self.release.deployed_at, self.at - self.policy.live_within)

    @property
    def fresh(self) -> str:
        """What is expected of a live signal, in words."""
        return f"samples after {rfc3339(self.since)}"


def passed(name: str, query: str | None, observed: str, expected: str) -> CoverageCheck:
    """Return a check that found what it expected."""
    return CoverageCheck(
        name=name, status=CoverageStatus.PASS, query=query, observed=observed, expected=expected
    )


def failed(name: str, query: str | None, observed: str, expected: str, remedy: str) -> CoverageCheck:
    """Return a check that found a gap, and how to close it."""
    return CoverageCheck(
        name=name,
        status=CoverageStatus.FAIL,
        query=query,
        observed=observed,
        expected=expected,
        remedy=remedy,
    )


def unanswered(name: str, query: str | None, observed: str, expected: str, remedy: str) -> CoverageCheck:
    """Return a check that could not be decided, which is never a pass."""
    return CoverageCheck(
        name=name,
        status=CoverageStatus.INCONCLUSIVE,
        query=query,
        observed=observed,
        expected=expected,
        remedy=remedy,
    )


def live_check(newest: datetime | None, query: str, question: Question, remedy: str) -> CoverageCheck:
    """Return whether the newest sample is fresh enough and younger than the deployment."""
    if newest is None:
        return failed("live", query, "no sample", question.fresh, remedy)
    observed = f"newest sample {in_words(max(timedelta(0), question.at - newest))} old"
    if newest > question.since:
        return passed("live", query, observed, question.fresh)
    return failed("live", query, observed, question.fresh, remedy)


def release_check(
    live: CoverageCheck, versions: Iterable[str], query: str, question: Question, where: str
) -> CoverageCheck:
    """Return whether the version of the release is among those that the fresh samples name."""
    wanted = question.release.version
    named = sorted({version for version in versions if version})
    expected = f"samples of version {wanted}"
    if wanted in named:
        return passed("release", query, f"version {wanted}", expected)
    if named:
        remedy = f"see why {wanted} does not send: is it deployed, and scraped or collected?"
        return failed("release", query, f"only version {', '.join(named)}", expected, remedy)
    if live.status is not CoverageStatus.PASS:
        remedy = "first see that the signal is live"
        return unanswered("release", query, "no live sample to read a version from", expected, remedy)
    remedy = f"have the service name its version: {where}"
    return unanswered("release", query, "no version in the telemetry", expected, remedy)
