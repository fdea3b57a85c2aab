"""How a ticket is read, the one way for training and for triage: the newest message, without personal data.

What a model was fitted to must be what it is asked about: `clean` and `redact` stand here together so that neither side
can leave one out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiops.tickets import redaction, text


@dataclass(frozen=True, slots=True)
class Reading:
    """Title and newest message as triage sees them; `redactions` counts what was replaced, by kind. Of a ticket that is
    kept also what else came with it, `besides`, and what was replaced, `sealed`; "" without a key."""

    title: str
    body: str
    redactions: tuple[tuple[str, int], ...] = ()
    is_binary: bool = False
    truncated: bool = False
    besides: tuple[str, ...] = ()
    sealed: str = ""

    @property
    def joined(self) -> str:
        """One text of title and body."""
        return f"{self.title}\n{self.body}" if self.title and self.body else self.title or self.body


def read(
    title: str,
    body: str,
    *,
    ips: bool = False,
    chars_max: int = 20_000,
    raw_chars_max: int = 1_000_000,
    besides: Sequence[str] = (),
    key: str = "",
    known: Mapping[str, str] | None = None,
) -> Reading:
    """`ips`: addresses of machines are personal too. The limits are those of `text.clean`. Values have the same numbers
    in `besides`; with a `key` what was replaced is sealed under it, together with what is `known`, by label."""
    message = text.clean(body, chars_max=chars_max, raw_chars_max=raw_chars_max)
    head = text.clean(title, chars_max=chars_max, raw_chars_max=raw_chars_max)
    texts = [head.text, message.evidence, *besides]
    shown, said, *others = redacted = redaction.redact_all(texts, ips=ips)
    counts: dict[str, int] = {}
    for one in (place for part in redacted for place in part.found):
        counts[one.kind.value] = counts.get(one.kind.value, 0) + 1
    sealed = redaction.seal(texts, redacted, key, known or {}) if key else None
    return Reading(
        shown.text,
        said.text,
        tuple(sorted(counts.items())),
        message.is_binary,
        message.truncated or head.truncated,
        tuple(one.text for one in others),
        sealed.token if sealed else "",
    )


def read_all(titles: Sequence[str], bodies: Sequence[str]) -> list[Reading]:
    """As `read`, with the usual limits."""
    return [read(title, body) for title, body in zip(titles, bodies, strict=True)]
