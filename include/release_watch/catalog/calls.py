"""Circles in the graph of calls: services none of which can be up before another of them is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence


def circles(calls: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return a shortest circle of calls from each group of services that all call each other in the end.

    The first service of a circle, which is the group's first in ``calls``, stands again at its end. A service
    that calls itself is no circle. Takes time in proportion to the number of services and calls.
    """
    order = {name: place for place, name in enumerate(calls)}
    groups = [group for group in _groups(calls) if len(group) > 1]
    firsts = sorted((min(group, key=order.__getitem__), group) for group in groups)
    firsts.sort(key=lambda found: order[found[0]])
    return tuple(_circle(first, group, calls) for first, group in firsts)


def _circle(first: str, group: frozenset[str], calls: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    came_from: dict[str, str] = {}
    waiting = deque([first])
    while waiting:
        caller = waiting.popleft()
        for callee in calls[caller]:
            if callee == first and caller != first:
                path = [first, caller]
                while path[-1] != first:
                    path.append(came_from[path[-1]])
                return tuple(reversed(path))
            if callee in group and callee != first and callee not in came_from:
                came_from[callee] = caller
                waiting.append(callee)
    raise AssertionError(f"{first} is not in a circle")


def _groups(calls: Mapping[str, Sequence[str]]) -> Iterator[frozenset[str]]:
    """Yield the strongly connected components (Tarjan, SIAM J. Comput. 1(2), 1972), without recursion."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for start in calls:
        if start in number:
            continue
        work = [(start, iter(calls[start]))]
        _enter(start, number, lowest, path, on_path)
        while work:
            name, callees = work[-1]
            for callee in callees:
                if callee in calls and callee not in number:
                    _enter(callee, number, lowest, path, on_path)
                    work.append((callee, iter(calls[callee])))
                    break
                if callee in on_path:
                    lowest[name] = min(lowest[name], number[callee])
            else:
                work.pop()
                if work:
                    caller = work[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[name])
                if lowest[name] == number[name]:
                    yield _leave(name, path, on_path)


def _enter(
    name: str, number: dict[str, int], lowest: dict[str, int], path: list[str], on_path: set[str]
) -> None:
    number[name] = lowest[name] = len(number)
    path.append(name)
    on_path.add(name)


def _leave(name: str, path: list[str], on_path: set[str]) -> frozenset[str]:
    place = len(path) - 1
    while path[place] != name:
        place -= 1
    group = frozenset(path[place:])
    del path[place:]
    on_path.difference_update(group)
    return group
