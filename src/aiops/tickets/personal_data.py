"""Where personal data and secrets stand in a text: one finder a kind, each a pattern and a check.

A pattern says what the thing looks like; what a pattern cannot say is checked: Luhn for cards, mod 97 for IBANs, the
plan of numbers for phones, and what stands before and after it. What has no shape of its own (a password, a passport
number, a date of birth) is found only after its word. Operators' words must survive: versions, hashes, UUIDs, dates,
ticket and order numbers are not personal.

All patterns are RE2: no text can make them slow. Repetitions are bounded where a match may fail late, so that many
failing starts cannot add up either. Not found: names of people and postal addresses, which no pattern tells from
product names and host names precisely enough.
"""

import ipaddress
from collections.abc import Iterator

import re2

Span = tuple[int, int]  # start, end in the text, as a slice

_LABEL_REACH = 24  # characters before a number in which a word may say that it is none of ours


def _or(*words: str) -> str:
    return "(?:" + "|".join(words) + ")"


def _is_alone(text: str, start: int, end: int, glue: str = "_") -> bool:
    """No letter, digit or one of `glue` touches the span: it is not a part of something longer."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (before.isalnum() or after.isalnum() or (before and before in glue) or (after and after in glue))


def _is_tied(text: str, start: int, end: int) -> bool:
    """A dash or point ties the span to a further number or word: a fraction, a version, a UUID."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    is_tied_before = len(before) == 2 and before[1] in "-./" and before[0].isalnum()
    return is_tied_before or (len(after) == 2 and after[0] in "-./" and after[1].isalnum())


def _is_in_row(text: str, start: int, end: int) -> bool:
    """The neighbours on the line are numbers too: a table or a dump."""
    before, after = text[max(0, start - 3) : start].rstrip(" \t"), text[end : end + 3].lstrip(" \t")
    return before[-1:].isdigit() or after[:1].isdigit()


def _digits(text: str) -> str:
    return "".join(c for c in text if "0" <= c <= "9")


_TECHNICAL_LABEL = re2.compile(
    r"(?i)(?:\b(?:order|invoice|ticket|case|serial|part|rma|ref|reference|sku|build|version|id|error|code|tracking|request"
    r"|trace|span|offset|inode|pid|asset|tag|epoch|timestamp|job|batch|po|item|block|commit|hash)|#)"
    r"(?:[ \t]?(?:no|nr|num|number|id)\b\.?)?[ \t]{0,2}(?:is\b)?[:#=\"'(]{0,2}[ \t]{0,2}$"
)


def _has_technical_label(text: str, start: int) -> bool:
    before = text[max(0, start - _LABEL_REACH) : start]
    return _TECHNICAL_LABEL.search(before.rsplit("\n", 1)[-1]) is not None


# What may stand between a word and its value: "number", "is", a colon, an arrow.
_NUMBER = r"(?:[ \t]{0,3}(?:(?:no|nr|num|number|nummer|numero|número|numéro|id)\b\.?|n°|nº|#))?"
_LINK = r"(?:[ \t]{0,3}(?:is|was|are|ist|lautet|est|es|on|am|le|at)\b)?[ \t]{0,3}(?:(?:[:=#]|->|=>|-|–)\s{0,4})?[\"']?"


def _after(words: str, value: str, number: str = _NUMBER) -> re2._Regexp:
    """Group 1 is the value after one of `words`."""
    return re2.compile(rf"(?i)\b{words}\b\.?{number}{_LINK}({value})")


# --- people

_EMAIL = re2.compile(
    r"([^\s@\"<>()\[\],;:\\|]+)@((?:[0-9A-Za-z\-\x{a1}-\x{10ffff}]+\.)+[A-Za-z\x{a1}-\x{10ffff}]{2,24})"
    r"|((?:[A-Za-z0-9._%+\-]{1,64}\s?[\[({]\s?(?:dot|DOT)\s?[\])}]\s?)?[A-Za-z0-9._%+\-]{1,64})\s?[\[({]\s?(?:at|AT|@)\s?[\])}]\s?"
    r"((?:[A-Za-z0-9\-]+(?:\.|\s?[\[({]\s?(?:dot|DOT|\.)\s?[\])}]\s?))+[A-Za-z]{2,24})"
    r"|([A-Za-z0-9._%+\-]{1,64}) at ([A-Za-z0-9\-]{1,63}(?: dot [A-Za-z0-9\-]{1,63})?)"
    r" dot (?:com|net|org|edu|io|co|de|fr|es|uk)\b"
    r"|(\"[^\"\n@]{1,64}\")@((?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,24})"
)
_NO_TLD_WORDS = """
png jpg jpeg gif svg webp ico service socket timer target mount slice scope swap automount tgz gz whl jar js css py
rb go rs java class dll exe so lock json yaml yml xml log conf cfg ini
"""
_NO_TLD = frozenset(_NO_TLD_WORDS.split())
_NO_MAILBOX = frozenset({"git", "svn", "hg"})


def emails(text: str) -> Iterator[Span]:
    """Addresses, also with umlauts and as "joe [at] example [dot] com"; not `git@host:repo` nor `icon@2x.png`."""
    for match in _EMAIL.finditer(text):
        start, end = match.span()
        local = match[1] or match[3] or match[5] or match[7] or ""
        domain = match[2] or match[4] or match[6] or match[8] or ""
        if domain.rsplit(".", 1)[-1].lower() in _NO_TLD or local.lower() in _NO_MAILBOX:
            continue
        lead = len(local) - len(local.lstrip("'`*|{/=.#&!?"))
        if lead == len(local):
            continue
        if match[1] and "=" in local[lead:]:  # user=joe@example.com; but a=b@c is kept as it is written in VERP
            lead = local.rindex("=") + 1 if local.rindex("=") + 1 < len(local) else lead
        if match[1] and "/" in local[lead:]:
            lead = local.rindex("/") + 1 if local.rindex("/") + 1 < len(local) else lead
        yield start + lead, end


_PHONE_WORD = _or(
    r"tel(?:ephone|efon|éfono|efono|efoon)?", r"t[ée]l[ée]phone", "tél", "ph", "phone", "mobile", "mobil", "móvil",
    "movil", "cell",
    "cellphone", "handy", "fax", "whatsapp", "landline", "portable", "rufnummer", "durchwahl", "direct dial",
    r"(?:call|ring|text|sms|dial|phone)(?: me| us| him| her| them)?(?: back)?(?: on| at| under)?",
    r"reach(?: me| us| him| her| them)?(?: on| at| by)", "my number", "contact number", "callback",
)  # fmt: skip
_NUMBERED = r"[+(]{0,2}\d(?:[ .()/\-]{0,3}\d){6,16}(?:\s?(?:x|ext\.?)\s?\d{1,6})?"
_AFTER_PHONE = _after(_PHONE_WORD, _NUMBERED)
_SPOKEN = (" is ", " on ", " at ")
_INTERNATIONAL = re2.compile(
    r"(?:\+ ?|\b00[ ]?)[1-9]\d{0,3}[ .\-/]{0,2}(?:\(0?\d{0,4}\)[ .\-]{0,2})?\d{1,12}(?:[ .\-/]{1,2}\d{1,8}){0,6}"
)
_NANP = re2.compile(
    r"(?:\b1[ .\-])?(?:\([2-9]\d{2}\)[ .\-]{0,2}|\b[2-9]\d{2}[ .\-])[2-9]\d{2}[ .\-]\d{4}"
    r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?\b"
)
_NATIONAL = re2.compile(r"(?:\(0[1-9]\d{0,4}\)|\b0[ ]?[1-9]\d{0,4}(?:\(0\))?)(?:[ .\-/]{1,3}\d{2,8}){1,4}\b")
_INDIAN = re2.compile(r"\b[6-9]\d{4}[ \-]\d{5}\b")
_DATE_START = re2.compile(r"\d{1,4}[./\-]\d{1,2}[./\-]\d{2,4}(?:[^\d./\-]|$)")


def _is_phone_apart(text: str, start: int, end: int) -> bool:
    is_row = text[start:end].count(" ") > 0 and _is_in_row(text, start, end)
    is_alone = _is_alone(text, start, end) and not _is_tied(text, start, end)
    return is_alone and not is_row and not _has_technical_label(text, start)


def phones(text: str) -> Iterator[Span]:
    """International, North American and national numbers with separators; any number after "tel", "call me at"."""
    for match in _AFTER_PHONE.finditer(text):
        start, end = match.span(1)
        is_number = 7 <= len(_digits(match[1].partition("x")[0])) <= 16 and not _DATE_START.match(match[1])
        is_short = match[1].isdigit() and len(match[1]) < 9
        if is_short and text[start - 2 : start].strip(" ").isalnum() and text[max(0, start - 4) : start] not in _SPOKEN:
            continue  # cell 1234567 of a table
        if is_number and _is_alone(text, start, end) and match[1].count(".") != 3:
            yield start, end
    for match in _INTERNATIONAL.finditer(text):
        start, end = match.span()
        count = len(_digits(match[0]))
        is_plus = match[0].startswith("+")
        before = text[start - 1 : start]
        if not 8 <= count - 2 * (not is_plus) <= 15 or before.isalnum() or before in ("+", "/", "=", "-", "."):
            continue
        if not is_plus and (match[0].isdigit() or _DATE_START.match(match[0])):
            continue
        if match[0].lstrip("+").isdigit() and _has_technical_label(text, start):
            continue
        if match[0].startswith("+ ") and match[0][2:].isdigit():  # a sum
            continue
        if is_plus and match[0].count("-") == 2 and _DATE_START.match(match[0][1:].lstrip()):
            continue
        after = text[end : end + 1]
        if not (after.isalnum() or after in ("/", "=")) and (is_plus or _is_phone_apart(text, start, end)):
            yield start, end
    for match in _NANP.finditer(text):
        between = [c for c in match[0].partition("x")[0].rstrip() if c in " .-"]
        is_even = "(" in match[0] or len(set(between)) == 1  # 277.764 1035 are two coordinates
        if is_even and _is_phone_apart(text, *match.span()):
            yield match.span()
    for match in _NATIONAL.finditer(text):
        groups = [len(group) for group in "".join(c if c.isdigit() else " " for c in match[0]).split()]
        is_long = 9 <= sum(groups) <= 12 and (max(groups) >= 3 or groups == [2] * 5) and groups != [5, 4]  # ZIP+4
        if is_long and not _DATE_START.match(match[0]) and _is_phone_apart(text, *match.span()):
            yield match.span()
    for match in _INDIAN.finditer(text):
        if _is_phone_apart(text, *match.span()):
            yield match.span()


# --- money

_CARD = re2.compile(r"\b\d(?:[ \-]?\d){12,18}\b|\b\d{4}(?:\.\d{4}){3}\b")
_CARD_WORD = re2.compile(r"(?i)\b(?:card|visa|mastercard|amex|maestro|karte\w*|kreditkarte\w*|tarjeta|carte|pan|cc)\b")


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_issued(digits: str) -> bool:
    """A range that card schemes use, of a length they use."""
    two, four, length = int(digits[:2]), int(digits[:4]), len(digits)
    if digits[0] == "4":
        return length in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if two in (36, 38, 39) or 3000 <= four <= 3059:
        return 14 <= length <= 19
    if two in (50, 56, 57, 58, 62, 63, 64, 65, 67) or four == 6011:
        return length >= 13 if two in (50, 56, 57, 58, 63, 67) else length >= 16
    return 3528 <= four <= 3589 and length >= 16


def cards(text: str) -> Iterator[Span]:
    """Payment cards of 13 to 19 digits: Luhn holds, and a scheme issues them or the word card stands before."""
    for match in _CARD.finditer(text):
        if span := _card(text, *match.span()):
            yield span


def _card(text: str, start: int, end: int) -> Span | None:
    """The longest run of groups that is a card: before and after one may stand other numbers (expiry, CVV)."""
    groups = text[start:end].replace("-", " ").replace(".", " ").split(" ")
    if len(groups) > 9:
        return None
    digits = "".join(groups)
    has_word = _CARD_WORD.search(text[max(0, start - 2 * _LABEL_REACH) : start]) is not None
    at = [0]  # digits before each group; a separator is one character
    for group in groups:
        at.append(at[-1] + len(group))
    lengths = ((at[j] - at[i], i, j) for i in range(len(groups)) for j in range(i + 1, len(groups) + 1))
    for _, i, j in sorted((run for run in lengths if 13 <= run[0] <= 19), key=lambda run: (-run[0], run[1])):
        number = digits[at[i] : at[j]]
        if not (_is_issued(number) or has_word) or not passes_luhn(number):
            continue
        first, last = start + at[i] + i, start + at[j] + j - 1
        sizes = [len(group) for group in groups[i:j]]
        is_printed = len(sizes) == 1 or sizes[:3] == [4, 4, 4] or sizes[:2] == [4, 6]  # as on the card
        is_apart = _is_alone(text, first, last) and not _is_tied(text, first, last)
        if is_apart and (is_printed or not _is_in_row(text, first, last)):
            return first, last
    return None


_IBAN_LENGTH = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU XK",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU", "31": "MT SC", "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN_HEAD = re2.compile(r"(?i)\b([A-Z]{2})\d{2}[ \-]?[A-Z0-9]{2}")
_IBAN_WORD = re2.compile(r"(?i)\biban\W{1,6}(?:is\W|no\W|number\W)?\W{0,4}$")


def passes_mod97(iban: str) -> bool:
    """ISO 13616: country and check digits to the end, letters as 10 to 35, remainder 1."""
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def ibans(text: str) -> Iterator[Span]:
    """Of a country's length and with the right remainder; after the word IBAN also with a wrong one."""
    for match in _IBAN_HEAD.finditer(text):
        length = _IBAN_LENGTH.get(match[1].upper(), 0)
        start = end = match.start()
        kept = ""
        while len(kept) < length and end < len(text) and (text[end].isalnum() or text[end] in " -"):
            if not text[end].isalnum() and not text[end - 1].isalnum():
                break  # two separators in a row
            kept += text[end] if text[end].isalnum() else ""
            end += 1
        if len(kept) != length or not length or not kept.isascii() or text[end : end + 1].isalnum():
            continue
        if passes_mod97(kept) or _IBAN_WORD.search(text[max(0, start - _LABEL_REACH) : start]):
            yield start, end


_ACCOUNT = _after(
    _or(
        r"bank[ \-]?(?:account|acct|konto)", r"(?:account|acct|a/c|acc)\.?[ \t]?(?:no|nr|num|number|#)\b\.?", "a/c",
        "acct",
        r"routing(?: (?:number|no|transit number|nr))?", r"aba(?: number)?", "bsb", r"sort(?:[ \-]?code)?", "konto",
        r"konto(?:nummer|nr\.?|[ \-]nr\.?)", r"bankleitzahl|blz", r"account ending(?: in)?", r"cuenta(?: bancaria)?",
        r"(?:num[ée]ro de )?compte(?: bancaire)?", "checking account", "savings account", "iban account",
    ),
    r"\d(?:[ \-]{0,1}\d){3,17}",
)  # fmt: skip
_AFTER_SORT_CODE = re2.compile(
    r"(?i)\bsort[ \-]?code[ \t:=#]{0,4}\d{2}[ \-]?\d{2}[ \-]?\d{2}[\s,;/|]{1,4}(?:and\s)?(?:account|acct|a/c|acc)?"
    r"(?:[ \t](?:no|number|num|nr)\.?)?[ \t:=#]{0,4}(\d(?:[ \-]?\d){5,13})\b"
)
_CLOUD = re2.compile(r"(?i)\b(?:aws|gcp|azure|amazon|cloud|billing|service|tenant|project|subscription)\b")


def bank_accounts(text: str) -> Iterator[Span]:
    """Account, routing and sort code numbers after their word; not the account numbers of clouds."""
    for match in _ACCOUNT.finditer(text):
        start, end = match.span(1)
        before = text[max(0, match.start() - _LABEL_REACH) : match.start()].rsplit("\n", 1)[-1]
        if match[0][:7].lower() == "routing" and len(_digits(match[1])) != 9:
            continue
        if len(_digits(match[1])) >= 4 and _is_alone(text, start, end) and not _CLOUD.search(before):
            yield start, end
    for match in _AFTER_SORT_CODE.finditer(text):
        yield match.span(1)


# --- identity

_SSN = re2.compile(r"\b(\d{3})-(\d{2})-(\d{4})\b")
_NINO = re2.compile(
    r"\b([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])(?: ?\d{2} ?\d{2} ?\d{2} ?|\d{6}|-\d{2}-\d{2}-\d{2}-)[A-D]\b"
    r"|\b([a-ceghj-pr-tw-z][a-ceghj-npr-tw-z]) \d{2} \d{2} \d{2} [a-d]\b"
)
_NINO_UNUSED = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})
_AFTER_ID_WORD = _after(
    _or(
        "ssn", r"social security", r"s\.s\.n\.?", "sin", "social insurance", "nino", r"n\.?i\.?[ \t](?:no|number)",
        "national insurance", r"national id(?:entity|entification)?(?: card)?", "aadhaar", "aadhar", "pan card",
        "dni", "nie",
        "personnummer", r"steuer(?:liche)?[ \-]?id(?:entifikationsnummer|nr)?", "cpf", "curp", "tax id", "bsn", "pesel",
        r"codice fiscale", r"personalausweis", r"sozialversicherung(?:snummer)?", r"id card",
    ),
    r"[A-Z0-9](?:[ \-./]?[A-Z0-9]){4,19}",
)  # fmt: skip
_AFTER_DOCUMENT_WORD = _after(
    _or(
        r"passport", r"reisepass(?:nummer|nr\.?)?", "pasaporte", "passeport", "passaporto", r"permis de conduire",
        r"führerschein",
        r"driv(?:er|ing)(?:'?s|s'|’s)? ?licen[cs]e", r"driver(?:'?s|s')? lic\.?", r"\bDL\b", "licencia de conducir",
    ),
    r"[A-Z0-9](?:[ \-]?[A-Z0-9]){5,22}",
)  # fmt: skip
_MONTH = (
    r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|ene|abr|ago|dic|fév|avr|juin|juil|aoû|déc)"
    r"[a-zäéû]{0,9}\.?"
)
_DATE = (
    r"(?:\d{1,4}[ ]?[./\- ][ ]?\d{1,2}[ ]?[./\- ][ ]?\d{2,4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|º)?[ \-]?(?:of |de )?[ \-]?{_MONTH}(?:,| de|-)? ?'?\d{{2,4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}}|\d{{8}})"
)
_AFTER_BIRTH_WORD = _after(
    _or(
        r"d\.?o\.?b\.?", r"date[ \-]of[ \-]birth", r"birth[ \-]?(?:date|day)", r"born", r"geboren", r"geb\.?",
        "geburtsdatum",
        r"n[ée]e? le", r"né\(e\) le", r"date de naissance", r"fecha de nacimiento", "nacid[oa](?: el)?",
        "data di nascita",
    ),
    r"\(?" + _DATE,
    number="(?:[ \t]{0,2}\\([a-z/. ]{1,12}\\))?",
)  # fmt: skip


def _cut_to_number(text: str, start: int, end: int) -> int:
    """End of the value without words that follow it: a group without a digit is a word, but for a last letter."""
    kept = end
    value = text[start:end]
    while " " in value:
        last = value.rsplit(" ", 1)[1]
        if any(c.isdigit() for c in last) or (len(last) == 1 and last.isupper()):
            break
        value = value[: -len(last) - 1]
        kept = start + len(value)
    return kept


def _after_word(pattern: re2._Regexp, text: str, digits_min: int) -> Iterator[Span]:
    for match in pattern.finditer(text):
        start, end = match.span(1)
        end = _cut_to_number(text, start, end)
        first = text[start:end].split(" ", 1)[0]
        if len(_digits(text[start:end])) < digits_min or (first.isalpha() and len(first) > 3 and first.islower()):
            continue
        if not text[end : end + 1].isalnum() and not _DATE_START.match(text[start:end]):
            yield start, end


def national_ids(text: str) -> Iterator[Span]:
    """US social security and UK national insurance numbers by their shape and ranges; others after their word."""
    for match in _SSN.finditer(text):
        is_issued = match[1] not in ("000", "666") and match[1] < "900" and match[2] != "00" and match[3] != "0000"
        apart = _is_alone(text, *match.span()) and not _is_tied(text, *match.span())
        if is_issued and apart and not _has_technical_label(text, match.start()):
            yield match.span()
    for match in _NINO.finditer(text):
        prefix = (match[1] or match[2]).upper()
        if prefix not in _NINO_UNUSED and not _is_tied(text, *match.span()):
            yield match.span()
    yield from _after_word(_AFTER_ID_WORD, text, 6)


def documents(text: str) -> Iterator[Span]:
    """Passport and driver's licence numbers after their word."""
    yield from _after_word(_AFTER_DOCUMENT_WORD, text, 4)


def birth_dates(text: str) -> Iterator[Span]:
    """Dates after "born", "DOB" and the like."""
    for match in _AFTER_BIRTH_WORD.finditer(text):
        if _is_alone(text, *match.span(1)):
            yield match.start(1) + match[1].startswith("("), match.end(1)


# --- network addresses, by option

_IPV4 = re2.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_IPV6 = re2.compile(r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,38}(?:\.\d{1,3}){0,3}")
_VERSION_WORD = re2.compile(r"(?i)\b(?:v|ver|version|release|build|firmware)\.?\W{0,2}$")
_MAC = re2.compile(
    r"(?i)\b(?:[0-9a-f]{2}(?:(?::[0-9a-f]{2}){5}|(?:-[0-9a-f]{2}){5})|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2})\b"
)


def ips(text: str) -> Iterator[Span]:
    """IPv4 and IPv6 addresses but loopback and 0.0.0.0, which are nobody's."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            start, end = match.span()
            if match[0].endswith(":") and not match[0].endswith("::"):
                end -= 1
            value = text[start:end]
            if pattern is _IPV6 and value.count(":") < 2:
                continue
            try:
                address = ipaddress.ip_address(value)
            except ValueError:
                continue
            if (
                address.is_loopback
                or address.is_unspecified
                or not _is_alone(text, start, end, "_:"[: 1 + (pattern is _IPV6)])
            ):
                continue
            is_tied = text[start - 1 : start] == "." or (
                text[end : end + 1] == "." and text[end + 1 : end + 2].isdigit()
            )
            if not is_tied and not _VERSION_WORD.search(text[max(0, start - _LABEL_REACH) : start]):
                yield start, end


def macs(text: str) -> Iterator[Span]:
    """Hardware addresses with colons, dashes, or points as Cisco writes them."""
    for match in _MAC.finditer(text):
        start, end = match.span()
        if _is_alone(text, start, end, "_:") and not _is_tied(text, start, end):
            yield start, end
