"""Recording rules that history does not know, in the place of which stands what they would record."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest

from release_watch.assurance.tuning.inlining import (
    LONGEST,
    HistoryTooShortError,
    Inlined,
    inlined,
    recordings,
)
from release_watch.errors import InvalidInputError
from release_watch.slo.rulefile import Rule, RuleGroup
from release_watch.telemetry.promql_meaning import same_meaning

MINUTE = timedelta(minutes=1)
RATIO = Rule(record="job:errors:ratio", expr="sum by (job) (bad) / sum by (job) (all)")
OF_RATIO = Rule(record="job:errors:worst", expr="max(job:errors:ratio)")
RULES = (RATIO, OF_RATIO, Rule(alert="A", expr="job:errors:ratio > 1"))
GROUPS = [RuleGroup(name="g", rules=RULES)]


def readable(expr: str, missing: Collection[str] | None = None, *rules: Rule) -> Inlined:
    """Return the expression as history answers it that lacks the ``missing`` recordings; all by default."""
    recorded = recordings([*GROUPS, RuleGroup(name="more", rules=rules)])
    return inlined(expr, recorded, lambda one: missing is None or one.metric in missing, MINUTE)


def test_recordings_are_found_by_name_and_alerts_are_none():
    assert recordings(GROUPS) == {"job:errors:ratio": [RATIO], "job:errors:worst": [OF_RATIO]}


def test_what_history_knows_stays_as_it_is():
    assert readable("job:errors:ratio > 0.1", ()) == Inlined("job:errors:ratio > 0.1")
    assert readable("rate(x_total[5m]) > 1") == Inlined("rate(x_total[5m]) > 1")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("job:errors:ratio > 0.1", f"({RATIO.expr}) > 0.1"),
        ("job:errors:worst > 0.1", f"max({RATIO.expr}) > 0.1"),
        ("max_over_time(job:errors:ratio[1h]) > 1", f"max_over_time(({RATIO.expr})[1h:1m]) > 1"),
        (
            "max_over_time(job:errors:ratio[1h] offset 1d) > 1",
            f"max_over_time(({RATIO.expr})[1h:1m] offset 1d) > 1",
        ),
        ("job:errors:ratio offset 1h > 1", f"last_over_time(({RATIO.expr})[1m:1m] offset 1h) > 1"),
        ('label_replace(up, "x", "job:errors:ratio", "", "") == 0', ""),
    ],
    ids=["plain", "of a recording", "range", "range and offset", "offset", "a text is no name"],
)
def test_what_history_lacks_is_calculated(expr: str, expected: str):
    assert same_meaning(readable(expr).expr, expected or expr)


def test_it_tells_what_was_calculated():
    assert readable("job:errors:worst > 0.1").names == ("job:errors:ratio", "job:errors:worst")


def test_only_what_is_missing_is_calculated():
    found = readable("job:errors:worst > 0.1", {"job:errors:worst"})
    assert same_meaning(found.expr, "max(job:errors:ratio) > 0.1")
    assert found.names == ("job:errors:worst",)


class TestSeveralOfOneName:
    """Recordings of one name differ in the labels that they set."""

    shop, bank = (
        Rule(record="requests:rate", expr=f"sum(rate({name}_total[5m]))", labels={"of": name, "cost": "$1"})
        for name in ("shop", "bank")
    )

    def of(self, matchers: str) -> str:
        return readable(f"requests:rate{matchers} > 1", None, self.shop, self.bank).expr

    @pytest.mark.parametrize(
        ("matchers", "shop", "bank"),
        [
            ("", True, True),
            ("{}", True, True),
            ('{of="shop"}', True, False),
            ('{of!="shop"}', False, True),
            ('{of=~"sh.*"}', True, False),
            ('{of!~"sh|ba"}', True, True),
            ('{job="x"}', True, True),
        ],
    )
    def test_those_that_fit_are_taken(self, matchers: str, shop: bool, bank: bool):
        text = self.of(matchers)
        assert ("shop_total" in text, "bank_total" in text) == (shop, bank)

    def test_each_gets_its_labels_and_a_dollar_stays_one(self):
        text = self.of('{of="shop"}')
        assert 'label_replace((sum(rate(shop_total[5m]))), "cost", "$$1", "", "")' in text
        assert '"of", "shop", "", "")' in text

    def test_what_none_records_stays(self):
        assert self.of('{of="nobody"}') == 'requests:rate{of="nobody"} > 1'


def test_recordings_that_read_themselves_are_refused():
    with pytest.raises(InvalidInputError, match="read themselves: a:b:c"):
        readable("a:b:c > 1", None, Rule(record="a:b:c", expr="a:b:c + 1"))


def test_what_cannot_be_parsed_is_refused_and_says_so():
    with pytest.raises(InvalidInputError, match="the expression cannot be replayed"):
        readable("job:errors:ratio >")


def chain(length: int, *, times: int = 1) -> list[Rule]:
    """Recordings of which each reads the next, ``times`` over; the last reads a series."""
    names = [f"chain:r{number}" for number in range(length)]
    reads = [*names[1:], "errors"]
    return [
        Rule(record=name, expr=" + ".join([read] * times)) for name, read in zip(names, reads, strict=True)
    ]


def test_long_chains_of_recordings_are_calculated_to_their_end():
    found = readable("chain:r0 > 1", None, *chain(20))
    assert same_meaning(found.expr, "errors > 1")
    assert len(found.names) == 20


def test_what_would_grow_beyond_all_bounds_is_not_asked_of_a_server():
    with pytest.raises(HistoryTooShortError, match="chain:r0 are not recorded as far back") as found:
        readable("chain:r0 > 1", None, *chain(30, times=3))
    assert [one.metric for one in found.value.lacking] == ["chain:r0"]


def test_what_is_not_too_long_is_calculated():
    found = readable("chain:r0 > 1", None, *chain(8, times=2))
    assert found.expr.count("errors") == 2**8
    assert len(found.expr) < LONGEST


def test_of_many_recordings_that_are_missing_some_are_named():
    long = [Rule(record=f"long:r{number}", expr="+".join(["errors"] * LONGEST)) for number in range(5)]
    expr = " + ".join(rule.name for rule in long)
    with pytest.raises(HistoryTooShortError, match=r"^long:r0, long:r1, long:r2 and 2 more are not recorded"):
        readable(expr, None, *long)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (timedelta(hours=5), "a window of 5 h can be replayed"),
        (timedelta(0), "see that the rules that record them are in force"),
        (None, "see that the rules that record them are in force"),
    ],
)
def test_it_says_how_far_back_can_be_looked_or_what_to_see_to(held: timedelta | None, said: str):
    assert str(HistoryTooShortError((), held)).endswith(f"; {said}")
