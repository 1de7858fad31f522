"""The board as an actor."""

from alluse_hub.actors.board.core import BOARD
from alluse_hub.supervision.shell import Shell


class BoardActor(Shell):
    core = BOARD
