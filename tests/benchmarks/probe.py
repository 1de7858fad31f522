"""A workstream program that costs next to nothing: it says an event when it is cued, and obeys every command at once.

    python -I -S probe.py NAME CUE TOLD

A datagram on the socket CUE, which it makes, names the event to say.  After the reply to ``set_mode`` it sends a
datagram to the socket TOLD, if anybody listens there.  Standard library only.
"""

import json
import os
import select
import socket
import sys
import time
from contextlib import suppress

BEAT_S = 1.0
READ_BYTES = 1 << 16


class Probe:
    def __init__(self, name: str) -> None:
        self.name = name
        self.events = 0
        self._said = 0
        self._began = time.monotonic()

    def say(self, kind: str, **more: object) -> None:
        self._said += 1
        line = {"ws": self.name, "seq": self._said, "t": time.monotonic() - self._began, "kind": kind, **more}
        os.write(1, json.dumps(line).encode() + b"\n")

    def tell(self, event: str) -> None:
        self.events += 1
        self.say("event", n=self.events, event=event, payload={"level": 0.9})

    def obey(self, line: bytes) -> str:
        """The command's name."""
        asked = json.loads(line)
        self.say("reply", id=asked["id"], ok=True, result={})
        return str(asked["command"])


def main(name: str, cue: str, told: str) -> int:
    with suppress(FileNotFoundError):
        os.unlink(cue)  # noqa: PTH108  # pathlib would be the dearest import here
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(cue)
    bell = listener.fileno()
    probe = Probe(name)
    probe.say("hello", name=name, version="1", pid=os.getpid())
    rest = b""
    beat_at = time.monotonic() + BEAT_S
    while True:
        ready, _, _ = select.select([0, bell], [], [], max(0.0, beat_at - time.monotonic()))
        if bell in ready:
            probe.tell(listener.recv(64).decode())
        if 0 in ready:
            piece = os.read(0, READ_BYTES)
            if not piece:
                return 0
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if probe.obey(line) == "set_mode":
                    with suppress(OSError):
                        listener.sendto(b".", told)
        if time.monotonic() >= beat_at:
            probe.say("heartbeat", requests=probe.events)
            beat_at = time.monotonic() + BEAT_S


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
