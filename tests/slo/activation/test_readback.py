"""Reading rules back: few calls, equal in meaning, and which rule it is that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from release_watch.errors import BackendError
from release_watch.slo.readback import TRIED_AT_ONCE, Trial, compare, same_expression, try_out
from release_watch.slo.rulefile import Rule, RuleGroup, to_yaml
from release_watch.slo.targets.target import RuleServer
from release_watch.transport import Answer
from tests.slo.activation.stand_ins import PrometheusStandIn, Queries


class Silent:
    """A server that must not be asked."""

    base_url = "http://silent"

    def request(self, method: str, path: str, **_: Any) -> Answer:
        raise AssertionError(f"asked {method} {path}")


class Formatting(Silent):
    """A server that knows a newer PromQL than the parser here."""

    def request(self, _: str, path: str, **options: Any) -> Answer:
        assert path == "/api/v1/format_query"
        return Answer(200, {"data": options["params"]["query"].replace(" ", "").replace("1h", "60m")})


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("sum by(job)(rate(x_total[300s]))>(1)", "sum by (job) (rate(x_total[5m])) > 1", True),
        ('up{b="1",a="2"}', 'up{a="2", b="1"}', True),
        ("(a + b) * c", "a + b * c", False),
        ("up == 0", "up == 2", False),
        ("errors > 5", "5 < errors", True),
        ("sum by (job) (a) + sum by (job) (b)", "sum by (job) (b) + sum by (job) (a)", True),
        ("sum(a or b)", "sum(aorb)", False),
    ],
    ids=["layout", "order of matchers", "parentheses", "number", "mirrored", "summands", "words"],
)
def test_meaning_is_compared_without_asking_the_server(one: str, other: str, equal: bool) -> None:
    assert same_expression(one, other, Silent()) is equal


def test_what_cannot_be_read_here_is_left_to_the_server() -> None:
    assert same_expression("newer_syntax !! [1h]", "newer_syntax!![60m]", Formatting())
    assert not same_expression("newer_syntax !! [1h]", "newer_syntax!![61m]", Formatting())


def test_any_number_of_rules_is_read_back_in_two_calls_and_tried_in_few(tmp_path: Path) -> None:
    rules = tuple(
        Rule(record=f"slo:x{n}:rate5m", expr=f"sum by(job) (rate(x{n}_total[300s]))") for n in range(354)
    )
    (tmp_path / "a.yaml").write_text(to_yaml([RuleGroup(name="g", rules=rules)]))
    server, queries = PrometheusStandIn(tmp_path), Queries()
    server.health = "unknown"
    server.reload()
    server.asked.clear()

    found = compare([RuleGroup(name="g", rules=rules)], RuleServer(server, queries))

    assert found.problems == []
    assert sorted(server.asked) == ["/api/v1/rules", "/api/v1/status/runtimeinfo"]
    assert try_out(found.untried, queries) == []
    assert len(queries.asked) == -(-354 // TRIED_AT_ONCE)


def test_the_rule_that_fails_among_many_is_found() -> None:
    trials = [Trial(f"g/r{n}", f"x{n} > 1") for n in range(100)]
    queries = Queries(broken="x77 ")
    assert [one.split(":")[0] for one in try_out(trials, queries)] == ["g/r77"]
    assert len(queries.asked) < 2 + 2 * 7


def test_a_scalar_is_tried_as_it_stands() -> None:
    class NoScalars(Queries):
        def instant(self, query: str, *_: object) -> list[Any]:
            if query.startswith("count("):
                raise BackendError("Prometheus", "expected type instant vector", status=400)
            return []

    assert try_out([Trial("g/r", "scalar(up) * 2")], NoScalars()) == []


def test_a_server_that_does_not_answer_is_no_broken_rule() -> None:
    class Down(Queries):
        def instant(self, *_: object) -> list[Any]:
            raise BackendError("Prometheus", "did not answer")

    with pytest.raises(BackendError, match="did not answer"):
        try_out([Trial("g/r", "up"), Trial("g/s", "up")], Down())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expr": "up == 2"}, "runs another expression: up == 2"),
        ({"hold": "2m"}, "waits 120 s before it fires, not 60 s"),
        ({"keep_firing_for": "5m"}, "fires on for 300 s after its condition ends, not 120 s"),
        ({"keep_firing_for": None}, "fires on for 0 s after its condition ends, not 120 s"),
        ({"labels": {"severity": "page"}}, "is not loaded with these labels"),
    ],
    ids=["expression", "for", "keeps longer", "does not keep", "labels"],
)
def test_what_runs_otherwise_is_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    timing = {"hold": "1m", "keep_firing_for": "2m"}
    rule = Rule(alert="A", expr="up == 0", labels={"severity": "ticket"}, **timing)
    group = RuleGroup(name="g", interval="30s", rules=(rule,))
    live = group.model_copy(update={"rules": (rule.model_copy(update=change),)})
    assert problems(group, live, tmp_path) == [f"g/A: {words}"]


def test_another_pace_is_named(tmp_path: Path) -> None:
    group = RuleGroup(name="g", interval="30s", rules=(Rule(record="a:b:c", expr="up"),))
    live = group.model_copy(update={"interval": "5m"})
    assert problems(group, live, tmp_path) == ["g/a:b:c: is evaluated every 300 s, not every 30 s"]


def problems(group: RuleGroup, live: RuleGroup, folder: Path) -> list[str]:
    (folder / "a.yaml").write_text(to_yaml([live]))
    server = PrometheusStandIn(folder)
    server.reload()
    return compare([group], RuleServer(server, Queries())).problems
