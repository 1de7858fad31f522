"""WS1 Agent Foundation: speaks for the platform to its person.

It keeps the inbox of alerts until they are acknowledged and the questions that wait for a person's answer, and it
explains in one sentence what it was told: why trading is paused, what an account is worth, which model is in use.  No
language model: each sentence is filled in from remembered events, so it cannot say what did not happen.

Questions expire by market sessions, because a replay has no other time.
"""

from .holds import sessions_in
from .lines import JsonObject
from .program import main
from .readers import Reading, RefusedError
from .workstream import Delivered, Workstream

URGENCIES = ("low", "medium", "high", "critical")
ALERTS_MAX = 1_000
"""Open alerts.  Beyond it the oldest of the least urgent makes way, and the log says so."""

APPROVALS_MAX = 100
TEXT_CHARS_MAX = 2_000
EXPIRY_SESSIONS = 5
PAUSES_KEPT = 50
OPTIONS = ("approve", "reject")


class AgentFoundation(Workstream):
    ws = "ws1"
    name = "Agent Foundation"
    version = "1.0"
    emits = ("alert_sent", "approval_requested", "approval_given", "approval_expired", "agent_status")

    def __init__(self) -> None:
        super().__init__()
        self.numbered = 0
        self.alerts: dict[str, JsonObject] = {}
        self.approvals: dict[str, JsonObject] = {}
        self.knowledge: list[JsonObject] = [{"version": "untrained"}]
        self.explained = 0
        self.pauses: dict[str, JsonObject] = {}  # in force, by lease
        self.past_pauses: list[JsonObject] = []
        self.risks: dict[str, JsonObject] = {}  # in force, by scope
        self.accounts: dict[str, JsonObject] = {}
        self.colours: dict[str, JsonObject] = {}
        self.weeks: dict[str, JsonObject] = {}
        self.listed: dict[str, str] = {}

    def numbered_id(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}{self.numbered}"

    # --- alerts ---------------------------------------------------------------------------------------------------

    def do_send_alert(self, parameters: Reading) -> JsonObject:
        """Tell the person {urgency, subject, text}; an equal open alert is counted, not repeated."""
        urgency = parameters.choice("urgency", URGENCIES, "high")
        subject = parameters.text("subject")
        text = parameters.text("text", subject)
        return self.alert(urgency, subject[:TEXT_CHARS_MAX], text[:TEXT_CHARS_MAX])

    def alert(self, urgency: str, subject: str, text: str) -> JsonObject:
        for known in self.alerts.values():
            if (known["subject"], known["text"], known["urgency"]) == (subject, text, urgency):
                known["count"] += 1
                return {"alert": known["alert"], "count": known["count"]}
        if len(self.alerts) >= ALERTS_MAX:
            oldest = min(self.alerts.values(), key=lambda alert: URGENCIES.index(alert["urgency"]))
            del self.alerts[oldest["alert"]]
            self.log("warning", f"the inbox holds {ALERTS_MAX} alerts; {oldest['alert']} made way: {oldest['subject']}")
        alert: JsonObject = {
            "alert": self.numbered_id("a"),
            "urgency": urgency,
            "subject": subject,
            "text": text,
            "session": self.session,
            "count": 1,
        }
        self.alerts[alert["alert"]] = alert
        self.emit("alert_sent", dict(alert))
        return {"alert": alert["alert"], "count": 1}

    def do_acknowledge(self, parameters: Reading) -> JsonObject:
        """Close {alert}, or every alert when it is "all"."""
        wanted = parameters.text("alert")
        if wanted == "all":
            closed = sorted(self.alerts)
            self.alerts.clear()
            return {"acknowledged": closed}
        if wanted not in self.alerts:
            raise RefusedError(f"{wanted!r} is not open; open: {', '.join(sorted(self.alerts)) or 'none'}")
        del self.alerts[wanted]
        return {"acknowledged": [wanted]}

    def do_inbox(self, _: Reading) -> JsonObject:
        """Open alerts and questions."""
        ranked = sorted(self.alerts.values(), key=lambda alert: -URGENCIES.index(alert["urgency"]))
        return {"alerts": ranked, "approvals": list(self.approvals.values())}

    # --- approvals ------------------------------------------------------------------------------------------------

    def do_request_approval(self, parameters: Reading) -> JsonObject:
        """Ask the person {question} with {options}; expires after {expiry_sessions}, or {expiry} s of market time."""
        question = parameters.text("question")[:TEXT_CHARS_MAX]
        options = parameters.texts("options", OPTIONS)
        if len(options) < 2:
            raise RefusedError("'options' must hold two texts or more, or there is nothing to choose")
        in_seconds = parameters.number("expiry", 0.0, least=0, most=1e8)
        default = sessions_in(in_seconds) if in_seconds else EXPIRY_SESSIONS
        sessions = parameters.whole("expiry_sessions", default, least=1, most=2_520)
        action = parameters.object("action").body if "action" in parameters else None
        return self.ask(question, options, sessions, action)

    def ask(self, question: str, options: tuple[str, ...], sessions: int, action: JsonObject | None) -> JsonObject:
        if len(self.approvals) >= APPROVALS_MAX:
            raise RefusedError(f"{APPROVALS_MAX} questions wait for an answer; answer or cancel some")
        approval: JsonObject = {
            "approval": self.numbered_id("q"),
            "question": question,
            "options": list(options),
            "action": action,
            "asked": self.session,
            "sessions_left": sessions,
        }
        self.approvals[approval["approval"]] = approval
        self.emit("approval_requested", dict(approval))
        return {"approval": approval["approval"], "expiry_sessions": sessions}

    def open_approval(self, parameters: Reading) -> JsonObject:
        wanted = parameters.text("approval")
        if wanted not in self.approvals:
            raise RefusedError(
                f"{wanted!r} waits for no answer; waiting: {', '.join(sorted(self.approvals)) or 'none'}"
            )
        return self.approvals[wanted]

    def do_answer_approval(self, parameters: Reading) -> JsonObject:
        """{person} answers {approval} with {choice} because of {reason}."""
        approval = self.open_approval(parameters)
        choice = parameters.choice("choice", approval["options"])
        person = parameters.text("person")
        del self.approvals[approval["approval"]]
        self.emit(
            "approval_given",
            {
                "approval": approval["approval"],
                "question": approval["question"],
                "choice": choice,
                "person": person,
                "reason": parameters.text("reason", ""),
                "action": approval["action"],
            },
        )
        return {"approval": approval["approval"], "choice": choice}

    def do_cancel_approval(self, parameters: Reading) -> JsonObject:
        """Take the question {approval} back."""
        approval = self.open_approval(parameters)
        del self.approvals[approval["approval"]]
        return {"cancelled": approval["approval"]}

    def on_session_closed(self, _: Delivered) -> None:
        for approval in list(self.approvals.values()):
            approval["sessions_left"] -= 1
            if approval["sessions_left"] <= 0:
                del self.approvals[approval["approval"]]
                told = {name: approval[name] for name in ("approval", "question", "asked")}
                self.emit("approval_expired", told)

    # --- what it is told --------------------------------------------------------------------------------------------

    def on_trading_paused(self, event: Delivered) -> None:
        told = event.payload
        self.pauses[told.text("lease")] = {**told.body, "session": event.session}

    def on_trading_resumed(self, event: Delivered) -> None:
        pause = self.pauses.pop(event.payload.text("lease"), None)
        if pause is not None:
            ended = {**pause, "ended": event.session, "ended_by": event.payload.text("by")}
            self.past_pauses = [*self.past_pauses[1 - PAUSES_KEPT :], ended]

    def on_risk_threshold_exceeded(self, event: Delivered) -> None:
        self.risks[event.payload.text("scope")] = {**event.payload.body, "session": event.session}

    def on_risk_cleared(self, event: Delivered) -> None:
        self.risks.pop(event.payload.text("scope"), None)

    def on_account_statement(self, event: Delivered) -> None:
        accounts = event.payload.object("accounts")
        self.accounts = {name: {**accounts.object(name).body, "session": event.session} for name in accounts.body}

    def on_market_condition_changed(self, event: Delivered) -> None:
        self.colours[event.payload.text("symbol")] = {**event.payload.body, "session": event.session}

    def on_week_classified(self, event: Delivered) -> None:
        self.weeks[event.payload.text("account")] = {**event.payload.body, "session": event.session}

    def on_symbol_listed(self, event: Delivered) -> None:
        self.listed[event.payload.text("symbol")] = event.session

    def on_model_updated(self, event: Delivered) -> None:
        self.learn({**event.payload.body, "session": event.session})

    def learn(self, knowledge: JsonObject) -> None:
        if knowledge["version"] != self.knowledge[-1]["version"]:
            self.knowledge = [self.knowledge[-1], knowledge]

    def on_anomaly_detected(self, event: Delivered) -> None:
        if event.payload.text("severity") == "critical":
            metric, z = event.payload.text("metric"), event.payload.number("z")
            value = event.payload.number("value")
            self.alert(
                "high", f"Anomaly: {metric}", f"{metric} {value:+.1%}, {z:+.1f} standard deviations ({event.session})"
            )

    def on_data_quality_issue(self, event: Delivered) -> None:
        symbol, kind = event.payload.text("symbol"), event.payload.text("kind")
        self.alert("high", f"Data quality: {symbol}", f"{kind} of {symbol} on {event.session}")

    def on_protocol_violation(self, event: Delivered) -> None:
        told = event.payload
        text = (
            f"{told.text('rule')} is {told.number('value'):g}, required {told.number('required'):g}, on {event.session}"
        )
        self.alert("medium", f"Protocol: {told.text('account')} {told.text('symbol', '')}".strip(), text)

    def on_fork_due(self, event: Delivered) -> None:
        account, surplus = event.payload.text("account"), event.payload.text("surplus")
        action = {"command": "fork_account", "parameters": {"account": account}}
        self.ask(f"Fork {account}? Its surplus is {surplus} USD.", OPTIONS, EXPIRY_SESSIONS, action)

    def on_account_forked(self, event: Delivered) -> None:
        to = event.payload.object("to")
        moved = ", ".join(f"{to.text(name)} USD to {name}" for name in sorted(to.body))
        self.alert("medium", f"Fork of {event.payload.text('from')}", f"{moved} ({event.session})")

    # --- knowledge and answers --------------------------------------------------------------------------------------

    def do_update_agent_knowledge(self, parameters: Reading) -> JsonObject:
        """Explain by knowledge {version} from now on."""
        before = self.knowledge[-1]["version"]
        self.learn({**parameters.body, "version": parameters.text("version"), "session": self.session})
        self.emit("agent_status", self.status())
        return {"version": self.knowledge[-1]["version"], "previous": before}

    def do_agent_status(self, _: Reading) -> JsonObject:
        """Conversations, open questions, knowledge."""
        return self.status()

    def status(self) -> JsonObject:
        return {
            "conversations": self.explained,
            "open_alerts": len(self.alerts),
            "pending_approvals": len(self.approvals),
            "knowledge_version": self.knowledge[-1]["version"],
        }

    def do_explain(self, parameters: Reading) -> JsonObject:
        """Answer the small question {subject}: pause, balance, risk, model, market, week, alerts, approvals, listed."""
        subject = parameters.text("subject")
        topics = {
            "pause": self.say_pauses,
            "balance": self.say_balances,
            "risk": self.say_risks,
            "model": self.say_model,
            "market": self.say_market,
            "week": self.say_weeks,
            "alert": self.say_alerts,
            "approval": self.say_approvals,
            "listed": self.say_listed,
        }
        topic = next((topic for topic in topics if topic in subject.lower()), None)
        if topic is None:
            raise RefusedError(f"ask about {', '.join(topics)}, for example 'why the pause' or 'balance of Gen-Acc'")
        self.explained += 1
        return {"topic": topic, "text": topics[topic](subject)}

    def say_pauses(self, _: str) -> str:
        if self.pauses:
            return " ".join(
                f"Trading in {pause['scope']} is paused since {pause['session']} by {pause['by']}, lease {lease}: "
                f"{pause['reason']}."
                for lease, pause in sorted(self.pauses.items())
            )
        if not self.past_pauses:
            return "Trading was never paused."
        last = self.past_pauses[-1]
        return (
            f"Trading is not paused. Last, {last['scope']} was paused from {last['session']} to {last['ended']} by "
            f"{last['by']}: {last['reason']}."
        )

    def say_balances(self, subject: str) -> str:
        named = [name for name in self.accounts if name.lower() in subject.lower()] or sorted(self.accounts)
        known = [(name, self.accounts[name]) for name in named]
        said = [f"{name} is worth {told['equity']} USD, {told['cash']} of it cash" for name, told in known]
        return f"{'; '.join(said)} ({known[0][1]['session']})." if known else "No week has been settled yet."

    def say_risks(self, _: str) -> str:
        said = [
            f"{scope} is above its threshold since {risk['session']}: {risk['risk_kind']} uses "
            f"{risk['risk_level']:.0%} of its limit"
            for scope, risk in sorted(self.risks.items())
        ]
        return "; ".join(said) + "." if said else "No limit is used above its threshold."

    def say_model(self, _: str) -> str:
        known = self.knowledge[-1]
        accuracy = known.get("accuracy")
        measured = f", right in {accuracy:.0%} out of sample" if isinstance(accuracy, float) else ""
        return f"The model in use is {known['version']}{measured}."

    def say_market(self, subject: str) -> str:
        named = [symbol for symbol in self.colours if symbol.lower() in subject.lower()] or sorted(self.colours)
        said = [
            f"{symbol} is {self.colours[symbol]['to']} since {self.colours[symbol]['session']} "
            f"({', '.join(self.colours[symbol]['reasons'])})"
            for symbol in named
        ]
        return "; ".join(said) + "." if said else "No colour is known yet."

    def say_weeks(self, _: str) -> str:
        said = [f"{account}: {week['week_type']} on {week['session']}" for account, week in sorted(self.weeks.items())]
        return "; ".join(said) + "." if said else "No position has ended yet."

    def say_alerts(self, _: str) -> str:
        worst = max(self.alerts.values(), key=lambda alert: URGENCIES.index(alert["urgency"]), default=None)
        return f"{len(self.alerts)} alerts are open; first: {worst['text']}." if worst else "No alert is open."

    def say_approvals(self, _: str) -> str:
        waiting = [f"{approval['approval']}: {approval['question']}" for approval in self.approvals.values()]
        return " ".join(waiting) or "Nothing waits for an answer."

    def say_listed(self, _: str) -> str:
        said = [f"{symbol} since {session}" for symbol, session in sorted(self.listed.items())]
        return "Newly listed: " + ", ".join(said) + "." if said else "Nothing was newly listed."

    # --- state ----------------------------------------------------------------------------------------------------

    KEPT = (
        "numbered", "alerts", "approvals", "knowledge", "explained", "pauses", "past_pauses", "risks", "accounts",
        "colours", "weeks", "listed",
    )  # fmt: skip

    def summary(self) -> JsonObject:
        return {"session": self.session, **self.status(), "paused": sorted(self.pauses), "risks": sorted(self.risks)}

    def snapshot(self) -> JsonObject:
        return {name: getattr(self, name) for name in self.KEPT}

    def restore(self, state: JsonObject) -> None:
        vars(self).update({name: state[name] for name in self.KEPT})


if __name__ == "__main__":
    raise SystemExit(main(AgentFoundation))
