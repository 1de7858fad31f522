"""How what a process logs reaches the logger, and what becomes of it when the logger dies.

Every process sends its records to the logger, a process of its own.  If that dies they go to the admin instead, which
keeps them until there is a new logger, and passes them on.  What cannot be kept is counted, and the count is logged.
"""

import logging
import sys
from functools import partial
from itertools import count
from operator import itemgetter

from thespian.actors import ActorAddress
from thespian.system.logdirector import ThespianLogForwarder
from thespian.system.transport import TransmitIntent

from alluse_hub.supervision.engine.exchange import FloodError
from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.transport import Transport

HELD_MAX = 1_000
"""Records that a process holds while it has no logger; further ones are lost."""

SAY_AFTER_S = 1.0
"""How long after a loss it is said; losses come in crowds."""

PLAIN = frozenset({str, int, float, bool, type(None)})
"""What is left in a record that cannot be sent as it is."""


class LogPost:
    """Where the records of this process go: to ``logger``, or when that is gone to ``admin``.

    Between the two they are held, so that what comes back from the dead logger is not overtaken.
    """

    def __init__(self, transport: Transport, logger: ActorAddress | None, admin: ActorAddress | None) -> None:
        self.myAddress = transport.myAddress  # here and below: Thespian's forwarder takes this for its transport
        self.to = logger
        self._transport = transport
        self._admin = admin
        self._serials = count()
        self._held: list[tuple[int, logging.LogRecord]] = []
        self._lost = 0
        self._will_say = False

    def scheduleTransmit(self, _addresses: object, intent: TransmitIntent) -> None:  # noqa: N802
        self.post(intent.message)

    def post(self, record: logging.LogRecord) -> None:
        """Never raises: a line that cannot be logged must not fail what it speaks of."""
        self._route(next(self._serials), record)

    def _route(self, serial: int, record: logging.LogRecord) -> None:
        if self.to is None:
            self.hold(serial, record)
            return
        try:
            self._transport.send(Letter(self.to, record, partial(self._not_delivered, serial)))
        except FloodError:
            return  # one letter too many has failed; this one's fate is told as well
        except Exception:  # noqa: BLE001  # pickling may raise anything
            self._route_plain(serial, record)

    def _route_plain(self, serial: int, record: logging.LogRecord) -> None:
        plain = {name: value for name, value in vars(record).items() if type(value) in PLAIN}
        if len(plain) == len(vars(record)):
            self.give_up(record)
        else:
            self._route(serial, logging.makeLogRecord(plain))

    def _not_delivered(self, serial: int, fate: Fate, letter: Letter) -> None:
        record = letter.message
        if fate is Fate.DEAD and letter.to != self._admin:
            if letter.to == self.to:
                self.to = None
                self.logger_gone()
            self._route(serial, record)
        elif fate is Fate.REFUSED:
            self._route_plain(serial, record)
        else:
            self.give_up(record)

    # --- between loggers ---------------------------------------------------------------------------------------------

    def logger_gone(self) -> None:
        assert self._admin is not None, "only the admin itself has none"
        self.logger_is(self._admin)

    def logger_is(self, logger: ActorAddress) -> None:
        """As soon as all is back that its predecessor did not take."""
        self._transport.do_after_mail(partial(self._begin, logger))

    def _begin(self, logger: ActorAddress) -> None:
        self.to = logger
        held, self._held = self._held, []
        for serial, record in sorted(held, key=itemgetter(0)):
            self._route(serial, record)

    def hold(self, serial: int, record: logging.LogRecord) -> None:
        if len(self._held) < HELD_MAX:
            self._held.append((serial, record))
        else:
            self.give_up(record)

    # --- losses ------------------------------------------------------------------------------------------------------

    def give_up(self, record: logging.LogRecord) -> None:
        self._lost += getattr(record, "lines", 1)
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


class LogDesk(LogPost):
    """The admin's: records wait here while there is no logger."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, None, None)
        self._is_printing = False

    def logger_gone(self) -> None:
        """There will be another, or none (``print_from_now_on``)."""
        self.to = None

    def hold(self, serial: int, record: logging.LogRecord) -> None:
        if self._is_printing:
            _print(record)
        else:
            super().hold(serial, record)

    def print_from_now_on(self, why: str) -> None:
        """There will be no logger any more."""
        sys.stderr.write(f"{why}; what is logged is printed from now on\n")
        self._is_printing = True
        held, self._held = self._held, []
        for _, record in sorted(held, key=itemgetter(0)):
            _print(record)


def _print(record: logging.LogRecord) -> None:
    sys.stderr.write(f"{record.levelname} {record.name} {record.getMessage()}\n")
    sys.stderr.flush()


def log_through(post: LogPost, level: int = logging.NOTSET) -> None:
    """All loggers of this process begin afresh, and send what they have to say; Thespian's way to do that."""
    logging.root = ThespianLogForwarder(post.myAddress, post, logLevel=level)
    logging.Logger.root = logging.root
    logging.Logger.manager = logging.Manager(logging.Logger.root)
