"""What a person (or a machine) newly said in a ticket, apart from quoted history, signature and boilerplate.

Nothing is thrown away: what is split off stands beside the text, because "see below" has its evidence in the quote.
Time is linear in the length of the message: patterns are RE2 and run once over the whole text.
"""

import unicodedata
from dataclasses import dataclass

import re2

from aiops.tickets import markup

_BINARY_SHARE = 0.05  # of control and replacement characters; texts have next to none, packed files about a third
_BINARY_SAMPLE = 10_000


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` is the newest message; `quoted` what it answers to; `signature` name lines, disclaimers, banners."""

    text: str
    quoted: str = ""
    signature: str = ""
    is_html: bool = False
    is_alert: bool = False  # written by a monitoring system
    is_binary: bool = False  # no text at all, as a pasted file
    truncated: bool = False  # a limit was met; what is beyond it was not read

    @property
    def evidence(self) -> str:
        """What to judge by: the newest message, with the quoted one where the newest says next to nothing."""
        return f"{self.text}\n{self.quoted}".strip() if self.quoted and _says_little(self.text) else self.text


def clean(raw: str, *, chars_max: int = 20_000, raw_chars_max: int = 1_000_000) -> Cleaned:
    """`raw` as sent, plain or HTML. `raw_chars_max` characters of it are read, `chars_max` of each part kept."""
    truncated = len(raw) > raw_chars_max
    raw = raw[:raw_chars_max].encode("utf-8", "ignore").decode()  # without halves of characters
    is_binary = _is_binary(raw[:_BINARY_SAMPLE])
    is_html = not is_binary and markup.is_html(raw)
    lines = _normal(markup.text_of(raw) if is_html else raw)
    truncated |= len(lines) > raw_chars_max  # one character can be eighteen in its usual form
    lines = lines[:raw_chars_max]
    if is_alert := _ALERT.search(lines) is not None:
        text, signature, quoted = *_without_boilerplate(lines), ""
    else:
        text, quoted = _split_quoted(lines)
        text, signature = _split_signature(text)
    truncated |= max(len(text), len(quoted), len(signature)) > chars_max
    text, quoted, signature = (_tidy(part[:chars_max]) for part in (text, quoted, signature))
    return Cleaned(text, quoted, signature, is_html, is_alert, is_binary, truncated)


# --- characters

_ASCII = {
    **dict.fromkeys(map(ord, "‘’‚‛`´′ʼ"), "'"), **dict.fromkeys(map(ord, "“”„‟″«»"), '"'),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"), **dict.fromkeys((0x85, 0x2028, 0x2029, 0x0B, 0x0C), "\n"),
}  # fmt: skip
_INVISIBLE = (  # zero width, bidirectional and format controls, tags, variation selectors, fillers
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0, *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE01F0),
)  # fmt: skip
_CONTROL = (*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0))
_TABLE: dict[int, str | None] = {**dict.fromkeys((*_INVISIBLE, *_CONTROL)), **_ASCII}
_ESCAPE = re2.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b\n]*\x07)")  # colours of a terminal
_CONTROL_CHARACTER = frozenset(map(chr, (*range(0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F, 0xFFFD)))


def _is_binary(sample: str) -> bool:
    return sum(character in _CONTROL_CHARACTER for character in sample) > _BINARY_SHARE * len(sample)


def _normal(text: str) -> str:
    """Visible characters in their usual form (NFKC), straight quotes, single spaces, no edge spaces in a line."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = _ESCAPE.sub("", text) if "\x1b" in text else text
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def _tidy(text: str) -> str:
    """No blank lines at the edges, at most one in between."""
    lines: list[str] = []
    for line in text.strip().split("\n"):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines)


# --- quoted history

_SEPARATOR = (
    r"-{2,} ?(?:Original Message|Original Appointment|Forwarded message|Forwarded by .+"
    r"|Urspr(?:ü|ue)ngliche Nachricht|Original-Nachricht|Original Nachricht|Weitergeleitete Nachricht"
    r"|Message d'origine|Message original|Message transféré|Mensaje original|Mensaje reenviado|Messaggio originale"
    r"|Oorspronkelijk bericht|Mensagem original) ?-{2,}"
    r"|Begin forwarded message:|Anfang der weitergeleiteten Nachricht:|Début du message (?:réexpédié|transféré) ?:"
)
_ATTRIBUTION = (
    r"(?:On|Am|Le|El|Il|Op|Em|W dniu) [^\n]*\d[^\n]*(?:\n[^\n]*)?"
    r"(?:wrote|schrieb[^\n]*|a écrit|escribió|ha scritto|schreef[^\n]*|escreveu|napisał(?:\(a\))?) ?:"
    r"|[^\n]+ (?:wrote on|schrieb am) [^\n]*\d[^\n]*:"
)
_HEADERS = (
    r"\*?(?:From|Von|De|Da|Van) ?:\*? [^\n]+\n(?:[^\n]*\n){0,2}"
    r"\*?(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado(?: el)?|Fecha|Inviato|Data|Verzonden) ?:\*? "
)
_HISTORY = re2.compile(rf"(?im)^(?:_{{8,}}\n+)?(?:({_SEPARATOR})$|({_ATTRIBUTION})$|({_HEADERS}))")
_QUOTE_MARK = re2.compile(r"(?m)^>")
_POINTER = re2.compile(
    r"(?i)\b(?:see|read|check|look at|refer to|as per)\b.{0,20}"
    r"\b(?:below|attached|thread|trail|mail chain|history)\b"
    r"|\bplease (?:advise|help|assist|handle|action|check)\b|\bfyi\b|\bfyr\b|\bany (?:update|news)s?\b|^\+1\b"
    r"|siehe (?:unten|anhang)|(?:bitte )?s\.u\.|zur info|z\.k\."
    r"|voir (?:ci-dessous|plus bas)|pour info|ver (?:abajo|debajo)"
    r"|véase abajo"
)
_LITTLE_WORDS, _POINTER_WORDS = 3, 15


def _says_little(text: str) -> bool:
    words = len(text.split())
    return words <= _LITTLE_WORDS or (words <= _POINTER_WORDS and _POINTER.search(text) is not None)


def _split_quoted(text: str) -> tuple[str, str]:
    """(newest, quoted). An attribution above ">" lines takes only those with it: answers stand between and below."""
    if not (text.startswith(">") or "\n>" in text):
        history = _HISTORY.search(text)
        return (text[: history.start()], text[history.start() :]) if history else (text, "")
    history = next((one for one in _HISTORY.finditer(text) if not one[2] or not _has_marks(text, one.end())), None)
    head, tail = (text[: history.start()], text[history.start() :]) if history else (text, "")
    head = "".join(_marked(head)) if _ATTRIBUTED.search(head) else head
    lines = head.split("\n")
    is_prompt = not any(line.startswith(">") and not line.startswith(">>>") for line in lines)  # Python's ">>> "
    if is_prompt:
        return head, tail
    newest = [line for line in lines if not line.startswith(">")]
    quoted = [line.lstrip("> ") for line in lines if line.startswith(">")]
    return "\n".join(newest), "\n".join((*quoted, tail))


_ATTRIBUTED = re2.compile(rf"(?im)^(?:{_ATTRIBUTION})$")


def _has_marks(text: str, end: int) -> bool:
    return text[end : end + 4].lstrip("\n").startswith(">")


def _marked(text: str) -> list[str]:
    """The text with each attribution made a quoted line."""
    pieces, done = [], 0
    for match in _ATTRIBUTED.finditer(text):
        pieces += [text[done : match.start()], "> ", match[0].replace("\n", " ")]
        done = match.end()
    return [*pieces, text[done:]]


# --- signature and boilerplate

_CLOSING = re2.compile(
    r"(?im)^(?:(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many)? ?regards|best(?: wishes)?|cheers|(?:many )?thanks"
    r"(?: again| a lot| in advance| so much| and (?:kind |best )?regards)?"
    r"|thank you(?: very much| so much| in advance)?"
    r"|thx|tia|rgds|br|kr|sincerely|yours (?:truly|faithfully|sincerely)"
    r"|mit (?:freundlichen|besten) gr(?:ü|ue)(?:ß|ss)en|mfg|lg|vg|danke"
    r"|(?:viele|beste|liebe|freundliche) gr(?:ü|ue)(?:ß|ss)e"
    r"|(?:bien )?cordialement|bien à vous|merci(?: d'avance)?|salutations|(?:un )?(?:cordial )?saludos?"
    r"|atentamente|gracias"
    r"|cordiali saluti|grazie|met vriendelijke groet(?:en)?|atenciosamente|obrigad[oa])[,.! ]*$"
)
_DASHES = re2.compile(r"(?m)^--$")
_SENT_FROM = re2.compile(
    r"(?im)^(?:sent from (?:my|the|outlook|mail|yahoo|a mobile)\b|sent (?:via|by) (?:my )?(?:mobile|phone|iphone|ipad)"
    r"|get outlook for|gesendet (?:von|mit) (?:meinem|der|outlook)|von meinem (?:iphone|ipad|smartphone|samsung)"
    r"|envoyé (?:de|depuis) mon|enviado desde mi|inviato da(?:l mio)?|verzonden vanaf mijn|verstuurd vanaf mijn)[^\n]*$"
)
_SIGNATURE_LINES, _SIGNATURE_LINE_CHARS, _SIGNATURE_WORDS = 12, 80, 8
_DISCLAIMER = re2.compile(
    r"(?is)confidential.*(?:intended|recipient|addressee|privileged|in error|disclos)"
    r"|(?:intended (?:solely|only|recipient)).*confidential|received this (?:e-?mail|message|communication) in error"
    r"|vertraulich.*(?:empfänger|bestimmt|irrtümlich|absender)|confidentiel.*(?:destinataire|erreur)"
    r"|confidencial.*(?:destinatario|error)|consider the environment before printing"
    r"|this e-?mail (?:has been|was) scanned|scanned (?:by|for) .*(?:virus|malware)|virus-free\. www"
    r"|(?:email|e-mail|message) originated from (?:an )?(?:outside|external)"
    r"|external (?:email|e-mail|sender)\b.*(?:caution|click)"
    r"|do not click (?:on )?(?:any )?links or open attachments"
)


def _split_signature(text: str) -> tuple[str, str]:
    """(message, signature with disclaimers and banners)."""
    paragraphs = text.split("\n\n")
    said = [one for one in paragraphs if not _DISCLAIMER.search(one)]
    boilerplate = [one for one in paragraphs if _DISCLAIMER.search(one)] if len(said) < len(paragraphs) else []
    if not any(one.strip() for one in said):  # a message of nothing else is one about it
        said, boilerplate = paragraphs, []
    text = "\n\n".join(said).rstrip()
    start = len(text)
    if found := _SENT_FROM.search(text):
        start = found.start() if _is_signature(text[found.end() :]) else start
    tail = sum(len(line) + 1 for line in text.rsplit("\n", 2 * _SIGNATURE_LINES)[1:])
    if found := _DASHES.search(text[len(text) - tail :]):
        start = min(start, len(text) - tail + found.start())
    for found in _CLOSING.finditer(text, max(0, start - 2000), start):
        if _is_signature(text[found.end() : start]) and text[: found.start()].strip():
            start = found.start()
            break
    return text[:start], "\n\n".join(part for part in (text[start:].strip(), *boilerplate) if part)


def _is_signature(text: str) -> bool:
    """Few short lines: names, titles, numbers; no sentence that tells something."""
    lines = [line for line in text.split("\n") if line]
    return len(lines) <= _SIGNATURE_LINES and all(
        len(line) <= _SIGNATURE_LINE_CHARS and (len(line.split()) <= _SIGNATURE_WORDS or "|" in line) for line in lines
    )


# --- what monitoring systems send

_ALERT = re2.compile(
    r"(?i)\*{3,} ?(?:nagios|icinga|checkmk)\b|notification type: ?(?:problem|recovery|acknowledgement|flapping)"
    r"|amazon cloudwatch alarm|reason for state change:|sent by alertmanager"
    r"|view in alertmanager|\[firing:\d+\]|\[resolved\]"
    r"|alertname ?= ?\S|problem started at \d.*\n?.*problem name:|triggered: .*\bmonitor\b"
    r"|azure monitor alert"
)
_BOILERPLATE_LINE = re2.compile(
    r"(?i)^(?:\*{3,}.*|-{2,}|={3,}|_{3,}|view in alertmanager|sent by alertmanager.*|source|view this alarm in .*"
    r"|if you wish to stop receiving notifications.*|https?://\S*unsubscribe\S*"
    r"|please do not reply directly to this e-?mail.*"
    r"|.*contact us at https?://aws\.amazon\.com/support.*|state change actions:|- ?(?:ok|alarm|insufficient_data):.*"
    r"|you are receiving this (?:e-?mail|message) because you .*subscri.*|unsubscribe.*"
    r"|manage (?:your )?(?:alert|notification)s?.*)$"
)


def _without_boilerplate(text: str) -> tuple[str, str]:
    """(what the alert says, banners and links to unsubscribe)."""
    kept: list[str] = []
    dropped: list[str] = []
    for line in text.split("\n"):
        (dropped if line and _BOILERPLATE_LINE.search(line) else kept).append(line)
    return "\n".join(kept), "\n".join(dropped)
