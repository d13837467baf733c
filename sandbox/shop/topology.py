"""What the shop consists of: its services, their endpoints per version, and who calls whom."""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACE = "shop"
ENVIRONMENT = "production"
FIRST_VERSION = "1.0.0"
TRACED_SHARE = 0.5
"""Share of the visits that are traced: enough that a service shows a trace within seconds, at night too."""


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of a service.

    Attributes:
        method: HTTP method.
        path: Route template, which is also the metric label `http_route`.
        base_ms: Median of the service's own work in milliseconds, without the calls it makes.
        since: First version that has the endpoint.
        smoke_path: A concrete path for a smoke request; empty where the template is one.
    """

    method: str
    path: str
    base_ms: float
    since: str = FIRST_VERSION
    smoke_path: str = ""


@dataclass(frozen=True)
class Service:
    """One service of the shop.

    Attributes:
        name: Its name.
        summary: What it does, in a line.
        endpoints: Its endpoints in all versions.
        background_errors: Share of requests that fail for no special reason; what a customer sees adds up to
            about 0.1 %.
        calls: The services that it calls.
        database: The kind of its database, empty where it has none.
    """

    name: str
    summary: str
    endpoints: tuple[Endpoint, ...]
    background_errors: float
    calls: tuple[str, ...] = ()
    database: str = ""


SHOP: dict[str, Service] = {
    service.name: service
    for service in (
        Service(
            "payments",
            "charges and refunds customers",
            (Endpoint("POST", "/charges", 30.0), Endpoint("POST", "/refunds", 25.0, since="1.1.0")),
            background_errors=0.0001,
        ),
        Service(
            "catalogue",
            "answers what can be bought, from its SQLite database",
            (
                Endpoint("GET", "/products", 8.0),
                Endpoint("GET", "/products/{id}", 5.0, smoke_path="/products/1"),
            ),
            database="sqlite",
            background_errors=0.0002,
        ),
        Service(
            "checkout",
            "takes orders and has them paid",
            (
                Endpoint("POST", "/orders", 20.0),
                Endpoint(
                    "POST", "/orders/{id}/refund", 15.0, since="1.1.0", smoke_path="/orders/{order}/refund"
                ),
            ),
            calls=("payments",),
            background_errors=0.0002,
        ),
        Service(
            "storefront",
            "the pages that customers see",
            (
                Endpoint("GET", "/", 10.0),
                Endpoint("GET", "/products", 12.0),
                Endpoint("POST", "/cart/checkout", 15.0),
            ),
            calls=("checkout", "catalogue"),
            background_errors=0.0005,
        ),
    )
}
"""The services in the order in which they start: a service comes after those it calls."""


def parse_version(version: str) -> tuple[int, int, int]:
    """Returns (major, minor, patch) of a version such as `1.1.0`.

    Raises:
        ValueError: The text is not three numbers with dots between them.
    """
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"version {version!r} is not of the form MAJOR.MINOR.PATCH, for example 1.1.0")
    major, minor, patch = (int(part) for part in parts)
    return major, minor, patch


def next_minor(version: str) -> str:
    """Returns the next minor version: `1.1.0` after `1.0.3`."""
    major, minor, _ = parse_version(version)
    return f"{major}.{minor + 1}.0"


def endpoints_of(service: str, version: str) -> tuple[Endpoint, ...]:
    """Returns the endpoints that a version of a service has."""
    number = parse_version(version)
    return tuple(e for e in SHOP[service].endpoints if parse_version(e.since) <= number)


def new_endpoints(service: str, from_version: str, to_version: str) -> tuple[Endpoint, ...]:
    """Returns the endpoints that `to_version` of a service has and `from_version` has not."""
    before = endpoints_of(service, from_version)
    return tuple(e for e in endpoints_of(service, to_version) if e not in before)
