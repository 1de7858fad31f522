"""How what a process logs reaches the logger, and what becomes of it when the logger dies.

Every process sends its records to the logger, a process of its own.  If that dies they go to the admin instead, which
keeps them until there is a new logger, and passes them on.  What cannot be kept is counted, and the count is logged.
"""

import logging
import sys
from collections import deque

from thespian.actors import ActorAddress
from thespian.system.logdirector import ThespianLogForwarder
from thespian.system.transport import TransmitIntent

from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.transport import Transport

KEPT_MAX = 1_000
"""Records that the admin keeps while there is no logger; further ones are lost."""

SAY_AFTER_S = 1.0
"""How long after a loss it is said; losses come in crowds."""

PLAIN = frozenset({str, int, float, bool, type(None)})
"""What is left in a record that cannot be sent as it is."""


class LogPost:
    """Where the records of this process go: to ``logger``, or when that is gone to ``admin``."""

    def __init__(self, transport: Transport, logger: ActorAddress | None, admin: ActorAddress | None) -> None:
        self.myAddress = transport.myAddress  # here and below: Thespian's forwarder takes this for its transport
        self.to = logger
        self._transport = transport
        self._admin = admin
        self._lost = 0
        self._will_say = False

    def scheduleTransmit(self, _addresses: object, intent: TransmitIntent) -> None:  # noqa: N802
        self.post(intent.message)

    def post(self, record: logging.LogRecord) -> None:
        """Never raises: a line that cannot be logged must not fail what it speaks of."""
        if self.to is None:
            self.keep(record)
            return
        try:
            self._transport.send(Letter(self.to, record, self._not_delivered))
        except Exception:  # noqa: BLE001  # pickling may raise anything
            self._post_plain(record)

    def keep(self, _record: logging.LogRecord) -> None:
        """There is nobody to send it to."""
        self.give_up(1)

    def give_up(self, count: int) -> None:
        self._lost += count
        if not self._will_say:
            self._will_say = True
            self._transport.do_after(SAY_AFTER_S, self._say)

    def _say(self) -> None:
        self._will_say = False
        lost, self._lost = self._lost, 0
        text = f"{lost} log records of {self.myAddress} were lost"
        notice = logging.LogRecord("alluse_hub.engine", logging.ERROR, __file__, 0, text, None, None)
        notice.lines = lost
        self.post(notice)

    def _post_plain(self, record: logging.LogRecord) -> None:
        plain = {name: value for name, value in vars(record).items() if type(value) in PLAIN}
        if len(plain) == len(vars(record)):
            self.give_up(getattr(record, "lines", 1))
        else:
            self.post(logging.makeLogRecord(plain))

    def _not_delivered(self, fate: Fate, letter: Letter) -> None:
        record = letter.message
        if fate is Fate.DEAD and letter.to != self._admin:
            if letter.to == self.to:
                self.to = self._admin
            self.post(record)
        elif fate is Fate.REFUSED:
            self._post_plain(record)
        else:
            self.give_up(getattr(record, "lines", 1))


class LogDesk(LogPost):
    """The admin's: records wait here while there is no logger."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, None, None)
        self._kept: deque[logging.LogRecord] = deque()
        self._is_printing = False

    def logger_is(self, logger: ActorAddress) -> None:
        self.to = logger
        while self._kept:
            self.post(self._kept.popleft())

    def keep(self, record: logging.LogRecord) -> None:
        if self._is_printing:
            _print(record)
        elif len(self._kept) < KEPT_MAX:
            self._kept.append(record)
        else:
            self.give_up(getattr(record, "lines", 1))

    def print_from_now_on(self, why: str) -> None:
        """There will be no logger any more."""
        sys.stderr.write(f"{why}; what is logged is printed from now on\n")
        self._is_printing = True
        while self._kept:
            _print(self._kept.popleft())


def _print(record: logging.LogRecord) -> None:
    sys.stderr.write(f"{record.levelname} {record.name} {record.getMessage()}\n")
    sys.stderr.flush()


def log_through(post: LogPost, level: int = logging.NOTSET) -> None:
    """All loggers of this process begin afresh, and send what they have to say; Thespian's way to do that."""
    logging.root = ThespianLogForwarder(post.myAddress, post, logLevel=level)
    logging.Logger.root = logging.root
    logging.Logger.manager = logging.Manager(logging.Logger.root)
