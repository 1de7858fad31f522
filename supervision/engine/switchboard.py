"""The switchboard: all links of one process, and what becomes of letters on them.

One link serves a pair of peers.  If both dial at the same moment there are two; each side goes on sending on the one it
had first, so the order of its letters holds.  A link that is lost first gives up what the peer had still written; only
then are the letters that were not handled declared dead, and only then does a parent hear of the end of a child.
"""

import time
from collections import deque
from collections.abc import Callable
from functools import partial

from alluse_hub.supervision.engine.agenda import Agenda
from alluse_hub.supervision.engine.door import BusyError, DeadTargetError, Door, RefusedError
from alluse_hub.supervision.engine.frames import Frame, FrameError, Kind
from alluse_hub.supervision.engine.inbox import Inbox
from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.link import Link, LinkLostError, Note
from alluse_hub.supervision.engine.owed import Owed
from alluse_hub.supervision.engine.poller import WRITE, Poller
from alluse_hub.supervision.engine.settings import Settings

HELLO_S = 5.0
"""How long a caller may take to say who it is."""

STRANGERS_MAX = 64
"""Callers that have not said who they are; beyond that the oldest is put out."""

ACCEPTS_PER_TURN = 64

DIAL_FIRST_S = 0.002
DIAL_LAST_S = 0.1
DIAL_PATIENCE_S = 30.0
"""A full backlog is tried again after 2 ms, doubling; a peer that takes no call for this long is given up."""

ACCEPT_PAUSE_S = 0.05
"""Pause after the process ran out of descriptors."""

EAGER_WRITES = 4
EAGER_BYTES = 64 * 1024
"""The first few letters to a peer in one handler call leave at once, later ones together; or when they are many."""

READ_BYTES = 256 * 1024

MESSAGE, CONTROL, NAK = Kind.MESSAGE, Kind.CONTROL, Kind.NAK
"""Looked at for every frame."""

LOST = object()
"""In a link's mail: what comes after the last message."""


class Switchboard:
    """``acts``: what is to be done in the loop, each once that many items have been taken from the inbox."""

    def __init__(self, settings: Settings, door: Door, poller: Poller, inbox: Inbox, agenda: Agenda) -> None:
        self.door = door
        self.acts: deque[tuple[int, Callable[[], object]]] = deque()
        self.turn = 0
        self.owed = Owed()
        self.inbox_bytes = 0
        self._settings = settings
        self._poller = poller
        self._inbox = inbox
        self._agenda = agenda
        self._by_path: dict[str, Link] = {}  # the link that letters to this peer take
        self._by_fd: dict[int, Link] = {}
        self._links: set[Link] = set()  # all whose last word has not been heard
        self.dirty: dict[Link, None] = {}
        self._strangers: deque[Link] = deque()
        self._watchers: dict[int, Callable[[], None]] = {}  # pid -> what to do when its last word is heard
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._poller.add(door.listener.fileno())

    # --- sending -----------------------------------------------------------------------------------------------------

    def post(self, path: str, letter: Letter) -> Link | None:
        """Send, or keep to be sent; the link it went to, None if it failed (its ``done`` will hear)."""
        link = self._by_path.get(path)
        if link is None:
            link = self._dial(path)
            if link is None:
                self.tell(letter, Fate.DEAD)
                return None
        if link.turn != self.turn:
            link.turn = self.turn
            link.turn_writes = 0
        link.turn_writes += 1
        is_eager = link.turn_writes <= EAGER_WRITES
        if is_eager and link.write(letter):
            if link.wire:
                self.flush(link)
            return link
        if link.queued_bytes + len(letter.payload) > self._settings.queue_max_bytes:
            letter.payload = b""  # only the message goes back
            letter.why = f"{link.queued_bytes} bytes are waiting for {path} already"
            self.tell(letter, Fate.FAILED)
            return None
        link.put(letter)
        if is_eager or link.queued_bytes >= EAGER_BYTES:
            self.flush(link)
        else:
            self.dirty[link] = None
        return link

    def tell(self, letter: Letter, fate: Fate) -> None:
        """Let the sender know, after all that was received before."""
        if letter.done is not None:
            self.do_later(partial(letter.done, fate, letter))

    def do_later(self, act: Callable[[], object]) -> None:
        """Do it in the loop, after what is in the inbox now."""
        self.acts.append((self._inbox.added, act))

    def flush(self, link: Link) -> None:
        wants_write = not link.flush()
        if wants_write != link.wants_write and link.sock is not None and not link.is_lost:
            link.wants_write = wants_write
            link.is_behind = link.is_behind and wants_write
            self._poller.want(link.sock.fileno(), write=wants_write)

    def flush_all(self) -> None:
        while self.dirty:
            self.flush(self.dirty.popitem()[0])

    def unwritten(self, only: str = "") -> int:
        """Peers, or the ``only`` one, for which something has not left this process."""
        links = {*self._by_path.values(), *self._by_fd.values()}
        return sum(1 for link in links if link.is_held_up and only in {"", link.path})

    def awaiting_receipt(self) -> int:
        links = [link for link in self._by_path.values() if not link.is_lost]
        return sum(1 for link in links for letter in link.unacked if letter is not None and letter.wants_receipt)

    def links(self) -> list[Link]:
        return list(self._by_fd.values())

    def _dial(self, path: str) -> Link | None:
        try:
            link = self.door.dial(path)
        except DeadTargetError:
            return None
        except BusyError:
            link = Link(None, path, 0)
            self._redial_later(link, DIAL_FIRST_S, time.monotonic() + DIAL_PATIENCE_S)
        else:
            self._plug(link)
        self._by_path[path] = link
        return link

    def _redial_later(self, link: Link, wait_s: float, until: float) -> None:
        self._later(wait_s, lambda: self._redial(link, min(2 * wait_s, DIAL_LAST_S), until))

    def _later(self, wait_s: float, act: Callable[[], object]) -> None:
        self._agenda.add(time.monotonic() + wait_s, act)

    def _redial(self, waiting: Link, wait_s: float, until: float) -> None:
        if self._by_path.get(waiting.path) is not waiting:
            return  # the peer has called meanwhile, and its link was taken
        self.close_idle()
        try:
            link = self.door.dial(waiting.path)
        except (BusyError, DeadTargetError) as error:
            if isinstance(error, BusyError) and time.monotonic() < until:
                self._redial_later(waiting, wait_s, until)
                return
            link = None
        del self._by_path[waiting.path]
        if link is None:
            self._return_all(waiting, "")
            return
        self._plug(link)
        self._by_path[link.path] = link
        self._move_queue(waiting, link)

    def _move_queue(self, waiting: Link, link: Link) -> None:
        while waiting.queue:
            link.put(waiting.queue.popleft())
        self.flush(link)

    def _plug(self, link: Link) -> None:
        assert link.sock is not None, "only a connected link is polled"
        self._by_fd[link.sock.fileno()] = link
        self._links.add(link)
        self._poller.add(link.sock.fileno())
        self.flush(link)
        if len(self._by_fd) > self._settings.connections_max:
            self.close_idle()

    # --- receiving ---------------------------------------------------------------------------------------------------

    def attend(self, ready: list[tuple[int, int]], *, greedy: bool = False) -> list[int]:
        """Deal with the descriptors that are ready and how; those that are none of ours.

        A link is read only when what it brought before is handled, unless ``greedy``; the kernel's buffer then holds
        back the peer.
        """
        others = []
        for fd, events in ready:
            link = self._by_fd.get(fd)
            if link is not None:
                if events & WRITE:
                    self.flush(link)
                if events & ~WRITE and (greedy or not link.mail):
                    self._read(link)
            elif fd == self.door.listener.fileno():
                self.accept()
            else:
                others.append(fd)
        return others

    def accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                link = self.door.accept()
            except BusyError:
                self.close_idle()
                listener = self.door.listener.fileno()
                self._poller.remove(listener)
                self._later(ACCEPT_PAUSE_S, partial(self._poller.watch, listener))  # there may be several pauses
                return
            if link is None:
                return
            self._plug(link)
            self._strangers.append(link)
            self._read(link)  # as a rule it says who it is in the same breath
            if len(self._strangers) > STRANGERS_MAX:
                self._read(self._strangers[0])  # or by now: a crowd of newborns must not be taken for strangers
            if len(self._strangers) > STRANGERS_MAX:
                self._put_out(self._strangers[0], "too many callers did not say who they are")
            if not (link.path or link.is_lost):
                self._later(HELLO_S, partial(self._expire, link))

    def _expire(self, link: Link) -> None:
        if not link.path and not link.is_lost:
            self._put_out(link, f"pid {link.pid} did not say who it is within {HELLO_S:.0f} s")

    def _put_out(self, link: Link, why: str) -> None:
        self.door.refuse(why)
        self._lose(link)

    def _read(self, link: Link) -> None:
        try:
            frames = link.read(self._buffer)
            if not link.path:
                if not frames:
                    return
                self.door.prove(link, frames[0])
                self._strangers.remove(link)
                self._welcome(link)
                frames = link.read_on()
            for frame in frames:
                self._take(link, frame)
        except LinkLostError:
            self._lose(link)
        except (FrameError, RefusedError) as error:
            self._put_out(link, f"{link.path or f'pid {link.pid}'}: {error}")

    def _take(self, link: Link, frame: Frame) -> None:
        kind, handled, asked, _, payload = frame
        if kind is NAK and (letter := link.refused(asked)) is not None:
            letter.why = bytes(payload).decode(errors="replace")
            self.tell(letter, Fate.REFUSED)
        if handled != link.acked:
            for letter in link.acknowledge(handled):
                self.tell(letter, Fate.SENT)
        if kind is MESSAGE or kind is CONTROL:
            link.received += 1
            self.inbox_bytes += len(payload)
            self._inbox.add(link, frame, is_urgent=kind is CONTROL)
        elif kind is Kind.PART:
            self._part_asked(link)
        elif kind is Kind.PARTED:
            self._parted(link)
        elif kind is Kind.STAY:
            link.is_parting = False
            self.flush(link)

    def _welcome(self, link: Link) -> None:
        known = self._by_path.get(link.path)
        if known is None:
            self._by_path[link.path] = link
        elif known.sock is None:
            self._by_path[link.path] = link
            self._move_queue(known, link)

    # --- counting ----------------------------------------------------------------------------------------------------

    def refuse(self, link: Link, why: str) -> None:
        """The message now in hand makes no sense; to be followed by ``owed.handled_one``."""
        link.put_first(Note(Kind.NAK, why.encode(errors="replace"), (link.handled + 1) & 0xFFFF_FFFF))
        self.dirty[link] = None

    def acknowledge_all(self) -> None:
        for link in self.owed.take():
            link.put(Note(Kind.ACK))
            self.flush(link)

    # --- loss --------------------------------------------------------------------------------------------------------

    def _lose(self, link: Link) -> None:
        """No more to be read; the rest follows when its mail is through."""
        link.is_lost = True
        self._unplug(link)
        if link in self._strangers:
            self._strangers.remove(link)
        self._inbox.add(link, LOST)

    def _unplug(self, link: Link) -> None:
        assert link.sock is not None, "only a connected link is lost"
        fd = link.sock.fileno()
        self._poller.remove(fd)
        self._by_fd.pop(fd, None)
        link.sock.close()
        self.owed.forget(link)
        self.dirty.pop(link, None)

    def bury(self, link: Link) -> None:
        """All that came over a lost link has been heard."""
        self._forget(link)
        self._return_all(link, "the connection was lost")
        self._last_word_of(link.pid)

    def _forget(self, link: Link) -> None:
        self._links.discard(link)
        if self._by_path.get(link.path) is link:
            del self._by_path[link.path]

    def _last_word_of(self, pid: int) -> None:
        if pid in self._watchers and not self._still_speaks(pid):
            self._watchers.pop(pid)()

    def _return_all(self, link: Link, why: str) -> None:
        for letter in link.undelivered():
            letter.why = why
            if letter.done is not None:
                letter.done(Fate.DEAD, letter)

    def bury_all(self) -> None:
        """The inbox will not be served again: settle the fate of what was sent over lost links."""
        for link in [link for link in self._links if link.is_lost]:
            self.bury(link)

    def give_up(self, path: str) -> None:
        """The peer is known to be dead: nothing more goes out to it, but what it wrote is still read."""
        link = self._by_path.get(path)
        if link is not None:
            link.is_mute = True
            for letter in link.undelivered():
                self.tell(letter, Fate.DEAD)

    def after_last_word(self, pid: int, act: Callable[[], None]) -> None:
        """Run ``act`` in the loop once everything that the ended process ``pid`` wrote to us has been handled."""
        self.accept()
        if self._still_speaks(pid):
            self._watchers[pid] = act
        else:
            self.do_later(act)

    def _still_speaks(self, pid: int) -> bool:
        return any(link.pid == pid for link in self._links)

    # --- idle links --------------------------------------------------------------------------------------------------

    def close_idle(self) -> None:
        """Ask the peers of the least recently used idle links to part, down to the bound."""
        excess = len(self._by_fd) - self._settings.connections_max
        idle = [link for link in self._by_path.values() if link.is_idle and link.sock is not None]
        for link in sorted(idle, key=lambda link: link.turn)[: max(excess, 1)]:
            if not link.is_parting and not link.is_lost:
                link.put(Note(Kind.PART))
                self.flush(link)
                link.is_parting = True

    def _part_asked(self, link: Link) -> None:
        if link.is_parting:
            self._parted(link)  # both asked at the same moment
        elif link.is_idle:
            link.put(Note(Kind.PARTED))
            link.flush()
            self._parted(link)
        else:
            link.put(Note(Kind.STAY))
            self.flush(link)

    def _parted(self, link: Link) -> None:
        link.is_lost = True
        self._unplug(link)
        self._forget(link)
        for letter in link.undelivered():  # held back since we asked
            self.do_later(partial(self.post, link.path, letter))
        self._last_word_of(link.pid)

    def close(self) -> None:
        for link in self.links():
            self._unplug(link)
        self._by_path.clear()
        self.door.close()
