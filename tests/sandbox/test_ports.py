"""Every server gets its own port, and a configured port that cannot be had is refused in plain words."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sandbox import ports
from sandbox.errors import PortError


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((ports.HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_every_name_gets_a_different_free_port():
    chosen = ports.choose([f"server_{number}" for number in range(40)], {})
    assert len(set(chosen.values())) == 40
    assert all(port in ports.FREE_RANGE for port in chosen.values())


def test_a_configured_port_is_used():
    free = ports.choose(["any"], {})["any"]
    chosen = ports.choose(["prometheus", "alertmanager"], {"SANDBOX_PROMETHEUS_PORT": str(free)})
    assert chosen["prometheus"] == free
    assert chosen["alertmanager"] != free


def test_an_empty_setting_means_a_free_port():
    assert ports.choose(["tickets"], {"SANDBOX_TICKETS_PORT": " "})["tickets"] in ports.FREE_RANGE


@pytest.mark.parametrize("value", ["http", "-1", "0", "65536", "90.5"], ids=str)
def test_a_value_that_is_no_port_is_refused(value: str):
    with pytest.raises(PortError, match=f"SANDBOX_LOKI_PORT={value}: not a port"):
        ports.choose(["loki"], {"SANDBOX_LOKI_PORT": value})


def test_a_taken_port_is_refused_with_what_to_do(taken_port: int):
    with pytest.raises(
        PortError, match=f"SANDBOX_TICKETS_PORT={taken_port}.*another program has it"
    ) as caught:
        ports.choose(["tickets"], {"SANDBOX_TICKETS_PORT": str(taken_port)})
    assert "unset SANDBOX_TICKETS_PORT" in str(caught.value)


def test_two_servers_cannot_be_given_the_same_port():
    free = str(ports.choose(["any"], {})["any"])
    with pytest.raises(PortError, match="SANDBOX_PROMETHEUS_PORT has the same port"):
        ports.choose(
            ["prometheus", "blackbox"],
            {"SANDBOX_PROMETHEUS_PORT": free, "SANDBOX_BLACKBOX_PORT": free},
        )
