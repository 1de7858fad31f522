"""A connection to the control socket: JSON lines out, JSON lines in.  Standard library only."""

import json
import os
import socket
from pathlib import Path
from typing import Any, Self

from alluse_hub.cli.failure import FAILED, FORBIDDEN, TIMED_OUT, UNREACHABLE, USAGE, Failure
from alluse_hub.cli.home import check_length, socket_of

ANSWER_BYTES_MAX = 64_000_000
"""A thousand entries of the trail, each as long as a line of a workstream may be, are less than this in practice."""

TIMEOUT_S = 10.0
CHUNK_BYTES = 262_144

Answer = dict[str, Any]  # Any: JSON as the daemon gives it; the daemon is the one that validates


class Client:
    """Asks one thing after another.  ``home`` says whose socket."""

    def __init__(self, home: Path, timeout_s: float = TIMEOUT_S) -> None:
        """Raises Failure telling why the daemon cannot be reached, and how to start one."""
        check_length(home)
        path = socket_of(home)
        self._buffered = b""
        self._count = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        start = f"start one with `serve --home {home}`, or see it all with `demo`"
        try:
            self._socket.connect(os.fspath(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            self._socket.close()
            raise Failure(UNREACHABLE, f"no hub runs on {home}", start) from error
        except ConnectionRefusedError as error:
            self._socket.close()
            text = f"no hub runs on {home}: its socket is left over from one that ended"
            raise Failure(UNREACHABLE, text, start) from error
        except PermissionError as error:
            self._socket.close()
            hint = "its owner can name you in `[hub] allow_users` and `control_group`"
            raise Failure(FORBIDDEN, f"you may not ask the hub on {home}", hint) from error
        except OSError as error:
            self._socket.close()
            raise Failure(UNREACHABLE, f"cannot reach the hub on {home}: {error}", start) from error

    def ask(self, ask: str, args: Answer | None = None, timeout_s: float = TIMEOUT_S) -> Answer:
        """The result.  Raises Failure with the daemon's refusal, or if it does not answer in time."""
        self._count += 1
        request = json.dumps({"id": str(self._count), "ask": ask, "args": args or {}})
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(request.encode() + b"\n")
            answer = json.loads(self._line())
        except TimeoutError as error:
            raise Failure(TIMED_OUT, f"the hub does not answer within {timeout_s:g} s", "try `status`") from error
        except (BrokenPipeError, ConnectionError) as error:
            answer = self._last_word()
            if answer is None:
                raise Failure(UNREACHABLE, "the hub ended the connection", "it may be ending; try again") from error
        except ValueError as error:
            raise Failure(FAILED, f"the hub answered with something that is no JSON: {error}") from error
        if not isinstance(answer, dict):
            raise Failure(FAILED, "the hub answered with something that is no answer")
        if answer.get("ok") is True:
            result = answer.get("result")
            return result if isinstance(result, dict) else {}
        code = answer.get("code")
        raise Failure(
            code if isinstance(code, int) and code > 0 else FAILED,
            str(answer.get("message") or "refused"),
            str(answer.get("hint") or ""),
        )

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self) -> bytes:
        while (end := self._buffered.find(b"\n")) < 0:
            if len(self._buffered) > ANSWER_BYTES_MAX:
                raise Failure(FAILED, f"an answer of more than {ANSWER_BYTES_MAX} bytes", "ask for less with -n")
            chunk = self._socket.recv(CHUNK_BYTES)
            if not chunk:
                raise ConnectionError("the hub ended the connection")
            self._buffered += chunk
        line, self._buffered = self._buffered[:end], self._buffered[end + 1 :]
        return line

    def _last_word(self) -> Answer | None:
        """What the daemon said before it turned us away without reading."""
        try:
            word = json.loads(self._line())
        except (OSError, ValueError):
            return None
        return word if isinstance(word, dict) else None


def timeout_beyond(seconds: float) -> float:
    """How long to wait for an order that the daemon itself gives up after ``seconds``."""
    if not 0 < seconds <= 600:
        raise Failure(USAGE, f"--timeout is {seconds:g}", "give seconds above 0, at most 600")
    return seconds + 5.0
