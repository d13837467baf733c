"""Which alert silences which: the part of Alertmanager's configuration that our labels are made for."""

from __future__ import annotations

import yaml

INHIBIT_RULES: tuple[dict[str, list[str]], ...] = (
    {
        "source_matchers": ['severity="page"', 'burn_tier="fast"'],
        "target_matchers": ['severity="ticket"', 'burn_tier="slow"'],
        "equal": ["environment", "service", "slo"],
    },
)
"""While a page burns, its ticket adds nothing. A silenced page inhibits its ticket too."""


def inhibition_yaml() -> str:
    """Return ``inhibit_rules`` for alertmanager.yml."""
    content = {"inhibit_rules": [dict(rule) for rule in INHIBIT_RULES]}
    return str(yaml.safe_dump(content, sort_keys=False))
