"""The budget of false alarms: how sure a test must be where several metrics and looks are to be paid for."""

from __future__ import annotations

import math

RELEASE_RATE = 0.03
"""The share of healthy releases that may be called bad, over all looks."""

SINGLE_RATE = 0.002
"""The rate of one judgement of one metric that is judged again and again, with others, for days."""


def rate(looks: int) -> float:
    """Return the rate of false alarms at one look.

    Looks at one release see mostly the same samples, so that their number counts with its root only.
    """
    return RELEASE_RATE / math.sqrt(max(looks, 1))
