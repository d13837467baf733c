from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from release_watch.baseline.batched import batch, groups
from release_watch.baseline.frames import frames, parts
from release_watch.baseline.metrics import metric_specs
from release_watch.catalog.models import MetricsSignal, Service, Signals
from release_watch.errors import BackendError
from release_watch.judge import MetricSpec
from release_watch.telemetry.promql_text import normalised
from tests.judge import series

STEP = timedelta(minutes=1)
WINDOW = (series.START.to_pydatetime(), (series.START + timedelta(minutes=2)).to_pydatetime())


def spec(service: str, query: str) -> MetricSpec:
    return MetricSpec(service=service, metric="m", query=query.replace("$", service))


def pair(query: str) -> list[MetricSpec]:
    return [spec("a", query), spec("b", query)]


def services(count: int) -> list[Service]:
    return [
        Service(
            name=f"s{number}",
            tier="critical",  # type: ignore[arg-type]
            owner="team",
            signals=Signals(metrics=MetricsSignal(selector=f'job="s{number}"')),
        )
        for number in range(count)
    ]


class Server:
    """Answers queries by their meaning: columns by query, any other refused."""

    base_url = "http://prometheus.test"

    def __init__(self, answers: dict[str, dict[str, float]], *, most: int = 100) -> None:
        self.answers = {normalised(query): values for query, values in answers.items()}
        self.most = most
        self.asked: list[str] = []

    def instant(self, *_: object) -> list[object]:
        raise NotImplementedError

    def range(self, query: str, *_: object) -> pd.DataFrame:
        self.asked.append(query)
        if query.count("|") >= self.most:
            raise BackendError("Prometheus", "query processing would load too many samples", status=422)
        values = self.answers[normalised(query)]
        return pd.DataFrame({name: series.at([value, value + 1]) for name, value in values.items()})


@pytest.mark.parametrize(
    ("query", "together"),
    [
        ('sum(rate(x{job="$"}[4m]))', 'sum by (job) (rate(x{job=~"a|b"}[4m]))'),
        (
            'histogram_quantile(0.95, sum by (le) (rate(x_bucket{job="$"}[4m]))) * 0.001',
            'histogram_quantile(0.95, sum by (job, le) (rate(x_bucket{job=~"a|b"}[4m]))) * 0.001',
        ),
        (
            '(sum(rate(x{job="$",code=~"5.."}[4m])) or 0 * sum(rate(x{job="$"}[4m])))'
            ' / (sum(rate(x{job="$"}[4m])) > 0)',
            '(sum by (job) (rate(x{job=~"a|b",code=~"5.."}[4m]))'
            ' or 0 * sum by (job) (rate(x{job=~"a|b"}[4m]))) / (sum by (job) (rate(x{job=~"a|b"}[4m])) > 0)',
        ),
        (
            'avg(max_over_time(x{job="$",version="2"}[1m:10s] offset 1h))',
            None,  # a subquery has a step of its own
        ),
        (
            'max(x{job="$",version="2"} offset 1h)',
            'max by (job, version) (x{job=~"a|b",version="2"} offset 1h)',
        ),
    ],
    ids=["a rate", "a quantile", "a ratio", "a subquery", "an offset"],
)
def test_queries_that_are_alike_become_one(query: str, together: str | None) -> None:
    found = list(groups(pair(query), 10))

    if together is None:
        assert [len(group) for group in found] == [1, 1]
    else:
        assert [len(group) for group in found] == [2]
        assert normalised(batch(found[0]).query) == normalised(together)


@pytest.mark.parametrize(
    "query",
    [
        'queue_depth{queue="$"}',
        'sum(rate(x{job=~"$|other"}[4m]))',
        'sum(rate(x{job="$"}[4m])) or vector(0)',
        'sum(rate(x{job="$"}[4m])) / sum(rate(y[4m]))',
        'sum without (pod) (x{job="$"})',
        'topk(1, x{job="$"})',
        'sum(x{job="$"}) / on () sum(y{job="$"})',
        'absent(x{job="$"})',
        'sum(x{job="$"}) * x{job="$"}',
        'sum(x{job="$"} @ 100)',
        'label_replace(sum(x{job="$"}), "a", "b", "", "")',
        "sum(rate(shop_orders_total[1m]))",
        "this is no PromQL {",
    ],
)
def test_what_might_mean_another_thing_when_grouped_stays_alone(query: str) -> None:
    assert [len(group) for group in groups(pair(query), 10)] == [1, 1]


def test_queries_of_another_form_are_not_joined() -> None:
    specs = [spec("a", 'sum(rate(x{job="$"}[4m]))'), spec("b", 'sum(rate(x{job="$"}[8m]))')]

    assert len(list(groups(specs, 10))) == 2
    with pytest.raises(ValueError, match="cannot be one"):
        batch(specs)


def test_values_that_hold_signs_of_regular_expressions_are_escaped() -> None:
    specs = [spec("a.b", 'sum(x{job="$"})'), spec("c|d", 'sum(x{job="$"})')]

    one = batch(specs)

    assert r"a\\.b" in one.query
    assert r"c\\|d" in one.query
    assert list(one.specs) == ['{job="a.b"}', '{job="c|d"}']


def test_six_metrics_of_many_services_take_as_many_queries_as_of_one() -> None:
    specs = metric_specs(services(100), step=STEP)

    assert [len(group) for group in groups(specs, 1000)] == [100] * 5


def test_every_metric_gets_its_own_series_in_the_order_asked() -> None:
    specs = [*pair('sum(x{job="$"})'), spec("c", 'sum(x{job="$"})')]
    server = Server({'sum by (job) (x{job=~"a|b|c"})': {'{job="c"}': 3, '{job="a"}': 1}})

    found = frames(specs, server, WINDOW, STEP)  # type: ignore[arg-type]

    assert {key[0]: values.tolist() for key, values in found.items()} == {"a": [1, 2], "b": [], "c": [3, 4]}
    assert list(found) == [("a", "m"), ("b", "m"), ("c", "m")]
    assert found["a", "m"].name == "m"


def test_a_query_that_is_refused_for_its_size_is_halved() -> None:
    specs = [spec(name, 'sum(x{job="$"})') for name in "abcd"]
    server = Server(
        {
            'sum by (job) (x{job=~"a|b"})': {'{job="a"}': 1, '{job="b"}': 2},
            'sum by (job) (x{job=~"c|d"})': {'{job="c"}': 3, '{job="d"}': 4},
        },
        most=2,
    )

    found = frames(specs, server, WINDOW, STEP)  # type: ignore[arg-type]

    assert [values.iloc[0] for values in found.values()] == [1, 2, 3, 4]
    assert len(server.asked) == 3


def test_a_server_that_fails_is_not_asked_for_halves() -> None:
    class Down(Server):
        def range(self, query: str, *_: object) -> pd.DataFrame:
            self.asked.append(query)
            raise BackendError("Prometheus", "did not answer")

    server = Down({})

    with pytest.raises(BackendError):
        frames(pair('sum(x{job="$"})'), server, WINDOW, STEP)  # type: ignore[arg-type]
    assert len(server.asked) == 1


def test_where_one_metric_has_two_series_each_is_asked_for_alone(caplog: pytest.LogCaptureFixture) -> None:
    by_le = 'sum by (le) (x{job="$"})'
    server = Server(
        {
            'sum by (job, le) (x{job=~"a|b"})': {
                '{job="a",le="1"}': 1,
                '{job="a",le="2"}': 1,
                '{job="b"}': 2,
            },
            by_le.replace("$", "a"): {'{le="1"}': 1, '{le="2"}': 1},
            by_le.replace("$", "b"): {"{}": 2},
        }
    )

    found = frames(pair(by_le), server, WINDOW, STEP)  # type: ignore[arg-type]

    assert {key[0]: values.tolist() for key, values in found.items()} == {"a": [], "b": [2, 3]}
    assert "a m: the query gives 2 series; aggregate them to one" in caplog.text


def test_parts_stay_small_however_long_the_window_is() -> None:
    specs = [spec(f"s{number}", 'sum(x{job="$"})') for number in range(100)]

    class Silent(Server):
        def range(self, query: str, *_: object) -> pd.DataFrame:
            self.asked.append(query)
            return pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC"))

    server = Silent({})
    two_days = (WINDOW[0], WINDOW[0] + timedelta(hours=48))

    sizes = [len(part) for part in parts(specs, server, two_days, STEP)]  # type: ignore[arg-type]

    assert sizes == [52, 48]
