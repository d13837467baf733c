"""The process behind the tickets: makes a Roundup tracker if there is none, and serves it.

``roundup-server`` refuses to run as root, as one does in a container, so Roundup's WSGI side is served.
Run as ``python -m sandbox.servers.tracker --port N --home DIR --credentials FILE``.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import files
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sandbox.ports import HOST

# Roundup's default protects passwords that people chose, at a tenth of a second a request; ours are random.
PASSWORD_ROUNDS = 1000


def template() -> Path:
    """Return Roundup's classic template: issues with status, priority, messages, and web pages."""
    # pip puts it beside the packages or under the prefix, so the installation itself is asked.
    for file in files("roundup") or ():
        if file.match("share/roundup/templates/classic/TEMPLATE-INFO.txt"):
            return Path(str(file.locate())).resolve().parent
    raise FileNotFoundError("roundup is installed without its templates; install it anew with pip")


def make_tracker(home: Path, url: str, credentials: dict[str, Any]) -> None:
    """Make a tracker in ``home`` with one account for the program and one for each person."""
    import roundup.instance
    from roundup import init
    from roundup.password import Password

    settings = {
        "rdbms_backend": "sqlite",
        "tracker_name": "Shop tickets",
        "tracker_web": f"{url}/",
        "mail_domain": "shop.test",
        "mail_host": HOST,
        # Messages to people are written here: the sandbox has no mail server.
        "mail_debug": str(home.parent / "mail.txt"),
        "password_pbkdf2_default_rounds": PASSWORD_ROUNDS,
    }
    init.install(str(home), str(template()), settings=settings)
    tracker = roundup.instance.open(str(home))
    people = dict(credentials["people"])
    tracker.init(Password(people.pop("admin"), config=tracker.config))
    database = tracker.open("admin")
    try:
        for name, secret in {credentials["username"]: credentials["password"], **people}.items():
            database.user.create(
                username=name,
                password=Password(secret, config=database.config),
                address=f"{name}@shop.test",
                roles="User",
            )
        database.commit()
    finally:
        database.close()


class ThreadedServer(ThreadingMixIn, WSGIServer):
    """Roundup opens its database per request, so requests may overlap."""

    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    """No line per request; errors still reach the log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet about answered requests."""


def main() -> None:
    """Make the tracker where there is none, then serve until terminated."""
    from roundup.cgi.wsgi_handler import RequestDispatcher

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--credentials", type=Path, required=True)
    options = parser.parse_args()
    if not (options.home / "config.ini").exists():
        url = f"http://{HOST}:{options.port}"
        make_tracker(options.home, url, json.loads(options.credentials.read_text()))
    application = RequestDispatcher(str(options.home))
    make_server(HOST, options.port, application, ThreadedServer, QuietHandler).serve_forever()


if __name__ == "__main__":
    main()
