"""The picture of an audit."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from PIL import Image

from release_watch.artifacts.models import InstrumentationAudit, ServiceAudit
from release_watch.coverage import heatmap
from release_watch.coverage.heatmap import GRAVEST_ROWS, MOST_ROWS, heatmap_png
from release_watch.verdict import Verdict
from tests.coverage.examples import audit_of, check, graded, reference, service_audit


def picture(audit: InstrumentationAudit) -> Image.Image:
    return Image.open(io.BytesIO(heatmap_png(audit)))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that pictures hold, in the order in which they are written."""
    texts: list[str] = []
    write = heatmap.Sheet.write

    def noted(sheet: Any, x: float, y: float, text: str, **look: Any) -> None:
        texts.append(text)
        write(sheet, x, y, text, **look)

    monkeypatch.setattr(heatmap.Sheet, "write", noted)
    return texts


def services(count: int, **gaps: Any) -> list[ServiceAudit]:
    return [service_audit(f"s{n:04}", "standard", **gaps) for n in range(count)]


def test_the_picture_names_release_environment_time_and_verdict(written: list[str]) -> None:
    heatmap_png(audit_of(service_audit("checkout"), verdict=Verdict.NO_GO))

    assert written[:3] == [
        "Instrumentation of shop-1.1.0",
        "production, 2026-01-02 03:10:00 UTC, 1 services",
        "NO_GO",
    ]


def test_a_cell_tells_its_status_by_a_mark_and_names_what_did_not_pass(written: list[str]) -> None:
    gaps = {"logs": check("live", "FAIL"), "traces": check("backend", "INCONCLUSIVE")}

    heatmap_png(audit_of(service_audit("checkout", "critical", graded(87.5), **gaps)))

    row = written[written.index("checkout") :][:7]
    assert row == ["checkout", "✓", "✗ live", "? backend", "✓", "80%", "88"]


def test_critical_services_come_first_and_of_those_the_gravest(written: list[str]) -> None:
    failed, untold = check("live", "FAIL"), check("live", "INCONCLUSIVE")
    audit = audit_of(
        service_audit("fine-standard", "standard"),
        service_audit("fine"),
        service_audit("broken-standard", "standard", logs=failed, metrics=failed),
        service_audit("untold", logs=untold),
        service_audit("broken", logs=failed),
    )

    heatmap_png(audit)

    names = [text for text in written if text in {service.service for service in audit.services}]
    assert names == ["broken", "untold", "fine", "broken-standard", "fine-standard"]
    assert written.index("critical (3)") < written.index("broken")
    assert written.index("standard (2)") < written.index("broken-standard")


@pytest.mark.parametrize("count", [0, 1, 4, MOST_ROWS])
def test_up_to_sixty_services_each_have_a_row(written: list[str], count: int) -> None:
    image = picture(audit_of(*services(count)))

    assert sum(text.startswith("s0") for text in written) == count
    assert image.width < 2000
    assert image.height < 2500


def test_of_many_services_all_are_counted_and_the_gravest_have_a_row(written: list[str]) -> None:
    gaps = [service_audit(f"gap{n}", "standard", logs=check("live", "FAIL")) for n in range(50)]
    broken = service_audit("checkout", logs=check("live", "FAIL"))

    image = picture(audit_of(broken, service_audit("fine"), *services(948), *gaps))

    assert "all 2 critical" in written
    assert "all 998 standard" in written
    assert "✗ 50  ✓ 948" in written
    assert "critical: all 1 with gaps" in written
    assert f"standard: the gravest {GRAVEST_ROWS - 1} of 50 with gaps" in written
    assert "not shown: 3 more services with gaps, 949 services without" in written
    assert image.height < 2500


def test_of_many_healthy_services_it_says_so(written: list[str]) -> None:
    heatmap_png(audit_of(*services(1000), verdict=Verdict.GO))

    assert "not shown: 1000 services without a gap" in written


def test_alerts_and_panels_without_series_are_named_below(written: list[str]) -> None:
    references = (reference("Orders", kind="panel"), reference("Fine", check=check("series")))

    heatmap_png(audit_of(service_audit("checkout"), references=references))

    assert "1 of 2 alerts, panels and SLOs read what was not proven: panel Orders" in written


def test_without_a_service_it_says_so(written: list[str]) -> None:
    heatmap_png(audit_of(verdict=Verdict.INCONCLUSIVE))

    assert "no service was audited" in written


def test_the_same_audit_gives_the_same_bytes_also_from_threads() -> None:
    audit = audit_of(*services(5, logs=check("live", "FAIL")))

    with ThreadPoolExecutor(2) as pool:
        pictures = set(pool.map(heatmap_png, [audit] * 4))

    assert len(pictures) == 1


def test_the_colour_of_a_gap_is_told_apart_in_grey() -> None:
    shades = {status: Image.new("RGB", (1, 1), fill).convert("L") for status, fill in heatmap._FILL.items()}

    values = sorted(shade.getpixel((0, 0)) for shade in shades.values())

    assert all(darker + 30 < lighter for darker, lighter in pairwise(values))


@pytest.mark.parametrize(
    "name", ["a" * 120, "$\\frac{1}{0}$", "x\x1b[2J\ny", "日本"], ids=["long", "formula", "control", "wide"]
)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_no_name_breaks_the_picture(name: str) -> None:
    audit = audit_of(service_audit(name, logs=check("live, " * 30, "FAIL")), release_id=name)

    assert picture(audit).width < 2000
