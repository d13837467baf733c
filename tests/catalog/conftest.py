from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from release_watch.catalog.config import config_folder, load_config
from release_watch.errors import InvalidInputError

Edit = Callable[[str, str, str], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped configuration."""
    monkeypatch.delenv("RELEASE_WATCH_CONFIG", raising=False)
    return Path(shutil.copytree(config_folder(), tmp_path / "config"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Replaces a text that must be there in a file of the folder."""

    def replace(name: str, old: str, new: str) -> None:
        path = folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return replace


@pytest.fixture
def problems(folder: Path) -> Callable[[], tuple[str, ...]]:
    """Loads the folder and returns what is wrong with it."""

    def load() -> tuple[str, ...]:
        try:
            load_config(folder)
        except InvalidInputError as error:
            return error.problems
        return ()

    return load
