"""What is wrong with rules that promtool accepts, as far as it can be seen without a server.

Errors are certain: such a rule never works, or always fires. Warnings go by names and habits. Most of the
checks are those of Cloudflare's pint that need no live Prometheus.
"""

from __future__ import annotations

from release_watch.slo.lint.findings import Finding, Severity
from release_watch.slo.lint.linting import errors, lint

__all__ = ["Finding", "Severity", "errors", "lint"]
