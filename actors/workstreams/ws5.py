"""WS5 Learning Systems: learns from what became of positions, and says when it has learned something worth using.

Every five sessions it asks, symbol by symbol, whether a put of delta 0.30 would expire worthless five sessions later,
and five sessions later it knows (``learner``).  A model is announced with its accuracy *out of sample*: measured in
sample, a useless model looks excellent (requirements, 5.5), and a rule that trusts the figure would fire on it.

Training walks the prepared answers a fixed number of times and so ends within a fraction of a second: it may be done
in the loop without the beats going quiet.
"""

from typing import NamedTuple

from .learner import (
    FEATURES,
    GAIN,
    HINKLEY_LIMIT,
    SCORED,
    Answer,
    Contest,
    Model,
    PageHinkley,
    Score,
    features_of,
    log_loss,
    result_of,
    score_of,
)
from .lines import JsonObject, digest
from .patterns import ANOMALY_Z, CRITICAL_Z, LEAST, WINDOW, find, oddness
from .pricing import DAYS_A_YEAR, implied_vol, strike_for
from .program import main
from .readers import Reading, RefusedError
from .risk import drawdown
from .workstream import Delivered, Workstream

HORIZON = 5
"""Sessions from question to answer."""

DELTA = 0.30
WEEK_DAYS = 7
ANSWERS_KEPT = 1_000
"""For training: four years of four symbols."""

PREPARED_LEAST = 100
EPOCHS = 5
HELD_OUT = 0.25
VERSIONS_KEPT = 10
ANOMALY_QUIET = 5
"""Sessions of one symbol after an anomaly in which no further one is told: a crash is one piece of news."""

EQUITIES_KEPT = 63
ML_MODELS = "ml_models"
"""The data set that holds the model in use and the few before it."""


class Question(NamedTuple):
    """Asked of ``symbol``; ``ratio``: strike over close; ``grown``: growth of the adjusted close since."""

    symbol: str
    features: list[float]
    ratio: float
    grown: float
    age: int


class LearningSystems(Workstream):
    ws = "ws5"
    name = "Learning Systems"
    version = "1.0"
    emits = ("model_updated", "model_trained", "patterns_found", "anomaly_detected", "drift_detected")
    datasets = (ML_MODELS,)

    def __init__(self) -> None:
        super().__init__()
        self.contest = Contest()
        self.hinkley = PageHinkley()
        self.versions: list[JsonObject] = [{"version": "m1", "weights": list(Model().weights), "answers": 0}]
        self.numbered = 1
        self.changes: dict[str, list[float]] = {}
        self.bars: dict[str, JsonObject] = {}
        self.bars_seen: dict[str, int] = {}
        self.questions: list[Question] = []
        self.answers: list[Answer] = []
        self.quiet: dict[str, int] = {}  # symbol -> bars seen when an anomaly was told
        self.prepared = 0
        self.trained: JsonObject | None = None
        self.equities: list[int] = []
        self.outcomes: dict[str, int] = {}
        self.share_models()

    def share_models(self) -> None:
        self.share(ML_MODELS, {"in_use": self.versions[-1]["version"], "models": self.versions})

    # --- what is learned from ---------------------------------------------------------------------------------------

    def on_market_data_update(self, event: Delivered) -> None:
        bar = event.payload
        symbol = bar.text("symbol")
        self.bars[symbol] = bar.body
        seen = self.bars_seen[symbol] = self.bars_seen.get(symbol, 0) + 1
        change = bar.number_or_none("change")
        if change is None:
            return
        self.look_for_anomaly(symbol, change)
        self.changes[symbol] = [*self.changes.get(symbol, [])[1 - WINDOW :], change]
        self.age_questions(symbol, change)
        if seen % HORIZON == 0:
            self.ask(symbol, bar.body)

    def ask(self, symbol: str, bar: JsonObject) -> None:
        features = features_of(bar)
        if features is not None:
            vol = implied_vol(bar["realised_vol"])
            ratio = strike_for("put", DELTA, 1.0, WEEK_DAYS / DAYS_A_YEAR, vol)
            self.questions.append(Question(symbol, features, ratio, 1.0, 0))

    def age_questions(self, symbol: str, change: float) -> None:
        open_still = []
        for question in self.questions:
            if question.symbol != symbol:
                open_still.append(question)
                continue
            older = question._replace(grown=question.grown * (1 + change), age=question.age + 1)
            if older.age < HORIZON:
                open_still.append(older)
            else:
                self.learn(Answer(older.features, older.grown >= older.ratio, self.session))
        self.questions = open_still

    def learn(self, answer: Answer) -> None:
        loss = log_loss(self.contest.champion.predict(answer.features), answer.outcome)
        self.contest.answer(answer)
        self.answers = [*self.answers[1 - ANSWERS_KEPT :], answer]
        if self.hinkley.take(loss):
            self.emit(
                "drift_detected",
                {
                    "feature": "log-loss of the champion",
                    "statistic": round(self.hinkley.statistic, 4),
                    "threshold": HINKLEY_LIMIT,
                    "answers": self.hinkley.count,
                },
            )
            self.hinkley = PageHinkley()
        if self.contest.is_won():
            self.crown(self.contest.challenger, self.contest.score(), "the challenger won the contest")

    def crown(self, model: Model, score: Score, why: str) -> JsonObject:
        """Deploy ``model`` and announce it; the announcement."""
        self.numbered += 1
        version = {"version": f"m{self.numbered}", "weights": list(model.weights), "answers": model.answers}
        self.versions = [*self.versions[1 - VERSIONS_KEPT :], version]
        self.share_models()
        self.contest.crown(model)
        told = {
            "version": version["version"],
            "previous": self.versions[-2]["version"],
            "accuracy": round(score.accuracy, 4),
            "accuracy_improvement": round(score.gain, 4),
            "metric": "log_loss, prequential",
            "log_loss": round(score.challenger_loss, 4),
            "log_loss_before": round(score.champion_loss, 4),
            "answers": score.answers,
            "digest": digest(version)[:16],
            "why": why,
        }
        self.emit("model_updated", told)
        return told

    def look_for_anomaly(self, symbol: str, change: float) -> None:
        seen = self.bars_seen[symbol]
        if seen - self.quiet.get(symbol, -ANOMALY_QUIET) < ANOMALY_QUIET:
            return
        z = oddness(self.changes.get(symbol, []), change)
        if abs(z) >= ANOMALY_Z:
            self.quiet[symbol] = seen
            self.emit(
                "anomaly_detected",
                {
                    "metric": f"{symbol} daily change",
                    "symbol": symbol,
                    "value": round(change, 6),
                    "z": round(z, 3),
                    "severity": "critical" if abs(z) >= CRITICAL_Z else "warning",
                },
            )

    def on_week_classified(self, event: Delivered) -> None:
        week_type = event.payload.text("week_type")
        self.outcomes[week_type] = self.outcomes.get(week_type, 0) + 1

    def on_daily_settlement(self, event: Delivered) -> None:
        self.equities = [*self.equities[1 - EQUITIES_KEPT :], round(event.payload.price("equity") * 100)]

    # --- commands -------------------------------------------------------------------------------------------------

    def do_prepare_data(self, parameters: Reading) -> JsonObject:
        """Fix the last {lookback_days} x symbols / 5 answers as the set to train on."""
        lookback_days = parameters.whole("lookback_days", 252, least=HORIZON, most=10_000)
        wanted = max(1, lookback_days * max(1, len(self.bars)) // HORIZON)
        self.prepared = min(wanted, len(self.answers))
        if self.prepared < PREPARED_LEAST:
            count, self.prepared = self.prepared, 0
            raise RefusedError(
                f"{count} answers in {lookback_days} sessions, {PREPARED_LEAST} needed; "
                f"look back further, or play more sessions ({len(self.answers)} answers so far)"
            )
        chosen = self.answers[-self.prepared :]
        return {
            "samples": self.prepared,
            "from": chosen[0].session,
            "to": chosen[-1].session,
            "features": list(FEATURES),
            "base_rate": round(sum(1 for answer in chosen if answer.outcome) / self.prepared, 4),
            "digest": digest({"answers": chosen})[:16],
        }

    def do_train_model(self, parameters: Reading) -> JsonObject:
        """Train a candidate on the prepared answers but the last quarter, and score it there."""
        algorithm = parameters.choice("algorithm", ("logistic_regression",), "logistic_regression")
        if not self.prepared:
            raise RefusedError("nothing is prepared; call prepare_data first")
        chosen = self.answers[-self.prepared :]
        held_out = max(1, int(len(chosen) * HELD_OUT))
        learned, judged = chosen[:-held_out], chosen[-held_out:]
        model = Model()
        for epoch in range(EPOCHS):
            for answer in learned:
                model = model.learned(answer)
            self.progress((epoch + 1) / EPOCHS)
        champion = self.contest.champion
        score = score_of([result_of(champion, model, answer) for answer in judged])
        in_sample = score_of([result_of(champion, model, answer) for answer in learned])
        self.trained = {"weights": list(model.weights), "answers": model.answers, "score": list(score)}
        told = {
            "version": f"candidate-{self.numbered + 1}",
            "algorithm": algorithm,
            "metric_name": "log_loss",
            "train": round(in_sample.challenger_loss, 4),
            "validation": round(score.challenger_loss, 4),
            "validation_champion": round(score.champion_loss, 4),
            "accuracy": round(score.accuracy, 4),
            "accuracy_improvement": round(score.gain, 4),
            "samples": len(learned),
            "data_digest": digest({"answers": chosen})[:16],
        }
        self.emit("model_trained", told)
        return told

    def do_deploy_model(self, parameters: Reading) -> JsonObject:
        """Deploy the trained candidate; with {rollback: true} only if it beats the champion out of sample."""
        parameters.text("environment", "paper")
        is_guarded = parameters.truth("rollback", default=True)
        if self.trained is None:
            raise RefusedError("no candidate is trained; call train_model first")
        score = Score(*self.trained["score"])
        if is_guarded and score.gain <= 0:
            return {
                "deployed": False,
                "version": self.versions[-1]["version"],
                "accuracy_improvement": round(score.gain, 4),
                "why": "rolled back: the candidate is not better out of sample",
            }
        model = Model(tuple(self.trained["weights"]), self.trained["answers"])
        self.trained = None
        return {"deployed": True, **self.crown(model, score, "deployed by command")}

    def do_rollback_model(self, _: Reading) -> JsonObject:
        """Go back to the version before the one in use."""
        if len(self.versions) < 2:
            raise RefusedError("there is no earlier model to go back to")
        undone = self.versions.pop()
        before = self.versions[-1]
        self.share_models()
        self.contest.crown(Model(tuple(before["weights"]), before["answers"]))
        self.emit(
            "model_updated",
            {
                "version": before["version"],
                "previous": undone["version"],
                "accuracy": None,
                "accuracy_improvement": 0.0,
                "digest": digest(before)[:16],
                "why": f"{undone['version']} was rolled back",
            },
        )
        return {"version": before["version"], "undone": undone["version"]}

    def do_analyze_patterns(self, parameters: Reading) -> JsonObject:
        """Look for spike, cycle and step in the returns of {symbols} over {depth} sessions."""
        symbols = parameters.texts("symbols") if "symbols" in parameters else tuple(sorted(self.changes))
        depth = parameters.whole("depth", WINDOW, least=LEAST, most=WINDOW)
        found: JsonObject = {}
        for symbol in symbols:
            finding = find(self.changes.get(symbol, [])[-depth:])
            found[symbol] = {"kinds": list(finding.kinds), "confidence": finding.confidence, "samples": finding.samples}
            if finding.kinds:
                self.emit("patterns_found", {"symbol": symbol, **found[symbol]})
        return {"symbols": found}

    def do_emergency_analysis(self, parameters: Reading) -> JsonObject:
        """Where we stand, at once: {mode} quick or full."""
        mode = parameters.choice("mode", ("quick", "full", "emergency"), "quick")
        odd = {
            symbol: round(oddness(changes[:-1], changes[-1]), 3) for symbol, changes in self.changes.items() if changes
        }
        worst = max(odd, key=lambda symbol: abs(odd[symbol]), default=None)
        answer: JsonObject = {
            "mode": mode,
            "session": self.session,
            "worst": worst,
            "z": odd,
            "drawdown": round(drawdown(self.equities), 6),
            "model_version": self.versions[-1]["version"],
        }
        if mode != "quick":
            answer["vol"] = {symbol: bar["realised_vol"] for symbol, bar in self.bars.items()}
            answer["outcomes"] = dict(self.outcomes)
        return answer

    # --- state ----------------------------------------------------------------------------------------------------

    def summary(self) -> JsonObject:
        score = self.contest.score()
        return {
            "session": self.session,
            "model_version": self.versions[-1]["version"],
            "answers": len(self.answers),
            "scored": f"{score.answers} of {SCORED}",
            "gain": round(score.gain, 4),
            "gain_needed": GAIN,
            "outcomes": dict(self.outcomes),
        }

    KEPT = (
        "versions", "numbered", "changes", "bars", "bars_seen", "quiet", "prepared", "trained",
        "equities", "outcomes",
    )  # fmt: skip

    def snapshot(self) -> JsonObject:
        return {
            **{name: getattr(self, name) for name in self.KEPT},
            "answers": [list(answer) for answer in self.answers],
            "questions": [list(question) for question in self.questions],
            "champion": [list(self.contest.champion.weights), self.contest.champion.answers],
            "challenger": [list(self.contest.challenger.weights), self.contest.challenger.answers],
            "results": self.contest.results,
            "hinkley": dict(vars(self.hinkley)),
        }

    def restore(self, state: JsonObject) -> None:
        contest, hinkley = Contest(), PageHinkley()
        contest.champion = Model(tuple(state["champion"][0]), int(state["champion"][1]))
        contest.challenger = Model(tuple(state["challenger"][0]), int(state["challenger"][1]))
        contest.results = list(state["results"])
        vars(hinkley).update({name: state["hinkley"][name] for name in vars(hinkley)})
        questions = [Question(*question) for question in state["questions"]]
        answers = [Answer(*answer) for answer in state["answers"]]
        kept = {name: state[name] for name in self.KEPT}
        vars(self).update(kept, contest=contest, hinkley=hinkley, questions=questions, answers=answers)
        self.share_models()


if __name__ == "__main__":
    raise SystemExit(main(LearningSystems))
