"""One ticket through all of triage: reading -> vectors and n-grams -> heads -> rules -> priority -> who should take it.

Pure but for the encoder's memory of texts; many tickets may go through together, and each is answered as if it were
alone. What is abstained from still carries its best guess: the person who decides sees both.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from aiops.tickets import classifier as C
from aiops.tickets import priority, urgency_rules
from aiops.tickets.bundle import Bundle
from aiops.tickets.encoder import Encoder
from aiops.tickets.features import Block, Features
from aiops.tickets.language import UNKNOWN, language
from aiops.tickets.names import Names
from aiops.tickets.reading import Reading, read
from aiops.tickets.reasons import Words
from aiops.tickets.routing import Asked, Router, TeamHistory, reassignment_risk
from aiops.tickets.teams import Teams
from aiops.tickets.ticket import Answer, Choice, Priority, Reason, Team, Ticket, Triage

ALTERNATIVES = 3
TEAMS_SHOWN = 5
NOISE = "noise"
NO_HISTORY = TeamHistory()


class TriagePipeline:
    """Immutable: swap it whole to change the model. `precision` is how often an answer must be right (.9: nine times in
    ten) not to be abstained from; 0 answers always."""

    def __init__(
        self,
        bundle: Bundle,
        encoder: Encoder,
        teams: Teams | None = None,
        precision: float = 0.0,
        reader: Callable[[str, str], Reading] = read,
        matrix: priority.Matrix = priority.ITIL,
        needs: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.bundle, self.encoder, self._reader = bundle, encoder, reader
        self._teams, self._precision, self._matrix = teams, precision, matrix
        self._router = Router(teams, needs or {})
        self._languages = frozenset(bundle.about.get("languages", ()))

    @property
    def model_version(self) -> str:
        """Name and version of the bundle, as every answer carries it."""
        return f"{self.bundle.name}/{self.bundle.version}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what the bundle answers."""
        return tuple(self.bundle.classifier.outputs)

    def labels(self, output: str) -> frozenset[str]:
        """The labels of an output; of `team` those that are described, where any are."""
        if output == "team" and self._teams:
            return frozenset(self._teams.names)
        outputs = self.bundle.classifier.outputs
        return frozenset(outputs[output].classes) if output in outputs else frozenset()

    def read(self, tickets: Sequence[Ticket]) -> list[Reading]:
        """The tickets as they are triaged: the newest message, without personal data."""
        return [self._reader(ticket.title, ticket.body) for ticket in tickets]

    def triage(
        self,
        tickets: Sequence[Ticket],
        with_reasons: bool = True,
        readings: Sequence[Reading] | None = None,
        history: TeamHistory = NO_HISTORY,
        now_ms: int = 0,
    ) -> list[Triage]:
        """One answer per ticket, in order; `readings`: as they were read already; `history`: what is known of teams,
        `now_ms`: when tickets without a time were written."""
        if not tickets:
            return []
        classifier = self.bundle.classifier
        if readings is None:
            readings = self.read(tickets)
        titles, texts = [one.title for one in readings], [one.joined for one in readings]
        vectors = self.encoder.encode(texts)
        features = self.bundle.idf.features(titles, texts, vectors)
        near = classifier.neighbours(vectors.sentence)
        predictions = classifier.predict(features, near)
        scope = classifier.scope_scores(vectors.sentence, near, predictions)
        described = self._teams.scores(vectors.sentence) if self._teams else None
        answered = []
        for row, ticket in enumerate(tickets):
            words = Words(titles[row], texts[row], _row(features, row)) if with_reasons else None
            answers = {
                name: self._answer(name, predictions[name], row, words) for name in self.outputs if name != "team"
            }
            is_ticket = (
                bool(texts[row].strip()) and not readings[row].is_binary and self._is_ticket(answers, float(scope[row]))
            )
            spoken = language(texts[row]) if self._languages else UNKNOWN
            is_foreign = spoken.code is not None and spoken.code not in self._languages
            if not is_ticket or is_foreign:
                answers = {name: _abstained(answer) for name, answer in answers.items()}
            rules = list(urgency_rules.held(texts[row], ticket.attributes))
            answers = {name: _floored(name, answer, rules) for name, answer in answers.items()}
            owns = described[row] if described else {}
            category = answers.get("category")
            asked = Asked(
                Names.of(texts[row], ticket.attributes),
                category.label if category and not category.abstained else "",
                now_ms if ticket.created_ms is None else ticket.created_ms,
            )
            teams, is_unsure = self._routing(predictions, row, words, owns, asked, history)
            answered.append(
                Triage(
                    answers,
                    self._priority(answers, rules),
                    tuple(self._told(team, predictions, row, words, owns) for team in teams[:TEAMS_SHOWN]),
                    is_unsure or not is_ticket or is_foreign,
                    is_ticket,
                    float(scope[row]),
                    spoken.code or "",
                    readings[row].redactions,
                    self.model_version,
                    reassignment_risk(teams, history) if teams else None,
                )
            )
        return answered

    def _is_ticket(self, answers: Mapping[str, Answer], score: float) -> bool:
        if "scope" in answers:
            return answers["scope"].label != NOISE
        scope = self.bundle.classifier.scope
        return scope is None or score >= scope.threshold

    def _answer(self, name: str, prediction: C.Prediction, row: int, words: Words | None) -> Answer:
        output = self.bundle.classifier.outputs[name]
        order = np.argsort(-prediction.probabilities[row], kind="stable")
        top = int(prediction.top[row])
        confidence = float(prediction.confidence[row])
        others = [k for k in order if k != top][:ALTERNATIVES]
        votes = float(prediction.votes[row, top])
        reasons = words.reasons(self.bundle.classifier.heads, self._column(name, top), votes) if words else ()
        return Answer(
            prediction.classes[top],
            confidence,
            tuple(Choice(prediction.classes[k], float(prediction.probabilities[row, k])) for k in others),
            confidence < C.threshold(output, self._precision),
            reasons,
        )

    def _column(self, name: str, k: int) -> int:
        return int(self.bundle.classifier.heads.columns[name].start) + k

    def _priority(self, answers: Mapping[str, Answer], rules: Sequence[urgency_rules.Held]) -> Priority:
        urgency = answers["urgency"].label if "urgency" in answers else "medium"
        impact = answers["impact"].label if "impact" in answers else "medium"
        return priority.priority(self._matrix, urgency, impact, rules)

    def _routing(
        self,
        predictions: Mapping[str, C.Prediction],
        row: int,
        words: Words | None,
        described: Mapping[str, float],
        asked: Asked,
        history: TeamHistory,
    ) -> tuple[list[Team], bool]:
        """All teams, best first, and whether that is not sure enough. A team that the bundle has learned is judged by
        its calibrated confidence, another by its probability."""
        learned: dict[str, float] = {}
        if "team" in predictions:
            prediction = predictions["team"]
            learned = dict(zip(prediction.classes, map(float, prediction.probabilities[row]), strict=True))
        ranked = self._teams.ranked(learned, described) if self._teams else sorted(learned.items(), key=lambda p: -p[1])
        teams = self._router.ranked(ranked, asked, history)
        if not teams:
            return teams, True
        if "team" in predictions and predictions["team"].classes[int(predictions["team"].top[row])] == teams[0].name:
            least = C.threshold(self.bundle.classifier.outputs["team"], self._precision)
            return teams, float(predictions["team"].confidence[row]) < least
        return teams, teams[0].probability < self._precision

    def _told(
        self,
        team: Team,
        predictions: Mapping[str, C.Prediction],
        row: int,
        words: Words | None,
        described: Mapping[str, float],
    ) -> Team:
        """With what the text says for it."""
        why = team.reasons
        if team.name in described:
            why = (Reason("description", "how near the ticket is to what the team owns", described[team.name]), *why)
        if words and "team" in predictions and team.name in predictions["team"].classes:
            place = predictions["team"].classes.index(team.name)
            votes = float(predictions["team"].votes[row, place])
            why = (*why, *words.reasons(self.bundle.classifier.heads, self._column("team", place), votes))
        return Team(team.name, team.probability, why)


def _row(features: Features, row: int) -> Features:
    def one(block: Block) -> Block:
        at = slice(block.starts[row], block.starts[row + 1])
        return Block(np.array([0, at.stop - at.start]), block.columns[at], block.values[at])

    first, second, third = features.blocks
    return Features((one(first), one(second), one(third)), features.dense[row : row + 1])


def _abstained(answer: Answer) -> Answer:
    return Answer(answer.label, answer.probability, answer.alternatives, True, answer.reasons)


def _floored(name: str, answer: Answer, rules: list[urgency_rules.Held]) -> Answer:
    if name not in ("urgency", "impact") or answer.label not in urgency_rules.LEVELS:
        return answer
    label, held = urgency_rules.lifted(answer.label, name, rules)
    if not held:
        return answer
    told = tuple(Reason("rule", f"{rule.why}: at least {rule.floor}", 0.0) for rule in held)
    share = {choice.label: choice.probability for choice in answer.alternatives} | {answer.label: answer.probability}
    others = tuple(Choice(k, p) for k, p in sorted(share.items(), key=lambda pair: -pair[1]) if k != label)
    return Answer(label, share.get(label, 0.0), others, answer.abstained, told + answer.reasons)
