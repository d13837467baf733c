"""The dashboards as one picture."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from matplotlib.image import imread

from release_watch.artifacts.models import Window
from release_watch.catalog.models import MetricsSignal, Service, Signals
from release_watch.catalog.slos import Slo
from release_watch.dashboards import picture
from release_watch.dashboards.build import dashboards
from release_watch.dashboards.chart import BAND, DEPLOYED, LEVELS
from release_watch.dashboards.lines import Lines
from release_watch.dashboards.models import Dashboard, Panel, Query
from release_watch.dashboards.picture import dashboard_png
from release_watch.dashboards.wording import worded
from release_watch.errors import BackendError
from release_watch.release import Release
from tests.dashboards.conftest import MetricsStandIn
from tests.dashboards.test_build import baseline

AROUND = Window(start=datetime(2025, 12, 31, 23, tzinfo=UTC), end=datetime(2026, 1, 1, 1, tzinfo=UTC))
AFTER = Window(start=datetime(2026, 1, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 1, 3, tzinfo=UTC))
DRAWN = "vector(0.1)", "vector(0.4)"


@pytest.fixture
def boards(release: Release, service: Service, slo: Slo) -> list[Dashboard]:
    return dashboards(release, [service], [slo], baseline=baseline())


def answering(boards: list[Dashboard], **other: float) -> MetricsStandIn:
    """Return metrics that know a value for every panel; ``other`` those of panels with that word in them."""
    known = {query.query: [0.2] for board in boards for query in board.queries}
    for board in boards:
        for query in board.queries:
            for word, value in other.items():
                if word in query.panel:
                    known[query.query] = [value]
    return MetricsStandIn({**known, DRAWN[0]: [0.1], DRAWN[1]: [0.4]})


def amount(png: bytes, colour: str) -> int:
    """Return how many pixels of a picture have exactly this colour."""
    wanted = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    pixels = imread(io.BytesIO(png), format="png")[..., :3]
    return int((abs(pixels - wanted) < 0.002).all(axis=-1).sum())


def test_the_same_data_gives_the_same_bytes_and_other_data_others(boards: list[Dashboard]) -> None:
    first, again = (dashboard_png(boards, answering(boards), AROUND) for _ in range(2))
    assert first == again
    assert first != dashboard_png(boards, answering(boards, requests=7.0), AROUND)
    assert first.startswith(b"\x89PNG")
    assert len(first) < 400_000


def test_a_deployment_within_the_window_is_marked(boards: list[Dashboard]) -> None:
    within, later = (dashboard_png(boards, answering(boards), window) for window in (AROUND, AFTER))
    assert amount(within, DEPLOYED) > amount(later, DEPLOYED) + 100


def test_the_band_of_the_baseline_is_drawn(
    boards: list[Dashboard], release: Release, service: Service, slo: Slo
) -> None:
    plain = dashboards(release, [service], [slo])
    with_band, without = (dashboard_png(one, answering(one), AROUND) for one in (boards, plain))
    assert amount(with_band, BAND) > amount(without, BAND) + 5_000


def test_a_firing_page_is_red(boards: list[Dashboard]) -> None:
    quiet, paged = (dashboard_png(boards, answering(boards, pages=n), AROUND) for n in (0.0, 2.0))
    assert amount(paged, LEVELS["critical"]) > amount(quiet, LEVELS["critical"]) + 1_000


def test_many_panels_are_few_calls(boards: list[Dashboard]) -> None:
    metrics = answering(boards)
    dashboard_png(boards, metrics, AROUND)
    assert len(metrics.asked) <= 3


def test_panels_without_data_are_drawn_as_that(boards: list[Dashboard]) -> None:
    assert dashboard_png(boards, MetricsStandIn(), AROUND).startswith(b"\x89PNG")


def test_without_dashboards_there_is_a_picture_that_says_so() -> None:
    assert dashboard_png([], MetricsStandIn(), AROUND).startswith(b"\x89PNG")


def test_a_server_that_is_down_is_an_error(boards: list[Dashboard]) -> None:
    metrics = answering(boards)
    metrics.refused = {boards[0].queries[0].query: None} | dict.fromkeys(metrics.known, None)
    with pytest.raises(BackendError):
        dashboard_png(boards, metrics, AROUND)


def test_of_many_services_those_with_most_firing_are_drawn(
    release: Release, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "MOST_SERVICES", 2)
    services = [
        service.model_copy(
            update={"name": name, "signals": Signals(metrics=MetricsSignal(selector=f'job="{name}"'))}
        )
        for name in ("quiet-1", "quiet-2", "quiet-3", "paged")
    ]
    boards = dashboards(release, services, [])
    calm = answering(boards, pages=0.0)
    loud = answering(
        boards, **{"quiet-1: pages": 0.0, "quiet-2: pages": 0.0, "quiet-3: pages": 0.0, "paged": 3.0}
    )
    drawn = []
    for metrics in (calm, loud):
        dashboard_png(boards, metrics, AROUND)
        drawn.append('_bucket{job="paged"}' in " ".join(metrics.asked))
    assert drawn == [False, True]


def test_text_from_outside_is_no_formula(release: Release, service: Service) -> None:
    nasty = service.model_copy(update={"name": "a-$\\frac{1}{0}$"})
    boards = dashboards(release, [nasty], [])
    assert dashboard_png(boards, answering(boards), AROUND).startswith(b"\x89PNG")


def test_lines_have_the_names_of_their_labels() -> None:
    panel = Panel("p", "none", (Query("x", "{{instance}} of {{ job }}{{nothing}}"),), "")
    lines = Lines(AROUND, MetricsStandIn({"x": [1.0, 2.0]}))
    lines.ask([panel])
    names = [line.legend for line in lines.of(panel, panel.queries[0])]
    assert names == ["host-0 of shop/checkout", "host-1 of shop/checkout"]


def test_a_refused_query_has_no_line_and_the_others_have_theirs() -> None:
    good, bad = (Panel(expr, "none", (Query(expr, "l"),), "") for expr in ("x", "wrong("))
    metrics = MetricsStandIn({"x": [1.0]})
    metrics.refused = {"wrong(": 400}
    lines = Lines(AROUND, metrics)
    lines.ask([good, bad])
    assert [len(lines.of(panel, panel.queries[0])) for panel in (good, bad)] == [1, 0]


@pytest.mark.parametrize("length", [timedelta(minutes=5), timedelta(days=2), timedelta(days=30)])
def test_a_line_has_at_most_as_many_points_as_can_be_seen(length: timedelta) -> None:
    panel = Panel("p", "none", (Query("x", "l"),), "")
    lines = Lines(Window(start=AROUND.start, end=AROUND.start + length), MetricsStandIn({"x": [1.0]}))
    lines.ask([panel])
    (line,) = lines.of(panel, panel.queries[0])
    assert 10 < len(line.values) <= 301


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0144, "percentunit", "1.44 %"),
        (0.041, "s", "41 ms"),
        (90.0, "s", "90 s"),
        (2592000.0, "s", "30 d"),
        (53_000_000.0, "bytes", "50.5 MiB"),
        (2048.0, "Bps", "2 KiB/s"),
        (1234.5, "reqps", "1234/s"),
        (1.5, "suffix: orders/s", "1.5 orders/s"),
        (14.4, "none", "14.4"),
        (float("nan"), "s", "none"),
    ],
)
def test_numbers_are_told_as_people_read_them(value: float, unit: str, words: str) -> None:
    assert worded(value, unit) == words
