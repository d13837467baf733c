"""What the alerts of an SLO say: which window fired, how much fails, how much budget is gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import literal
from release_watch.slo.recorded import BUDGET_BURNED, Recorded
from release_watch.slo.rulefile import duration
from release_watch.slo.windows import BurnWindow, plain, seconds

_PERCENT = "{{ . | first | value | humanizePercentage }}"
_COUNT = '{{ . | first | value | printf "%.0f" }}'
_LENGTH = "{{ . | first | value | humanizeDuration }}"
_MOMENT = "{{ . | first | value | humanizeTimestamp }}"


class AlertWords:
    """Writes descriptions whose numbers Prometheus fills in at the moment of the alert.

    Every number has words for the case that there is none, so that no description fails.
    """

    def __init__(self, slo: Slo, recorded: Recorded) -> None:
        self._slo = slo
        self._recorded = recorded

    def burn(self, tests: Sequence[tuple[BurnWindow, str]]) -> str:
        """Return the description of a burn-rate alert with these arms and their PromQL."""
        windows = sorted({window for arm, _ in tests for window in (arm.long, arm.short)})
        fired = "".join(
            self._ask(
                test,
                f"The windows {duration(arm.long)} and {duration(arm.short)} fire: above "
                f"{percent(arm.threshold)}, the pace that uses {percent(arm.budget)} of the budget in "
                f"{duration(arm.long)}. ",
                "",
            )
            for arm, test in tests
        )
        now = ", ".join(f"{duration(window)} {self._ratio(window)}" for window in windows)
        words = f"{self._objective()} {fired}Error ratio now: {now}. {self._budget(tests[0][0].long)}"
        if tests[0][0].severity == "page" and self._slo.ticket:
            words += (
                " While this page is silenced or acknowledged, the ticket of the same SLO keeps quiet too."
            )
        return words

    def low_traffic(self, bad_and_all: Sequence[str]) -> str:
        """Return the description of the alert on few failures, given the PromQL of their and all number."""
        bad, everything = (self._ask(query, _COUNT, "an unknown number") for query in bad_and_all)
        return (
            f"{self._objective()} In 3 days {bad} of {everything} events failed: too few for the burn-rate "
            f"alerts, and yet an outage, or the end of the budget. {self._budget(timedelta(days=3))}"
        )

    def _objective(self) -> str:
        what = self._slo.description.rstrip(".") or "Good events"
        group = ", ".join(f"{label}={{{{ $labels.{label} }}}}" for label in self._slo.group_by)
        where = f" ({group})" if group else ""
        of = f"slices of {duration(self._slo.slice)}" if self._slo.slice else "events"
        objective = f"{percent(self._slo.objective)} of {of} in {self._slo.window_days} days"
        return f"{self._matchers()}{literal(what)}{where}: the objective is {objective}."

    def _ratio(self, window: timedelta) -> str:
        return self._ask(self._recorded.series("error_ratio", window), _PERCENT, "no data")

    def _budget(self, pace: timedelta) -> str:
        """Return how much of the budget is gone, and how long the rest lasts at the pace of a window."""
        burned = self._recorded.named(BUDGET_BURNED)
        ratio = self._recorded.series("error_ratio", pace)
        allowed = plain(self._slo.error_budget * seconds(timedelta(days=self._slo.window_days)))
        rest = f"(1 - {burned}) * {allowed} / ({ratio} > 0) > 0"
        until = self._ask(f"round(time() + ({rest}))", _MOMENT, "an unknown time")
        lasts = f"; at the pace of the last {duration(pace)} the rest lasts {_LENGTH}, until {until}"
        return (
            f"Of the error budget of {self._slo.window_days} days "
            f"{self._ask(burned, f'{_PERCENT} is gone', 'an unknown part is gone')}"
            f"{self._ask(f'{burned} >= 1', ': nothing is left', '')}"
            f"{self._ask(rest, lasts, '')}."
        )

    def _ask(self, query: str, shown: str, otherwise: str) -> str:
        """Return a template that shows what ``query`` answers; ``.`` in ``shown`` stands for the answer."""
        other = f"{{{{ else }}}}{otherwise}" if otherwise else ""
        short = query.replace("%", "%%").replace(f"{{{self._recorded.matchers}}}", "%[1]s")
        return f"{{{{ with query (printf {_string(short)} $of) }}}}{shown}{other}{{{{ end }}}}"

    def _matchers(self) -> str:
        """Return a template that keeps the matchers of the alert's own series, and shows nothing."""
        if not self._slo.group_by:
            return f"{{{{ $of := {_string(f'{{{self._recorded.matchers}}}')} }}}}"
        own = "".join(f",{label}=%q" for label in self._slo.group_by)
        text = _string(f"{{{self._recorded.matchers.replace('%', '%%')}{own}}}")
        values = " ".join(f"$labels.{label}" for label in self._slo.group_by)
        return f"{{{{ $of := printf {text} {values} }}}}"


def percent(share: Decimal) -> str:
    """Return a share as people read it, such as ``99.9 %``."""
    return f"{plain(share * 100)} %"


def _string(text: str) -> str:
    if "`" not in text:
        return f"`{text}`"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
