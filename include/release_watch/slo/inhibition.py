"""Which alert silences which: the part of Alertmanager's configuration that our labels are made for."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from release_watch.catalog.slos import Slo
from release_watch.slo.recorded import IDENTITY

INHIBIT_RULES: tuple[dict[str, list[str]], ...] = (
    {
        "source_matchers": ['severity="page"', 'burn_tier="fast"', 'drill!="true"'],
        "target_matchers": ['severity="ticket"', 'burn_tier=~"slow|trickle"'],
        "equal": list(IDENTITY),
    },
)
"""While a page burns, the tickets of the same SLO add nothing; a drill silences nobody.

Alertmanager lets a page inhibit its tickets also while it is silenced or acknowledged: whoever silences a
page takes over what its tickets would have said. The page says so.
"""


def inhibition_yaml(group_labels: Iterable[str] = ()) -> str:
    """Return ``inhibit_rules`` for alertmanager.yml.

    ``group_labels`` are those that SLOs are grouped by (:func:`group_labels_of`): the page of one endpoint
    must not silence the ticket of another. Alerts that have none of these labels are equal in them.
    """
    more = sorted(set(group_labels))
    rules = [{**rule, "equal": [*rule["equal"], *more]} for rule in INHIBIT_RULES]
    return str(yaml.safe_dump({"inhibit_rules": rules}, sort_keys=False))


def group_labels_of(slos: Iterable[Slo]) -> list[str]:
    """Return the labels by which any of the SLOs has budgets of its own."""
    return sorted({label for slo in slos for label in slo.group_by})
