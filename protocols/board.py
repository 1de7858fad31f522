"""The board: one versioned picture of the hub, for whoever wants to look."""

from pydantic import NonNegativeInt

from alluse_hub.protocols.message import Json, Message


class BoardShown(Message):
    """Answer to ``AskBoard``.  ``version`` grows with every change of the picture; an empty ``view`` of a name asked
    for means that the board does not know it.
    """

    request: str
    version: NonNegativeInt
    view: Json

    def for_trail(self) -> "BoardVersion":
        return BoardVersion(request=self.request, version=self.version, is_known=bool(self.view))


class BoardVersion(Message):
    """``BoardShown`` as it stands in the trail: the picture is a fold of letters that are there themselves."""

    request: str
    version: NonNegativeInt
    is_known: bool = True  # there is something in the picture
