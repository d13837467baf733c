"""What the answers of the light watch show, and when that wakes a review.

A sign wakes a review once it was seen at so many polls in a row that the judge can see it too, and once only:
it can do so again after ``CALM`` polls without it. Nothing heavy is imported here: the triggerer runs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from release_watch.catalog.policies import JudgePolicy

SIGN = "release_watch_sign"
"""The label by which the answers tell which golden signal they are of."""

FEWEST_POLLS = 2
CALM = 5


def signs_in(body: Any) -> dict[str, str]:
    """Return what the answer to one of these queries shows, by name, with its words.

    Raises:
        ValueError: if it is no result of an instant query.
    """
    try:
        if body["status"] != "success":
            raise ValueError(str(body.get("error", body))[:300])
        return dict(_sign(entry) for entry in body["data"]["result"])
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError("the answer is no query result") from error


def _sign(entry: Mapping[str, Any]) -> tuple[str, str]:
    labels = entry["metric"]
    if SIGN in labels:
        return str(
            labels[SIGN]
        ), f"{labels[SIGN]} is at {float(entry['value'][1]):.4g}, out of its normal range"
    name = f"{labels.get('service', '')} alert {labels['alertname']}"
    if "slo" in labels:
        name += f" {labels['slo']}"
    return name, f"{name} fires"


class Attention:
    """Tells signs that are new from those that a review has seen.

    Args:
        known: the signs that a review has seen.
        waking: at how many polls in a row a sign must be seen to wake one.
    """

    def __init__(self, known: Iterable[str] = (), waking: int = FEWEST_POLLS) -> None:
        self._calm = dict.fromkeys(known, 0)
        self._seen: dict[str, int] = {}
        self._waking = waking

    @property
    def known(self) -> list[str]:
        """The signs that a review as of now sees, or has seen and that are not over."""
        return sorted({*self._calm, *self._lasting()})

    def _lasting(self) -> list[str]:
        return sorted(sign for sign, times in self._seen.items() if times >= self._waking)

    def look(self, signs: Iterable[str], *, quiet: bool = False) -> list[str]:
        """Take in what one poll saw and return the signs that wake a review; while ``quiet``, none does."""
        now = set(signs)
        self._seen = {sign: self._seen.get(sign, 0) + 1 for sign in now}
        self._calm = {
            sign: calm
            for sign, before in self._calm.items()
            if (calm := 0 if sign in now else before + 1) < CALM
        }
        waking = [sign for sign in self._lasting() if sign not in self._calm]
        if quiet or not waking:
            return []
        self._calm |= dict.fromkeys(waking, 0)
        return waking


def polls_to_wake(policy: JudgePolicy, step: timedelta, poll: timedelta) -> int:
    """Return at how many polls in a row a sign must show: the judge sees nothing that is shorter."""
    return max(FEWEST_POLLS, math.ceil(policy.persistence * step / poll))
