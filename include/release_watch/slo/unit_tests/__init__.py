"""promtool unit tests that travel with SLO rules: every alert fires when it must, not before, and resets.

Rules are tried on series that are made up from the SLO's own selectors. Moments come from the closed forms of
multi-window alerting, and not from the rules.
"""

from __future__ import annotations

from release_watch.slo.unit_tests.files import MARK, RuleSet, UnitTests, unit_tests

__all__ = ["MARK", "RuleSet", "UnitTests", "unit_tests"]
