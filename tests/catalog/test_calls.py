from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from release_watch.catalog.calls import circles

GRAPHS = st.dictionaries(
    st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefgx"), max_size=3), max_size=7
)


def reached(calls: dict[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for callee in calls.get(waiting.pop(), []):
            if callee in calls and callee not in found:
                found.add(callee)
                waiting.append(callee)
    return found


@given(GRAPHS)
def test_there_is_one_circle_for_each_group_of_services_that_reach_each_other(
    calls: dict[str, list[str]],
) -> None:
    groups = {
        frozenset(b for b in calls if b == a or (b in reached(calls, a) and a in reached(calls, b)))
        for a in calls
    }

    found = circles(calls)

    assert sorted(sorted(g) for g in groups if len(g) > 1) == sorted(
        sorted(next(g for g in groups if circle[0] in g)) for circle in found
    )


@given(GRAPHS)
def test_a_circle_is_made_of_calls_that_are_there_and_passes_each_service_once(
    calls: dict[str, list[str]],
) -> None:
    for circle in circles(calls):
        assert circle[0] == circle[-1]
        assert len(set(circle)) == len(circle) - 1 >= 2
        assert all(callee in calls[caller] for caller, callee in pairwise(circle))


def test_a_service_that_calls_itself_is_no_circle() -> None:
    assert circles({"a": ["a"]}) == ()


def test_the_shortest_circle_is_shown() -> None:
    calls = {"a": ["b"], "b": ["c", "a"], "c": ["d"], "d": ["a"]}

    assert circles(calls) == (("a", "b", "a"),)


def test_thousands_of_services_in_one_long_circle_need_no_recursion() -> None:
    names = [f"s{n}" for n in range(20_000)]

    (circle,) = circles({name: [names[(n + 1) % len(names)]] for n, name in enumerate(names)})

    assert circle == (*names, names[0])
