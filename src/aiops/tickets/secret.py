"""Where secrets stand in a text: private keys, tokens of known make, and what follows words such as password.

A secret after its word is told from prose about passwords ("password is expired", "token: required") by how it looks:
letters mixed with digits or signs. In doubt what stands after a colon is a secret. All patterns are RE2.
"""

from collections.abc import Iterator
from itertools import pairwise

import re2

Span = tuple[int, int]  # start, end in the text, as a slice


def _or(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


_PEM_BEGIN = re2.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"((?:(?:[\s>]|\\n|\\r)*[A-Za-z0-9+/=]{20,})*(?:(?:[\s>]|\\n|\\r)*[A-Za-z0-9+/=]{1,20}\s*$)?)"
)
_PEM_END = re2.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")


def private_keys(text: str) -> Iterator[Span]:
    """PEM blocks; of one that was cut off, as far as it still looks like a key."""
    ends = [match.end() for match in _PEM_END.finditer(text)]
    at = done = 0
    for begin in _PEM_BEGIN.finditer(text):
        if begin.start() < done:
            continue
        while at < len(ends) and ends[at] < begin.start():
            at += 1
        done = ends[at] if at < len(ends) else begin.end()
        yield begin.start(), done


_KNOWN_TOKEN = re2.compile(
    r"\b"
    + _or(
        r"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?",  # JWT
        r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
        r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}",
        r"glpat-[A-Za-z0-9_\-]{20,}|gldt-[A-Za-z0-9_\-]{20,}",
        r"xox[abeoprs]-[A-Za-z0-9\-]{10,}|xapp-[A-Za-z0-9\-]{10,}",  # Slack
        r"AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_\-]{20,}",  # Google
        r"[spr]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9]{20,}",  # Stripe
        r"sk-[A-Za-z0-9_\-]{20,}",
        r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",  # SendGrid
        r"npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_\-]{50,}|hf_[A-Za-z0-9]{30,}",
        r"dop_v1_[a-f0-9]{64}|dapi[a-f0-9]{32}|hvs\.[A-Za-z0-9_\-]{20,}|ATATT3[A-Za-z0-9_\-=]{20,}",
        r"\d{8,10}:AA[A-Za-z0-9_\-]{33}",  # Telegram
    )
)
_SLACK_HOOK = re2.compile(r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9_/\-]{20,})")
_AWS_PAIR = re2.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}[\s:/,;|\"']{1,6}([A-Za-z0-9+/]{40})\b")
_AUTHORIZATION = re2.compile(
    r"(?i)\b(?:proxy-)?authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
    r"(?:(?:basic|bearer|token|apikey|negotiate|digest|aws4-hmac-sha256|key)\s{1,3})?([A-Za-z0-9._~+/\-:]{8,}={0,2})"
)
_BEARER = re2.compile(r"(?i)\bbearer[ :=]{1,3}[\"']?([A-Za-z0-9._~+/\-]{8,}={0,2})")
_LABELLED_TOKEN = re2.compile(
    r"(?i)(?:api[_\- ]?key|access[_\- ]?key(?:[_\- ]?id)?|secret[_\- ]?(?:access[_\- ]?)?key|client[_\- ]?secret"
    r"|(?:auth|account|shared|private|signing|encryption|subscription|shared[_\- ]?access|license|licence)[_\- ]?key"
    r"|session[_\- ]?id|jsessionid|phpsessid|connect\.sid|session[_\- ]?cookie|secret|token|signature|\bsig|key)"
    r"(?:[\"']?\s{0,3}(?:[:=]|=>|:=|->)\s{0,3}|\s{1,2}(?:is|was|ist|est|es)\s{1,2}|[\"']?\s)[\"'`]?"
    r"([A-Za-z0-9+/_.~\-%]{12,}={0,2})"
)
_UUID = re2.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLAIN_KEY = re2.compile(
    r"(?i)(?:primary|foreign|cache|partition|routing|object|sort|registry|public|unique|index|row|hash|lookup|host"
    r"|message|idempotency|s3|redis|config|duplicate|record|dedup)[_\- ]?$"
)


def _looks_random(value: str) -> bool:
    """Letters and digits in an order that no name has: a hex or base64 secret, not `order_items_2024`."""
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "" for c in value]
    if "d" not in kinds or not {"u", "l"} & set(kinds):
        return False
    words = [kind for kind in kinds if kind]
    turns = sum(a != b and "d" in (a, b) for a, b in pairwise(words))
    mixed = sum(a == "l" and b == "u" for a, b in pairwise(words))
    return turns >= 4 or (turns >= 2 and mixed >= 2) or (mixed >= 4 and len(value) >= 24)


def tokens(text: str) -> Iterator[Span]:
    """API keys and session tokens: known by their prefix, or random after a word such as token, secret, API key."""
    for match in _KNOWN_TOKEN.finditer(text):
        yield match.span()
    for pattern in (_SLACK_HOOK, _AWS_PAIR):
        for match in pattern.finditer(text):
            yield match.span(1)
    for match in _AUTHORIZATION.finditer(text):
        if len(match[1]) >= 20 or any(c.isdigit() for c in match[1]) or match[1].endswith("="):
            yield match.span(1)
    for match in _BEARER.finditer(text):
        if len(match[1]) >= 24 or any(c.isdigit() for c in match[1]):
            yield match.span(1)
    for match in _LABELLED_TOKEN.finditer(text):
        start, end = match.span(1)
        end = start + len(text[start:end].rstrip(".-~"))
        value, label = text[start:end], text[match.start() : start].lower()
        if not _looks_random(value) or value.startswith(("http", "/", "./")):
            continue
        is_bare = label.startswith("key")
        if is_bare and (_UUID.fullmatch(value) or _PLAIN_KEY.search(text[max(0, match.start() - 16) : match.start()])):
            continue
        is_linked = any(c in label for c in ":=>") or " is " in label
        if (is_bare or not is_linked) and (len(value) < 20 or "." in value or (not is_linked and is_bare)):
            continue
        yield start, end


_PASSWORD_WORD = _or(
    "pass(?:word|wort|phrase|code|wd)", "pwd", "kennwort", "contraseña", "mot de passe", "mdp", "senha", "hasło",
    "wachtwoord", "lösenord", "adgangskode",
)  # fmt: skip
_VALUE = r"[^\s\"'<>]{3,128}"
_PASSWORD = re2.compile(
    rf"(?i){_PASSWORD_WORD}(?:s|[12])?(?:\s(?:for|für|to|of|pour|i|we)\s[^\s:=]{{1,40}}(?:\s[^\s:=]{{1,20}})?)?"
    rf"(?:[\"']?\s{{0,3}}(?:[:=]|=>|:=|->|:-)\s{{0,3}}|[\"']?>)(?:\"([^\"\n]{{1,128}})\"|'([^'\n]{{1,128}})'|({_VALUE}))"
)
_SHORT_PASSWORD = re2.compile(rf"\b(?:[Pp]ass|[Pp][Ww]|PIN|[Pp]in|Pin[- ]code)\s{{0,2}}[:=]\s{{0,2}}[\"']?({_VALUE})")
_PASSWORD_IS = re2.compile(
    rf"(?i)\b(?:{_PASSWORD_WORD}|pass|pw|pin)(?:\s(?:for|für|to|of|pour)\s[^\s:=]{{1,40}}(?:\s[^\s:=]{{1,20}})?)?"
    rf"\s(?:(?:was |is |has been )?(?:set|changed|reset) to"
    rf"|(?:should be|is now|is still|is|was|ist|war|lautet|est|es|é|to))"
    rf"[:\s]\s{{0,2}}(?:\"([^\"\n]{{1,128}})\"|'([^'\n]{{1,128}})'|[\"'`]?({_VALUE}))"
)
_PASSWORD_BARE = re2.compile(rf"(?i)(?:\b|--|_)(?:{_PASSWORD_WORD}|pw)\s[\"'`(]?([^\s\"'<>()]{{3,128}})")
_URL_PASSWORD = re2.compile(r"(?i)\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{0,64}:([^\s/\"'<>]{1,128})@[a-z0-9.\-\[]")
_CURL_USER = re2.compile(r"(?:\s-u|--user)[ =][\"']?[^\s:\"']{1,64}:([^\s\"']{1,128})")
_MYSQL_OPTION = re2.compile(r"\b(?:mysql\w*|mariadb\w*|sshpass)\b[^\n]{0,200}?\s-p(?:\s?[\"'])?([^\s\"'\-]\S{2,127})")
_USER_SLASH = re2.compile(
    r"(?i)\b(?:log-?in|user(?:name)?|credentials?|creds)\s?(?:[:=]|are|is)\s?[^\s/:]{1,64}\s?/\s?([^\s\"'<>/]{3,128})"
)
_NO_PASSWORD_WORDS = """
null none nil undefined required incorrect invalid expired expires expiring expire wrong reset changed true false
yes no empty missing not is needed need needs the a an my your his her our their this that correct valid weak strong
short long old new same different locked blocked disabled enabled set unchanged blank unknown lost forgotten gone
fine ok okay working works broken accepted rejected refused denied secure insecure sensitive case-sensitive there
what please hidden redacted masked removed xxx xxxx xxxxx and or but with for via in on at to of by as it i you we
field policy manager protected authentication auth login prompt hash hashed encrypted failed failure fails error
mandatory optional again still also being never always only too very about above below asked sent stored supported
used longer correctly incorrectly n/a tbd string str text varchar char bytes object password passwort pwd kein keine
falsch abgelaufen richtig ungültig gesperrt vergessen incorrecta caducada expiré oublié nicht
"""
_NO_PASSWORD = frozenset(_NO_PASSWORD_WORDS.split())
_ALGORITHM = re2.compile(
    r"(?i)(?:sha-?\d+|md5|base64|oauth2?|utf-?\d+|aes-?\d+|pbkdf2|bcrypt|scrypt|argon2\w*|ntlmv2)\W*"
)
_PLACEHOLDER = re2.compile(
    r"[*.xX#_\-•]+|\$(?:[A-Z_][A-Z0-9_]*|[a-z_]+)|%[A-Za-z_]+%?|[{<\[(]+[\w .\-]*[}>\])]*|&\w+;.*|[\w.]+\(.*"
    r"|\w+\[[\w:\-]*\]?|.*\$[{(].*|%[sdr]"
)


def _is_strong(value: str) -> bool:
    """Letters with digits or signs in them, as people write passwords and hardly anything else."""
    has_letter = any(c.isalpha() for c in value)
    has_digit = any(c.isdigit() for c in value[:-1]) or value[-1:].isdigit()
    has_sign = any(c in "!@#$%^&*?+=~" for c in value)
    has_lower = any(c.islower() for c in value)
    return len(value) >= 6 and has_letter and (has_sign or (has_digit and has_lower))


def _password(text: str, span: Span, is_quoted: bool = False) -> Span | None:
    start, end = span
    value = text[start:end]
    if not is_quoted:
        value = value.rstrip(".,;)]`}") if not _is_strong(value.rstrip(".,;")) else value.rstrip(".,;`")
    word = value.lower().strip(".,;:!?*()")
    if not value or word in _NO_PASSWORD or _PLACEHOLDER.fullmatch(value) or _ALGORITHM.fullmatch(value):
        return None
    return start, start + len(value)


def passwords(text: str) -> Iterator[Span]:
    """After "password:", "pwd is", "passwort", `--password`, in URLs and connection strings."""
    for match in _PASSWORD.finditer(text):
        group = next(g for g in (1, 2, 3) if match[g] is not None)
        value = match[group]
        if value.startswith("/") and "pwd" in match[0][:3].lower():  # the working directory of a shell
            continue
        if found := _password(text, match.span(group), is_quoted=group < 3):
            yield found
    for match in _SHORT_PASSWORD.finditer(text):
        is_number = match[1].rstrip(".,;").isdigit()
        is_pin = match[0][:3].lower() == "pin"
        if is_pin != is_number or (is_number and len(match[1].rstrip(".,;")) < 4):
            continue
        if found := _password(text, match.span(1)):
            yield found
    for match in _PASSWORD_IS.finditer(text):
        group = next(g for g in (1, 2, 3) if match[g] is not None)
        if group < 3:
            if found := _password(text, match.span(group), is_quoted=True):
                yield found
            continue
        value = match[3].rstrip(".,;!?")
        is_last = text[match.end(3) : match.end(3) + 1] in ("", "\n", "\r") or match[3][-1] in ".,;!"
        is_number = value.isdigit() and len(value) >= 4
        is_word = value.isalpha() and is_last and value.islower() and len(value) >= 5
        if (_is_strong(value) or is_number or is_word) and (found := _password(text, match.span(3))):
            yield found
    for match in _PASSWORD_BARE.finditer(text):
        value = match[1].rstrip(".,;)")
        is_path = "/" in value or "://" in value or ":" in value[:-1]
        is_option = match[0].startswith("--")
        is_bracketed = match[0][: -len(match[1])].endswith(("(", '"', "'", "`")) and any(c.isdigit() for c in value)
        if (is_option or is_bracketed or (_is_strong(value) and not is_path)) and (
            found := _password(text, match.span(1))
        ):
            yield found
    for match in _USER_SLASH.finditer(text):
        if _is_strong(match[1].rstrip(".,;)")) and (found := _password(text, match.span(1))):
            yield found
    for pattern in (_URL_PASSWORD, _CURL_USER, _MYSQL_OPTION):
        for match in pattern.finditer(text):
            if found := _password(text, match.span(1), is_quoted=True):
                yield found
