"""Workstreams that claim, and hubs with them: two in lockstep, who meet, and one that nobody waits for."""

from alluse_hub.actors.workstreams.sdk import Claimed, Delivered, JsonObject, Workstream


class Claimer(Workstream):
    """Tells whatever it hears of its claims, so that the events of a run depend on every verdict."""

    emits = ("heard_of_claim", "let_go")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_session_closed(self, _event: Delivered) -> None:
        self.count += 1
        self.act()

    def act(self) -> None: ...

    def claimed(self, news: Claimed) -> None:
        self.emit("heard_of_claim", {"id": news.id, "outcome": news.outcome, "fence": news.fence, "how": news.how})

    def do_let_go(self, _parameters: object) -> JsonObject:
        self.emit("let_go", {"claims": sorted(self.claims)})
        return {}

    def snapshot(self) -> JsonObject:
        return {"count": self.count}

    def restore(self, state: JsonObject) -> None:
        self.count = int(state["count"])


class Steady(Claimer):
    """Takes the pool for some sessions and withdraws; sometimes wants trading reduced; sometimes claims amiss."""

    ws, name, version = "ws6", "Steady", "1.0"

    def act(self) -> None:
        match self.count % 5:
            case 1:
                self.claim("gpu", {"resource": "ws6/gpu", "yields": "let_go", "reason": "a model is trained"})
                self.claim("odd", {"resource": "ws6/gpv", "reason": "a slip"})
            case 2:
                self.claim("calm", {"resource": "ws6/mood", "want": "calm", "sessions": 2, "reason": "it is late"})
            case 3:
                self.withdraw("gpu", "it is trained")
                self.withdraw("none")


class Eager(Claimer):
    """Comes between, with a higher priority, for two sessions."""

    ws, name, version = "ws7", "Eager", "1.0"

    def act(self) -> None:
        if self.count % 3 == 0:
            words = {"resource": "ws6/gpu", "priority": 5, "sessions": 2, "yields": "let_go", "reason": "it is urgent"}
            self.claim("mine", words)
        if self.count % 4 == 0:
            self.claim("wild", {"resource": "ws6/mood", "want": "wild", "sessions": 1, "reason": "it is early"})


class Free(Claimer):
    """Outside the lockstep."""

    ws, name, version = "ws8", "Free", "1.0"

    def act(self) -> None:
        if self.count % 3 == 1:
            self.claim("gpu", {"resource": "ws8/gpu", "lease_s": 3_600, "yields": "let_go", "reason": "it has time"})
        if self.count % 3 == 0:
            self.withdraw("gpu", "it has had enough")


def with_claimers(span: str, *, pool: str = "") -> str:
    """``span`` with the two in lockstep; ``pool``: keys of the pool over which they meet."""
    return f"""{span}
[[pool]]
resource = "ws6/gpu"
capacity = 1
{pool}

[[value]]
resource = "ws6/mood"
policy = "priority"
{workstream("ws6", "Steady")}
{workstream("ws7", "Eager")}
"""


def with_free(span: str) -> str:
    return f"""{span}
[[pool]]
resource = "ws8/gpu"
capacity = 1
{workstream("ws8", "Free", lockstep=False)}
"""


def workstream(name: str, kind: str, *, lockstep: bool = True) -> str:
    return f"""
[[workstream]]
id = "{name}"
name = "{kind}"
python = "{__name__}:{kind}"
lockstep = {str(lockstep).lower()}

[[flow]]
source = "ws3"
target = "{name}"
events = ["session_closed"]
"""
