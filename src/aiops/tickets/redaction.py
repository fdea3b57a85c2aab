"""The one door that text passes before it is stored, logged or sent: personal data out, a numbered word in.

`[email 1]` stands for the same address all through a ticket, so that what is left can still be read. Which places are
personal is decided in `personal_data` and `secret`; run `text.clean` first, so that look-alike and invisible characters
cannot hide one. Nothing leads back from a number to its value, unless a key is set: then the values travel along
encrypted (Fernet: AES-128-CBC with HMAC-SHA256) as a `Sealed`, apart from the text, and only who holds the key can read
them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import re2
from cryptography.fernet import Fernet, InvalidToken

from aiops.errors import SealError, SettingsError
from aiops.tickets import personal_data, secret

Span = tuple[int, int]  # start, end in the text, as a slice


class Kind(StrEnum):
    """What was found; the value is the word that stands in its place."""

    PRIVATE_KEY = "private key"
    TOKEN = "token"
    PASSWORD = "password"
    EMAIL = "email"
    IBAN = "iban"
    CARD = "card"
    NATIONAL_ID = "national id"
    DOCUMENT = "document"
    BIRTH_DATE = "date of birth"
    BANK_ACCOUNT = "bank account"
    PHONE = "phone"
    IP = "ip"
    MAC = "mac"


FINDERS: dict[Kind, Callable[[str], Iterator[Span]]] = {  # where two claim the same characters, the earlier wins
    Kind.PRIVATE_KEY: secret.private_keys,
    Kind.TOKEN: secret.tokens,
    Kind.PASSWORD: secret.passwords,
    Kind.EMAIL: personal_data.emails,
    Kind.IBAN: personal_data.ibans,
    Kind.CARD: personal_data.cards,
    Kind.NATIONAL_ID: personal_data.national_ids,
    Kind.DOCUMENT: personal_data.documents,
    Kind.BIRTH_DATE: personal_data.birth_dates,
    Kind.BANK_ACCOUNT: personal_data.bank_accounts,
    Kind.PHONE: personal_data.phones,
    Kind.IP: personal_data.ips,
    Kind.MAC: personal_data.macs,
}
BY_OPTION = frozenset({Kind.IP, Kind.MAC})
_LABEL = re2.compile(r"\[(" + "|".join(FINDERS) + r") (\d{1,6})\]")
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # halves of a character cannot be stored


@dataclass(frozen=True, slots=True)
class Redaction:
    """One place: what it was, its number, and where it stood in the original text (a slice)."""

    kind: Kind
    number: int
    start: int
    end: int

    @property
    def label(self) -> str:
        """What stands there now."""
        return f"[{self.kind} {self.number}]"


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without personal data, and what was taken out, in order."""

    text: str
    found: tuple[Redaction, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """The values taken out, encrypted: safe to store, of no use without the key."""

    token: str


def redact(text: str, *, ips: bool = False) -> Redacted:
    """`text` with every value of `Kind` replaced by its label; IP and MAC addresses only with `ips`."""
    return redact_all((text,), ips=ips)[0]


def redact_all(texts: Sequence[str], *, ips: bool = False) -> tuple[Redacted, ...]:
    """The same for several texts of one ticket (title, body): one value has one number in all of them."""
    texts = [text.translate(_SURROGATES) if not text.isascii() else text for text in texts]
    numbers: dict[tuple[Kind, str], int] = {}
    last = dict.fromkeys(Kind, 0)
    for text in texts:  # a label that is there already, say in a quoted reply, is not given again
        for match in _LABEL.finditer(text):
            last[Kind(match[1])] = max(last[Kind(match[1])], int(match[2]))
    return tuple(_redacted(text, ips, numbers, last) for text in texts)


def _redacted(text: str, ips: bool, numbers: dict[tuple[Kind, str], int], last: dict[Kind, int]) -> Redacted:
    found: list[Redaction] = []
    pieces: list[str] = []
    done = 0
    for start, end, kind in _places(text, ips):
        value = (kind, _same(kind, text[start:end]))
        if value not in numbers:
            last[kind] += 1
            numbers[value] = last[kind]
        found.append(Redaction(kind, numbers[value], start, end))
        pieces += (text[done:start], found[-1].label)
        done = end
    return Redacted("".join((*pieces, text[done:])), tuple(found))


def _places(text: str, ips: bool) -> list[tuple[int, int, Kind]]:
    """Spans in order, none touching another: the earlier kind wins, then the earlier place."""
    taken = bytearray(len(text))
    for match in _LABEL.finditer(text):
        taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    places = []
    for kind, find in FINDERS.items():
        if kind in BY_OPTION and not ips:
            continue
        for start, end in find(text):
            if start < end and taken.find(1, start, end) < 0:
                taken[start:end] = b"\1" * (end - start)
                places.append((start, end, kind))
    return sorted(places)


def _same(kind: Kind, value: str) -> str:
    """What makes two spellings one value: spaces, dashes and case do not matter where people vary them."""
    if kind in (Kind.PASSWORD, Kind.TOKEN, Kind.PRIVATE_KEY):
        return value
    if kind in (Kind.EMAIL, Kind.IP, Kind.MAC, Kind.BIRTH_DATE):
        return value.casefold()
    return "".join(c for c in value if c.isalnum()).casefold()


def seal(
    texts: Sequence[str], redacted: Sequence[Redacted], key: str, known: Mapping[str, str] | None = None
) -> Sealed | None:
    """The values that `redact_all(texts)` took out, and those `known` by label, encrypted under `key`; None where there
    are none.

    `key` is 32 bytes in base64 (`openssl rand -base64 32`). Raises SettingsError where it is not.
    """
    values = dict(known or {})
    for text, one in zip(texts, redacted, strict=True):
        for place in one.found:
            values.setdefault(place.label, text[place.start : place.end])
    if not values:
        return None
    plain = json.dumps(values, ensure_ascii=True).encode()
    return Sealed(_fernet(key).encrypt(plain).decode("ascii"))


def unseal(sealed: Sealed, key: str) -> dict[str, str]:
    """Label -> original value. Raises SealError with another key or after tampering."""
    try:
        plain = _fernet(key).decrypt(sealed.token.encode())
    except InvalidToken:
        raise SealError("sealed under another key, or changed since: what was redacted stays redacted") from None
    values: dict[str, str] = json.loads(plain)
    return values


def restore(text: str, values: Mapping[str, str]) -> str:
    """A redacted text with the labels in `values` replaced by what they stand for."""
    restored: str = _LABEL.sub(lambda match: values.get(match[0], match[0]), text)
    return restored


def _fernet(key: str) -> Fernet:
    try:
        return Fernet(key.strip().replace("+", "-").replace("/", "_"))
    except ValueError:
        raise SettingsError(
            "tickets.redaction_key: 32 bytes in base64; make one with `openssl rand -base64 32`"
        ) from None
