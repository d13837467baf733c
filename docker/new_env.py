"""Write .env from .env.example, every empty secret filled with a fresh random value.

    python3 docker/new_env.py [--output .env]

An .env that is there already is left alone. Needs the standard library only.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SECRET_BYTES = 32


def filled(example: str) -> str:
    """Return the text of .env: ``NAME=`` without a value gets one, everything else stays as it is."""
    return "".join(_filled_line(line, _users(example)) for line in example.splitlines(keepends=True))


def _users(example: str) -> list[str]:
    listed = next(line for line in example.splitlines() if line.startswith("AIRFLOW_USERS="))
    return [user.split(":")[0] for user in listed.partition("=")[2].split(",")]


def _filled_line(line: str, users: list[str]) -> str:
    name, separator, value = line.strip().partition("=")
    if name.startswith("#") or not separator or value:
        return line
    if name == "AIRFLOW_PASSWORDS":
        return f"{name}='{json.dumps({user: secrets.token_urlsafe(12) for user in users})}'\n"
    if name == "AIRFLOW_FERNET_KEY":
        return f"{name}={base64.urlsafe_b64encode(os.urandom(SECRET_BYTES)).decode()}\n"
    return f"{name}={secrets.token_urlsafe(SECRET_BYTES)}\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the file is there."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--output", type=Path, default=REPOSITORY / ".env", help="default: .env beside this")
    output = parser.parse_args(arguments).output
    text = filled((REPOSITORY / ".env.example").read_text(encoding="utf-8"))
    try:
        output.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        sys.stdout.write(f"{output} is there already and stays; delete it first for fresh secrets.\n")
        return 0
    output.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{output} written; the users' passwords are in its AIRFLOW_PASSWORDS.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
