"""Every example of the guide is read without a problem."""

from __future__ import annotations

import re
from pathlib import Path

from release_watch.catalog.documents import parse_documents
from release_watch.catalog.slos import slos_in

GUIDE = Path(__file__).parents[2] / "docs" / "slos.md"


def test_the_examples_of_the_guide_are_sound() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)

    found = slos_in(*parse_documents("---\n".join(examples), "guide"))

    assert found.problems == []
    assert [slo.name for slo, _ in found.slos] == [
        "catalogue-requests-availability",
        "catalogue-signal",
        "storefront-requests-availability",
        "checkout-availability",
        "checkout-latency",
        "orders-queue-is-short",
        "search-quality",
        "checkout-minutes",
        "payments-availability-promised",
        "payments-availability-usual",
    ]
    assert {slo.kind for slo, _ in found.slos} == {"ratio", "latency", "threshold"}
