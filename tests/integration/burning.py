"""Services that burn their error budgets: what they count now, and the past that Prometheus has of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from release_watch.catalog.slos import Slo
from release_watch.slo.annotations import AlertText
from release_watch.slo.budget_rules import SloRules
from release_watch.slo.rulefile import RuleGroup
from sandbox.processes import replace

OBJECTIVE = Decimal("0.999")
EVALUATION = timedelta(seconds=1)
ENVIRONMENT = "production"
REQUESTS_PER_SECOND = 1000
BACKGROUND_FAILURES = 7
"""Before the outage, so that a counter is there which ``rate`` need not take for one that begins at 0."""

HOUR = 3600
RAW_SECONDS = 2 * HOUR
"""As far as rules read raw series."""


class Service:
    """Counts requests: all are well until ``fails``, then a share fails, until the service heals or vanishes.

    Times are seconds since 1970.
    """

    def __init__(self, name: str, fails: float, share: Decimal, vanished: float = float("inf")) -> None:
        self.name, self.fails, self.share, self.vanished = name, fails, share, vanished
        self.healed = float("inf")
        self._since = fails - 24 * HOUR

    def heal(self) -> float:
        """Fail no more; returns since when."""
        self.healed = time.time()
        return self.healed

    def samples(self, now: float, labels: str = "") -> Iterator[str]:
        """Yield the series with their values at a time."""
        failing = max(0.0, min(now, self.healed) - self.fails) * float(self.share)
        counted = {"200": now - self._since - failing, "500": failing}
        for code, seconds in counted.items():
            value = int(seconds * REQUESTS_PER_SECOND) + BACKGROUND_FAILURES
            yield f'http_requests_total{{{labels}code="{code}"}} {value}'

    def past(self, now: float) -> Iterator[str]:
        """Yield what Prometheus has of the time before now: the service's series, and what rules recorded.

        The rules ran at twice their pace, so that the seconds until they run again leave no hole in what is
        known of the hour; what they recorded of errors was recorded while there were none.
        """
        end = int(min(now, self.vanished))
        labels = f'job="{self.name}",instance="{self.name}",'
        for moment in range(end - RAW_SECONDS, end):
            yield from (f"{line} {moment}" for line in self.samples(moment, labels))
        of_slo = f'slo="{self.name}",service="{self.name}",environment="{ENVIRONMENT}"'
        for half in range(2 * (end - 6 * HOUR), 2 * end):
            for window in ("1h", "6h"):
                yield f"slo:events_total:rate{window}{{{of_slo}}} {REQUESTS_PER_SECOND} {half / 2}"
        for moment in range(end - 6 * HOUR, end - HOUR, 60):
            yield f"slo:events_bad:rate1h{{{of_slo}}} 0 {moment}"

    def rules(self) -> list[RuleGroup]:
        """Return the rules of its SLO, as they are generated for any other."""
        slo = Slo(
            name=self.name,
            service=self.name,
            description="",
            objective=OBJECTIVE,
            window_days=30,
            kind="ratio",
            good=None,
            bad=f'http_requests_total{{job="{self.name}",code=~"5.."}}',
            total=f'http_requests_total{{job="{self.name}"}}',
        )
        return SloRules(slo, ENVIRONMENT, AlertText("", "", ""), EVALUATION).groups()


class Target:
    """A service that Prometheus scrapes until it is stopped."""

    def __init__(self, service: Service, folder: Path) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = "\n".join([*service.samples(time.time()), ""]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: Any) -> None:
                pass

        self._running = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        labels = {"job": service.name, "instance": service.name}
        discovered = [{"targets": [f"127.0.0.1:{self._server.server_port}"], "labels": labels}]
        replace(folder / f"{service.name}.json", json.dumps(discovered))

    def stop(self) -> None:
        if self._running:
            self._running = False
            self._server.shutdown()
            self._server.server_close()
