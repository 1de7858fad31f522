"""A witness: a small program of its own that cosigns the heads of logs, for one hub or many.

    python -m alluse_hub.actors.auditor.witness add|serve|key|list --folder DIR ...

It is no command of the hub and knows nothing of one: it is to run as another user, better on another machine, since
what it proves is that the hub's own user has not changed the past.  All it keeps is in its folder: its key, and for
each log the keys, size and root.  What it answers over HTTP, on a unix socket, is C2SP tlog-witness: ``witnessing``.

A head is on disk before it is cosigned, and requests are taken one by one: so no answer ever goes back on another.
"""

import argparse
import json
import os
import socket
import socketserver
import sys
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.notes import COSIGNATURE, ED25519, NoteError, Signer, Vkey
from alluse_hub.actors.auditor.witnessing import REQUEST_BYTES_MAX, Log, judge
from alluse_hub.protocols.errors import CallerError, HubError, TrailError
from alluse_hub.supervision.spool import sync_directory

PATIENCE_S = 5.0
"""For a client that says nothing; meanwhile others wait."""


class Witness:
    """Keys and heads in ``folder``.  One process at a time."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder = folder
        self.signer = signer
        self.logs = self._load()

    @classmethod
    def open(cls, folder: Path, name: str = "") -> "Witness":
        """Makes folder and key if there are none; ``name`` is that of the key.  Raises CallerError, TrailError."""
        path = folder / "witness.key"
        signer = keys.load(path)
        if signer is None and not name:
            raise CallerError(f"{folder} has no witness yet: give --name, such as witness.example/w1")
        try:
            return cls(folder, signer or keys.make(path, name, COSIGNATURE))
        except NoteError as error:
            raise CallerError(str(error)) from error

    def add(self, key: Vkey) -> None:
        """Witness that log too; another key for a log that is known is a change of its key."""
        if key.kind != ED25519:
            raise CallerError("that is a witness's key, not that of a log")
        known = self.logs.get(key.name, Log(()))
        self._keep({**self.logs, key.name: known._replace(keys=(*(k for k in known.keys if k != key), key))})

    def answer(self, body: bytes, at: int) -> tuple[int, str, str]:
        """Status, kind and text.  Raises TrailError if the head cannot be kept: then nothing is signed."""
        verdict = judge(self.logs, body)
        if verdict.accepted is None:
            return verdict.status, verdict.content_type, verdict.text
        head = verdict.accepted
        log = self.logs[head.origin]
        if head.size != log.size:
            self._keep({**self.logs, head.origin: log._replace(size=head.size, root=head.root)})
        return 200, verdict.content_type, str(self.signer.sign(head.text, at))

    def _load(self) -> dict[str, Log]:
        try:
            found = json.loads((self.folder / "logs.json").read_text(encoding="utf-8"))
            return {
                origin: Log(tuple(map(Vkey.parse, log["keys"])), int(log["size"]), bytes.fromhex(log["root"]))
                for origin, log in found.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrailError(
                f"cannot read {self.folder / 'logs.json'}: {error}; bring it back from a backup"
            ) from error

    def _keep(self, logs: dict[str, Log]) -> None:
        plain = {
            origin: {"keys": [str(key) for key in log.keys], "size": log.size, "root": log.root.hex()}
            for origin, log in logs.items()
        }
        path = self.folder / "logs.json"
        draft = path.with_suffix(".new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(plain, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            sync_directory(self.folder)
        except OSError as error:
            raise TrailError(f"cannot write {path}: {error}") from error
        self.logs = logs


class Handler(BaseHTTPRequestHandler):
    """One connection; it may ask more than once."""

    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    server: "Server"

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not self.path.endswith("/add-checkpoint"):
            self._say(404, "text/plain", "POST /add-checkpoint\n")
        elif not length.isdecimal() or int(length) > REQUEST_BYTES_MAX:
            self.close_connection = True
            self._say(413, "text/plain", f"at most {REQUEST_BYTES_MAX} bytes, with their length\n")
        else:
            try:
                self._say(*self.server.witness.answer(self.rfile.read(int(length)), int(time.time())))
            except TrailError as error:
                self._say(500, "text/plain", f"{error}\n")

    def _say(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        sys.stderr.write(f"{format % args}\n")


class Server(socketserver.UnixStreamServer):
    """On a unix socket that anybody may use who can reach it: a head is believed for its signature, not its bearer."""

    def __init__(self, path: Path, witness: Witness) -> None:
        self.witness = witness
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise CallerError(f"{path} is served already")
        path.unlink(missing_ok=True)
        super().__init__(str(path), Handler)
        path.chmod(0o666)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        request, _ = super().get_request()
        return request, ("unix", 0)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # the base class's
        """A client that went away, or said nothing: the next one is served."""
        sys.stderr.write(f"a request was given up: {sys.exc_info()[1]!r}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m alluse_hub.actors.auditor.witness", description="A witness of logs."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, what in (
        ("add", "witness the log that this key signs; `trail key` of the hub shows it"),
        ("serve", "answer until ended"),
        ("key", "the public key, for the verifier's --witness-vkey"),
        ("list", "what is witnessed, and how far"),
    ):
        made = verbs.add_parser(verb, help=what)
        made.add_argument("--folder", metavar="DIR", type=Path, required=True, help="the witness's own")
        made.add_argument("--name", default="", help="of the key, when it is made: such as witness.example/w1")
        if verb == "add":
            made.add_argument("vkey", metavar="KEY", help="name+hash+key")
        if verb == "serve":
            made.add_argument("--socket", metavar="PATH", type=Path, required=True, help="made anew")
    arguments = parser.parse_args(argv)
    try:
        run(arguments)
    except (HubError, NoteError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Raises CallerError, TrailError, NoteError, OSError."""
    witness = Witness.open(arguments.folder, arguments.name)
    match arguments.verb:
        case "add":
            witness.add(Vkey.parse(arguments.vkey))
        case "key":
            sys.stdout.write(f"{witness.signer.vkey}\n")
        case "list":
            sys.stdout.write("".join(f"{origin} {log.size} {log.root.hex()}\n" for origin, log in witness.logs.items()))
        case _:
            with Server(arguments.socket, witness) as server:
                sys.stderr.write(f"{witness.signer.vkey.name} answers at {arguments.socket}\n")
                server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
