"""Logistic regression, online, and a contest of two models scored before they learn.

The question: would a put of delta 0.30 sold today expire worthless five sessions from now?  The challenger learns from
each answer; the champion is what was last deployed and does not.  Both are scored *prequentially* - predict first,
learn after (Dawid 1984) - so that every score is out of sample, and the challenger takes over when its mean log-loss
over the last 120 answers is more than 5 % below the champion's.

Drift is the Page-Hinkley test on the champion's loss (Page 1954).  Pure but for the fields of the objects.
"""

from math import exp, log, sqrt
from typing import NamedTuple

from .lines import JsonObject

FEATURES = ("one", "realised_vol", "trend_20", "rsi_14", "atr_pct", "change")
BASE_RATE = 0.70
"""What the first champion says to everything: a put of delta 0.30 expires worthless seven times in ten."""

RATE = 0.05
"""Step of the descent; divided by the root of the number of answers, so that late ones move less."""

RATE_LEAST = 0.01
RIDGE = 1e-4
SCORED = 120
"""Answers a score looks back on (design/workstreams.md, section 4)."""

GAIN = 0.05
"""Relative gain in log-loss at which the challenger takes over."""

LOSS_MOST = 4.0
"""Log-loss of one answer is cut here, so that a single surprise cannot decide a contest."""

HINKLEY_SLACK = 0.02
HINKLEY_LIMIT = 12.0


def features_of(bar: JsonObject) -> list[float] | None:
    """The six features of a bar, each scaled to about -1..1; None before warm-up."""
    vol, trend, rsi = bar["realised_vol"], bar["trend_20"], bar["rsi_14"]
    atr_pct, change = bar["atr_pct"], bar["change"]
    if vol is None or trend is None or rsi is None or atr_pct is None or change is None:
        return None
    return [
        1.0,
        clipped((vol - 0.30) / 0.20),
        clipped(trend / 0.10),
        clipped((rsi - 50) / 25),
        clipped((atr_pct - 0.025) / 0.015),
        clipped(change / 0.03),
    ]


def clipped(value: float) -> float:
    return max(-3.0, min(3.0, value))


def log_loss(probability: float, outcome: bool) -> float:
    return min(LOSS_MOST, -log(max(1e-9, probability if outcome else 1 - probability)))


class Answer(NamedTuple):
    """What came of a question, and the session in which it was known."""

    features: list[float]
    outcome: bool
    session: str


class Model(NamedTuple):
    """Weights in the order of FEATURES; ``answers``: how many it has learned from."""

    weights: tuple[float, ...] = (log(BASE_RATE / (1 - BASE_RATE)), 0.0, 0.0, 0.0, 0.0, 0.0)
    answers: int = 0

    def predict(self, features: list[float]) -> float:
        """Probability that the put expires worthless."""
        score = sum(weight * value for weight, value in zip(self.weights, features, strict=True))
        return 1 / (1 + exp(-max(-30.0, min(30.0, score))))

    def learned(self, answer: Answer) -> "Model":
        rate = max(RATE_LEAST, RATE / sqrt(1 + self.answers / 100))
        error = float(answer.outcome) - self.predict(answer.features)
        weights = tuple(
            weight + rate * (error * value - RIDGE * weight)
            for weight, value in zip(self.weights, answer.features, strict=True)
        )
        return Model(weights, self.answers + 1)


class Score(NamedTuple):
    """Over ``answers`` answers out of sample: mean log-loss of both, hit rate of the challenger."""

    answers: int
    champion_loss: float
    challenger_loss: float
    accuracy: float

    @property
    def gain(self) -> float:
        """Relative, positive where the challenger is better."""
        return (self.champion_loss - self.challenger_loss) / self.champion_loss if self.champion_loss > 0 else 0.0


def result_of(champion: Model, challenger: Model, answer: Answer) -> list[float]:
    """Champion's loss, challenger's loss, challenger's hit (0 or 1)."""
    said = challenger.predict(answer.features)
    before = log_loss(champion.predict(answer.features), answer.outcome)
    return [before, log_loss(said, answer.outcome), float((said >= 0.5) == answer.outcome)]


def score_of(results: list[list[float]]) -> Score:
    if not results:
        return Score(0, 0.0, 0.0, 0.0)
    champion, challenger, hits = (sum(column) / len(results) for column in zip(*results, strict=True))
    return Score(len(results), champion, challenger, hits)


class Contest:
    """Champion, challenger, and their last SCORED answers."""

    def __init__(self) -> None:
        self.champion = Model()
        self.challenger = Model()
        self.results: list[list[float]] = []

    def answer(self, answer: Answer) -> None:
        """Score both on ``answer``, then let the challenger learn from it."""
        self.results = [*self.results[1 - SCORED :], result_of(self.champion, self.challenger, answer)]
        self.challenger = self.challenger.learned(answer)

    def score(self) -> Score:
        return score_of(self.results)

    def is_won(self) -> bool:
        return len(self.results) >= SCORED and self.score().gain > GAIN

    def crown(self, champion: Model) -> None:
        """Put ``champion`` in place; the contest begins again."""
        self.champion = champion
        self.results = []


class PageHinkley:
    """Whether the mean of a stream has risen: ``statistic`` is how far its sum lies above its lowest."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.sum = 0.0
        self.lowest = 0.0

    @property
    def statistic(self) -> float:
        return self.sum - self.lowest

    def take(self, value: float) -> bool:
        """Whether the rise now passes HINKLEY_LIMIT; then it begins anew."""
        self.count += 1
        self.mean += (value - self.mean) / self.count
        self.sum += value - self.mean - HINKLEY_SLACK
        self.lowest = min(self.lowest, self.sum)
        return self.statistic > HINKLEY_LIMIT
