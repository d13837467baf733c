"""Which drills the nightly run makes: of every service one route, in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from release_watch.drills.history import Kind, path_mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from release_watch.drills.plan import DrillRoute

NEVER = ""
"""Before every drill id; ids are in the order of time."""


class Turns(Protocol):
    """What is asked of :class:`release_watch.drills.history.DrillHistory`."""

    def last_turns(self, service: str, kind: Kind, marks: Iterable[str]) -> dict[str, str]:
        """Return the id of the newest drill of ``kind`` on each path of ``service`` that had one."""
        ...


def tonight(
    routes: Sequence[DrillRoute],
    history: Turns,
    *,
    kind: Kind = "full",
    held_back: Callable[[DrillRoute], str | None] = lambda _: None,
) -> list[DrillRoute]:
    """Return one route per service: that which was not drilled for the longest time, or never.

    A service with N routes drills each of them within N nights, whatever order they are given in. The
    services come in the same manner, the one whose route waits longest first: where a limit lets only some
    be drilled tonight, the others are first tomorrow. A page that could not be fired had its turn; a ticket
    that cannot be has one only where its service has nothing else.

    Args:
        routes: of one environment; those that take the same way with the same severity count as one.
        history: of that environment.
        kind: only drills of this kind count as turns.
        held_back: says why a route may not be drilled now; another of its service then comes first. Where all
            are held back, the one whose turn it is is returned nevertheless, so that the reason is told. It
            is asked in the order of the answer, and of a service no more once a route passed.
    """
    services: dict[str, list[DrillRoute]] = {}
    for route in routes:
        services.setdefault(route.service, []).append(route)
    waiting = [_in_turn(ways, history, kind) for ways in services.values()]
    waiting.sort(key=lambda turns: turns[0][0])
    return [next((route for _, route in turns if held_back(route) is None), turns[0][1]) for turns in waiting]


def mark_of(route: DrillRoute) -> str:
    """Return the :func:`~release_watch.drills.history.path_mark` that the drills of a route have."""
    return path_mark(route.severity, ", ".join(route.expected) or None, route.way.route)


def _in_turn(ways: Sequence[DrillRoute], history: Turns, kind: Kind) -> list[tuple[str, DrillRoute]]:
    """Return the routes of one service with the ids of their last drills, longest ago first."""
    routes = [route for route in ways if _leaves_a_result(route)] or ways
    last = history.last_turns(routes[0].service, kind, [mark_of(route) for route in routes])
    turns = [(last.get(mark_of(route), NEVER), route) for route in routes]
    return sorted(turns, key=lambda turn: turn[0])


def _leaves_a_result(route: DrillRoute) -> bool:
    """Whether a drill of the route is among the results; a ticket that cannot be drilled is not."""
    return route.obstacle is None or route.severity == "page"
