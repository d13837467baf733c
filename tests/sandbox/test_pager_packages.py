"""Alerta and PostgreSQL for the tests of drills: where they come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox import pager_packages
from sandbox.errors import ProgramsMissingError
from sandbox.servers import postgres


def programs(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).touch(mode=0o755)
    return folder


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(pager_packages, "SYSTEM", tmp_path / "system")


@pytest.mark.usefixtures("nothing_installed")
def test_postgres_is_taken_from_path_then_from_the_system_then_from_what_was_unpacked(tmp_path: Path):
    unpacked = tmp_path / "unpacked"
    assert pager_packages.postgres_folder(unpacked) is None
    last = programs(unpacked / "usr/lib/postgresql/15/bin")
    assert pager_packages.postgres_folder(unpacked) == last
    old, new = (programs(tmp_path / f"system/usr/lib/postgresql/{number}/bin") for number in (9, 15))
    assert old != pager_packages.postgres_folder(unpacked) == new
    first = programs(tmp_path / "bin")
    assert pager_packages.postgres_folder(unpacked) == first


@pytest.mark.usefixtures("nothing_installed")
def test_a_postgres_without_initdb_is_none(tmp_path: Path):
    (programs(tmp_path / "bin") / "initdb").unlink()
    assert pager_packages.postgres_folder(tmp_path / "unpacked") is None


@pytest.mark.usefixtures("nothing_installed")
def test_a_machine_without_postgres_and_without_apt_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pager_packages, "can_unpack", lambda: False)
    with pytest.raises(ProgramsMissingError, match="Install PostgreSQL"):
        pager_packages.fetch_postgres(tmp_path, lambda _: None)


def test_only_an_unpacked_postgres_is_told_where_its_libraries_are(tmp_path: Path):
    folder = programs(tmp_path / "usr/lib/postgresql/15/bin")
    assert postgres.environment(folder) == {}
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir()
    expected = {"LD_LIBRARY_PATH": str(tmp_path / "usr/lib/x86_64-linux-gnu")}
    assert postgres.environment(folder) == expected
    for installed in ("/usr/lib/postgresql/15/bin", "/opt/bin", "/usr/local/pgsql/bin"):
        assert postgres.environment(Path(installed)) == {}


def test_alerta_and_all_it_needs_are_pinned():
    lines = pager_packages.ALERTA_REQUIREMENTS.read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert "alerta-server==9.1.0" in wanted
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in wanted)
