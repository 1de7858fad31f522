"""Writing a workstream in Python: say what it does on a command and on an event; the rest is here.

    class Greeter(Workstream):
        ws, name, version = "ws9", "Greeter", "1.0"
        emits = ("greeted",)

        def do_greet(self, parameters: Reading) -> JsonObject:      # the command "greet"
            self.emit("greeted", {"whom": parameters.text("whom")})
            return {"greeted": True}

        def on_session_closed(self, event: Delivered) -> None: ...  # the event "session_closed" of another workstream

    if __name__ == "__main__":
        raise SystemExit(main(Greeter))                             # from .program: pipes, beats, signals, --state

State that must outlive the process goes into ``snapshot`` and comes back through ``restore``.  Parameters are read
through ``Reading``, which refuses what is wrong with a sentence that says what would be right.
"""

from .lines import JsonObject
from .readers import DamagedError, Reading, RefusedError
from .runner import Runner
from .workstream import Claimed, Delivered, Workstream

__all__ = ["Claimed", "DamagedError", "Delivered", "JsonObject", "Reading", "RefusedError", "Runner", "Workstream"]
