"""Personal data planted in tickets as people type it, and technical text that must survive, from one seed.

Written from how people and programs write, not from the patterns that look for it. Every value is drawn at random.
"""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

from aiops.tickets.redaction import Kind

FIRST = [
    "maria",
    "john",
    "aisha",
    "wei",
    "lukas",
    "chloé",
    "jürgen",
    "priya",
    "olu",
    "sven",
    "dmitri",
    "ana",
    "noah",
    "zoë",
    "pat",
    "hélène",
    "tom",
    "rosa",
    "ken",
    "ingrid",
]
LAST = [
    "garcia",
    "smith",
    "khan",
    "chen",
    "müller",
    "dubois",
    "patel",
    "okafor",
    "larsson",
    "ivanov",
    "silva",
    "brown",
    "novak",
    "rossi",
    "tanaka",
    "kelly",
]
HOSTS = [
    "example.com",
    "mail.example.org",
    "acme.co.uk",
    "firma.de",
    "société.fr",
    "corp.acme.io",
    "uni.edu",
    "gov.au",
    "web.tickets.example.net",
]


@dataclass(frozen=True, slots=True)
class Planted:
    """A text with one value in it that must not survive."""

    kind: Kind
    text: str
    start: int
    end: int


def _digits(rng: random.Random, count: int, first: str = string.digits) -> str:
    return rng.choice(first) + "".join(rng.choices(string.digits, k=count - 1))


def _chars(rng: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    while True:  # all three sorts, as a generator of secrets has them in all but very few
        drawn = "".join(rng.choices(alphabet, k=count))
        if any(c.isdigit() for c in drawn) and any(c.isalpha() for c in drawn):
            return drawn


def _luhn(rng: random.Random, prefix: str, length: int) -> str:
    body = prefix + "".join(rng.choices(string.digits, k=length - len(prefix) - 1))
    for check in string.digits:
        digits = [int(c) for c in body + check]
        doubled = [d if i % 2 == length % 2 else 0 for i, d in enumerate(digits)]
        plain = [d if i % 2 != length % 2 else 0 for i, d in enumerate(digits)]
        if (sum(sum(divmod(2 * d, 10)) for d in doubled) + sum(plain)) % 10 == 0:
            return body + check
    raise AssertionError("one of ten check digits holds")


def _iban(rng: random.Random, country: str, bban: str) -> str:
    numeric = "".join(str(string.digits.index(c)) if c.isdigit() else str(ord(c) - 55) for c in bban + country + "00")
    return f"{country}{98 - int(numeric) % 97:02d}{bban}"


def _grouped(text: str, sizes: tuple[int, ...], separator: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return separator.join(part for part in (*parts, text[at:]) if part)


def email(rng: random.Random) -> tuple[str, str]:
    first, last, host = rng.choice(FIRST), rng.choice(LAST), rng.choice(HOSTS)
    local = rng.choice(
        [
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}_{last}{rng.randint(1, 99)}",
            f"{last}-{first}",
            first,
            f"{first}.{last}+tickets",
            f"{first}.{last[0]}.{rng.randint(1950, 2005)}",
            f"{first.upper()}.{last.upper()}",
        ]
    )
    ascii_local = local.encode("ascii", "ignore").decode()
    value = rng.choice([f"{local}@{host}"] * 6 + [f"{ascii_local} [at] acme.com", f"{ascii_local}(at)example(dot)com"])
    frame = rng.choice(
        [
            "please reply to {} asap",
            "From: {}\nI cannot log in",
            "User <{}> is locked out",
            "cc {}, thanks",
            "{}",
            "mailto:{}",
            "(contact: {})",
            "login={} failed",
            "mail to {}.",
            '"{}" bounced',
            "ask {}; she knows",
            "E-Mail:{}",
        ]
    )
    return frame, value


def phone(rng: random.Random) -> tuple[str, str]:
    area, mid, line = _digits(rng, 3, "23456789"), _digits(rng, 3, "23456789"), _digits(rng, 4)
    apart = [
        f"({area}) {mid}-{line}",
        f"{area}-{mid}-{line}",
        f"{area}.{mid}.{line}",
        f"+1 {area} {mid} {line}",
        f"1-{area}-{mid}-{line}",
        f"+1{area}{mid}{line}",
        f"{area}-{mid}-{line} x{rng.randint(10, 9999)}",
        f"+1 ({area}) {mid}-{line}",
        f"020 7{_digits(rng, 3)} {_digits(rng, 4)}",
        f"07{_digits(rng, 3)} {_digits(rng, 6)}",
        f"+44 7{_digits(rng, 3)} {_digits(rng, 6)}",
        f"+44 (0)20 7{_digits(rng, 3)} {_digits(rng, 4)}",
        f"0044 20 7{_digits(rng, 3)} {_digits(rng, 4)}",
        f"030 {_digits(rng, 7, '123456789')}",
        f"0171/{_digits(rng, 7)}",
        f"+49 30 {_digits(rng, 4)} {_digits(rng, 3)}",
        f"+49-89-{_digits(rng, 6)}",
        f"089 / {_digits(rng, 6, '23456789')}-{_digits(rng, 2)}",
        f"06 {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)}",
        f"+33 6 {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)}",
        f"01.{_digits(rng, 2)}.{_digits(rng, 2)}.{_digits(rng, 2)}.{_digits(rng, 2)}",
        f"+34 6{_digits(rng, 2)} {_digits(rng, 3)} {_digits(rng, 3)}",
        f"+91 {_digits(rng, 5, '6789')} {_digits(rng, 5)}",
        f"{_digits(rng, 5, '6789')} {_digits(rng, 5)}",
        f"0412 {_digits(rng, 3)} {_digits(rng, 3)}",
        f"+61 2 9{_digits(rng, 3)} {_digits(rng, 4)}",
    ]
    if rng.random() < 0.75:
        frames = [
            "my number: {}",
            "call me back at {} please",
            "{}",
            "Tel. {}",
            "I am at {} until 5",
            "reach me on {}.",
            "Phone - {}",
            "mobile {}, desk is broken",
            "ring {} or mail",
            "T: {}",
            "Maria ({})",
            "thanks\nMaria\n{}",
        ]
        return rng.choice(frames), rng.choice(apart)
    bare = rng.choice(
        [f"{area}{mid}{line}", f"07{_digits(rng, 9)}", f"0{_digits(rng, 10, '123456789')}", f"6{_digits(rng, 8)}"]
    )
    frames = [
        "call me at {}",
        "phone: {}",
        "mobile number is {}",
        "Tel: {}",
        "my cell is {}",
        "Telefon {}",
        "fax no. {}",
        "WhatsApp {}",
    ]
    return rng.choice(frames), bare


def card(rng: random.Random) -> tuple[str, str]:
    prefix, length = rng.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("37", 15),
            ("34", 15),
            ("6011", 16),
            ("36", 14),
            ("3530", 16),
            ("65", 16),
            ("4", 13),
            ("4", 19),
            ("62", 16),
        ]
    )
    number = _luhn(rng, prefix, length)
    sizes = (4, 6, 5) if length == 15 else (4, 6, 4) if length == 14 else (4, 4, 4, 4)
    value = rng.choice([number, _grouped(number, sizes, " "), _grouped(number, sizes, "-"), number])
    frames = [
        "card {} was declined",
        "Card number: {}",
        "paid with {} twice",
        "{}",
        "VISA {}, exp 04/27",
        "cc={}",
        "charge to {}.",
        "my credit card\n{}\nis blocked",
        "'{}'",
        "card no {} cvv 123",
    ]
    return rng.choice(frames), value


def iban(rng: random.Random) -> tuple[str, str]:
    bank = "".join(rng.choices(string.ascii_uppercase, k=4))
    country, bban = rng.choice(
        [
            ("DE", _digits(rng, 18)),
            ("GB", bank + _digits(rng, 14)),
            ("FR", _digits(rng, 23)),
            ("NL", bank + _digits(rng, 10)),
            ("ES", _digits(rng, 20)),
            ("AT", _digits(rng, 16)),
            ("CH", _digits(rng, 17)),
            ("BE", _digits(rng, 12)),
            ("IE", bank + _digits(rng, 14)),
            ("PL", _digits(rng, 24)),
            ("NO", _digits(rng, 11)),
        ]
    )
    number = _iban(rng, country, bban)
    value = rng.choice([number, _grouped(number, (4,) * 8, " "), _grouped(number, (4,) * 8, "-"), number.lower()])
    frames = [
        "refund to {} please",
        "IBAN: {}",
        "IBAN {}\nBIC: ABCDEFGH",
        "{}",
        "account={};",
        "my iban is {}, thanks",
        "Konto {} und",
    ]
    return rng.choice(frames), value


def address(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.6:
        first = rng.choice([10, 172, 192, 203, 8, 85])
        value = f"{first}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
    else:
        full = [f"{rng.randint(1, 0xFFFF):x}" for _ in range(8)]
        value = rng.choice(
            [
                ":".join(["2001", "db8", *full[:6]]),
                f"2001:db8::{full[0]}",
                f"fe80::{full[0]}:{full[1]}:{full[2]}:{full[3]}",
            ]
        )
    frames = [
        "from {} port",
        "client={} denied",
        "ssh to {}",
        "{}",
        "host ({}) down",
        "ip: {}, gateway ok",
        "remote {} closed",
    ]
    if ":" not in value:
        frames += ["http://{}:8080/login", "{}/24 is full", "{}:443 refused"]
    return rng.choice(frames), value


def _password_value(rng: random.Random) -> str:
    word = rng.choice(
        ["summer", "winter", "dragon", "monkey", "welcome", "football", "berlin", "october", "banana", "shadow"]
    )
    return rng.choice(
        [
            word.capitalize() + str(rng.randint(1, 2026)),
            word.capitalize() + rng.choice("!?#$") + str(rng.randint(10, 99)),
            _chars(rng, rng.randint(8, 16)),
            word + str(rng.randint(100, 9999)) + "!",
            f"{word}-{rng.choice(FIRST[:5])}-{rng.randint(10, 99)}",
            _chars(rng, 12, string.ascii_letters + string.digits + "!#$%&*+?@^_"),
            word.capitalize() + "@" + str(rng.randint(1900, 2026)),
        ]
    )


def password(rng: random.Random) -> tuple[str, str]:
    frames = [
        "password: {}",
        "Password = {}",
        "my password is {}",
        "pwd: {}",
        "pwd is {}",
        "passwort: {}",
        "Mein Passwort ist {}",
        "Passwort lautet {}",
        "user bob / password {}",
        "the password for vpn is {} and",
        "--password={} --host db",
        "DB_PASSWORD={}",
        'login with "password": "{}",',
        "postgres://app:{}@db.internal:5432/orders",
        "https://ci:{}@git.example.com/r.git",
        "Server=sql1;User Id=sa;Password={};",
        "pass: {}",
        "pw: {}",
        "temporary password was {}",
        "Contraseña: {}",
        "mot de passe : {}",
        "Passphrase: {}",
        "spring.datasource.password={}",
        "password changed to {}",
        "username: bob\npassword:\n{}",
        "<password>{}</password>",
        "password -> {}",
        "I typed my password ({}) wrong",
        "curl -u admin:{} https://x",
        "passcode: {}",
    ]
    frame, value = rng.choice(frames), _password_value(rng)
    return frame, value.replace("@", "4").replace("/", "5") if "://" in frame else value.replace("&", "8").replace(
        "<", "1"
    )


def token(rng: random.Random) -> tuple[str, str]:
    upper = string.ascii_uppercase + string.digits
    base64 = string.ascii_letters + string.digits + "-_"
    hexits = "0123456789abcdef"
    jwt = f"eyJhbGciOiJIUzI1NiJ9.eyJ{_chars(rng, 40, base64)}.{_chars(rng, 43, base64)}"
    known = [
        jwt,
        "AKIA" + _chars(rng, 16, upper),
        "ghp_" + _chars(rng, 36),
        "github_pat_" + _chars(rng, 22) + "_" + _chars(rng, 59),
        "xoxb-" + _digits(rng, 12) + "-" + _digits(rng, 12) + "-" + _chars(rng, 24),
        "xoxp-" + _digits(rng, 11) + "-" + _chars(rng, 24),
        "glpat-" + _chars(rng, 20, base64),
        "AIza" + _chars(rng, 35, base64),
        "sk_" + "live_" + _chars(rng, 24),
        "npm_" + _chars(rng, 36),
        "SG." + _chars(rng, 22, base64) + "." + _chars(rng, 43, base64),
        "ASIA" + _chars(rng, 16, upper),
    ]
    if rng.random() < 0.5:
        frames = [
            "leaked {} in the log",
            "{}",
            "curl -H 'PRIVATE-TOKEN: {}'",
            "key {} does not work",
            "token={}",
            "export T={}",
            "`{}`",
        ]
        return rng.choice(frames), rng.choice(known)
    value = rng.choice(
        [_chars(rng, 32, hexits), _chars(rng, 40, hexits), _chars(rng, 40), _chars(rng, 32, base64).strip("-_") + "Zz9"]
    )
    frames = [
        "Authorization: Bearer {}",
        "authorization: Token {}",
        "api_key={}",
        "API key: {}",
        "my api key is {}",
        "secret: {}",
        "client_secret={}&grant",
        "AWS_SECRET_ACCESS_KEY={}",
        '"access_token": "{}"',
        "X-Api-Key: {}",
        "auth token: {}",
        "token is {}",
        "?token={}",
        "refresh_token = {}",
        "Bearer {}",
        "session id: {}",
        "apikey '{}'",
        "signing key: {}",
        "webhook secret {}",
    ]
    return rng.choice(frames), value


def private_key(rng: random.Random) -> tuple[str, str]:
    name = rng.choice(
        [
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "EC PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "DSA PRIVATE KEY",
        ]
    )
    lines = [_chars(rng, 64, string.ascii_letters + string.digits + "+/") for _ in range(rng.randint(3, 20))]
    newline = rng.choice(["\n", "\n", "\r\n", "\\n", "\n> "])
    value = newline.join([f"-----BEGIN {name}-----", *lines, _chars(rng, 30) + "==", f"-----END {name}-----"])
    return rng.choice(["here is the key:\n{}\nthanks", "{}", 'key: "{}"', "tls.key: |\n{}\n"]), value


def national_id(rng: random.Random) -> tuple[str, str]:
    area = f"{rng.choice([*range(1, 666), *range(667, 900)]):03d}"
    ssn = (area, f"{rng.randint(1, 99):02d}", f"{rng.randint(1, 9999):04d}")
    first, second = rng.choice("ABCEHJLMPRSTWY"), rng.choice("ABCEHJLMPRSTWXY")
    nino = (first + second, _digits(rng, 2), _digits(rng, 2), _digits(rng, 2), rng.choice("ABCD"))
    choice = rng.randrange(6)
    if choice < 2:
        return rng.choice(
            ["SSN {}", "ssn: {}", "my social is {}", "{}", "employee {} cannot log in", "social security number {}."]
        ), "-".join(ssn)
    if choice == 2:
        return rng.choice(
            ["SSN: {}", "my SSN is {}", "Social Security Number: {}", "social security no. {}"]
        ), rng.choice(["", " "]).join(ssn)
    value = rng.choice(["".join(nino), " ".join(nino)])
    return rng.choice(
        ["NI number {}", "NINO: {}", "{}", "national insurance number is {}", "my NI no: {}", "payroll shows {} twice"]
    ), value


def document(rng: random.Random) -> tuple[str, str]:
    upper = string.ascii_uppercase
    passport = rng.choice(
        [
            _digits(rng, 9),
            rng.choice(upper) + _digits(rng, 8),
            "C01X" + _digits(rng, 5),
            rng.choice(upper) * 2 + _digits(rng, 7),
        ]
    )
    licence = rng.choice(
        [
            rng.choice(upper) + _digits(rng, 7),
            f"MORGA{_digits(rng, 6)}SM9IJ",
            f"{_digits(rng, 3)} {_digits(rng, 3)} {_digits(rng, 3)}",
            f"{rng.choice(upper)}{_digits(rng, 3)}-{_digits(rng, 3)}-{_digits(rng, 2)}-{_digits(rng, 3)}-0",
            _digits(rng, 8),
        ]
    )
    if rng.random() < 0.5:
        frames = [
            "passport number {}",
            "Passport: {}",
            "my passport no is {}",
            "passport no. {} expired",
            "Reisepass {}",
            "pasaporte {}",
            "US passport {}",
            "Passport # {}",
        ]
        return rng.choice(frames), passport
    frames = [
        "driver's license {}",
        "drivers licence: {}",
        "driving licence number {}",
        "Driver License #{}",
        "driver's licence no. {}",
        "DL: {}",
        "Führerschein: {}",
    ]
    return rng.choice(frames), licence


def birth_date(rng: random.Random) -> tuple[str, str]:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1930, 2008)
    name = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ][month - 1]
    value = rng.choice(
        [
            f"{day:02d}/{month:02d}/{year}",
            f"{month}/{day}/{year}",
            f"{year}-{month:02d}-{day:02d}",
            f"{day:02d}.{month:02d}.{year}",
            f"{day}.{month}.{year % 100:02d}",
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{day:02d}-{name[:3]}-{year}",
            f"{day}th of {name} {year}",
            f"{day:02d} {month:02d} {year}",
            f"{name[:3]} {day} {year}",
            f"{day:02d}/{month:02d}/{year % 100:02d}",
            f"{year}/{month:02d}/{day:02d}",
        ]
    )
    frames = [
        "DOB {}",
        "dob: {}",
        "born {}",
        "born on {}",
        "Date of birth: {}",
        "date of birth is {}",
        "birthday: {}",
        "D.O.B. {}",
        "geboren am {}",
        "Geburtsdatum: {}",
        "née le {}",
        "her birth date ({})",
        "DoB - {}",
        "Date of Birth (dd/mm/yyyy): {}",
        "my dob is {}.",
    ]
    return rng.choice(frames), value


def bank_account(rng: random.Random) -> tuple[str, str]:
    sort = rng.choice(["-", "", " "]).join(_digits(rng, 2) for _ in range(3))
    choice = rng.randrange(4)
    if choice == 0:
        return rng.choice(["sort code {}", "Sort Code: {}", "sort-code is {}", "sortcode {}, acc below"]), sort
    if choice == 1:
        return rng.choice(["routing number {}", "ABA: {}", "routing no. {}", "Routing #{}"]), _digits(rng, 9, "0123")
    number = rng.choice([_digits(rng, 8), _digits(rng, 10), _digits(rng, 12), f"{_digits(rng, 4)} {_digits(rng, 4)}"])
    frames = [
        "account number {}",
        "Account no: {}",
        "bank account {}",
        "acct {}",
        "my bank account is {}",
        "a/c {}",
        "Kontonummer {}",
        "Konto: {}",
        "sort code 12-34-56 account {}",
        "Account number: {} (savings)",
        "acct # {}",
    ]
    return rng.choice(frames), number


PLANTERS: dict[Kind, Callable[[random.Random], tuple[str, str]]] = {
    Kind.EMAIL: email,
    Kind.PHONE: phone,
    Kind.CARD: card,
    Kind.IBAN: iban,
    Kind.IP: address,
    Kind.PASSWORD: password,
    Kind.TOKEN: token,
    Kind.PRIVATE_KEY: private_key,
    Kind.NATIONAL_ID: national_id,
    Kind.DOCUMENT: document,
    Kind.BIRTH_DATE: birth_date,
    Kind.BANK_ACCOUNT: bank_account,
}

LEADS = [
    "",
    "",
    "Hi team,\n",
    "Since this morning nothing works. ",
    "Ticket INC0012345: ",
    "Hello - urgent!! ",
    "2024-03-01 10:22 - ",
]
TAILS = [
    "",
    "",
    "\nThanks",
    " Please fix soon.",
    "\n\nBest regards\nMaria",
    " - error 500 again",
    ". We run 14.2.1 on node-17.",
]


def planted(count_per_kind: int, seed: int) -> list[Planted]:
    """`count_per_kind` tickets of each of the twelve kinds, one value in each."""
    rng = random.Random(seed)
    items = []
    for kind, plant in PLANTERS.items():
        for _ in range(count_per_kind):
            frame, value = plant(rng)
            before, after = frame.split("{}")
            start = len(lead := rng.choice(LEADS)) + len(before)
            items.append(Planted(kind, lead + before + value + after + rng.choice(TAILS), start, start + len(value)))
    return items


def technical(count: int, seed: int) -> list[str]:
    """Lines of an operator, each with one technical token of 60 or so kinds; nothing in them is personal."""
    rng = random.Random(seed)
    hexits = "0123456789abcdef"

    def h(n: int) -> str:
        return "".join(rng.choices(hexits, k=n))

    def n(low: int, high: int) -> int:
        return rng.randint(low, high)

    makers: list[Callable[[], str]] = [
        lambda: f"upgraded to {n(0, 30)}.{n(0, 99)}.{n(0, 9999)}",
        lambda: f"version {n(1, 20)}.{n(0, 9)}.{n(0, 99)}-rc{n(1, 9)}+build.{n(1, 9999)}",
        lambda: f"Windows 10.0.{n(10000, 26000)}.{n(1, 9999)}",
        lambda: f"firmware v{n(1, 9)}.{n(0, 9)}.{n(0, 9)}.{n(0, 9)}",
        lambda: f"commit {h(40)}",
        lambda: f"fixed in {h(7)}",
        lambda: f"see {h(9)}",
        lambda: f"md5 {h(32)}",
        lambda: f"sha256:{h(64)}",
        lambda: f"id {h(8)}-{h(4)}-{h(4)}-{h(4)}-{h(12)}",
        lambda: f"request-id: {h(8)}-{h(4)}-4{h(3)}-a{h(3)}-{h(12)}",
        lambda: f"trace_id={h(32)} span_id={h(16)}",
        lambda: f"trace {n(10**17, 10**19)}",
        lambda: f"2024-{n(1, 12):02d}-{n(1, 28):02d}",
        lambda: f"2024-{n(1, 12):02d}-{n(1, 28):02d}T{n(0, 23):02d}:{n(0, 59):02d}:00.{n(0, 999):03d}Z",
        lambda: f"2024-{n(1, 12):02d}-{n(1, 28):02d} {n(0, 23):02d}:{n(0, 59):02d}:07,{n(0, 999):03d}+02:00 ERROR",
        lambda: f"{n(1, 28):02d}.{n(1, 12):02d}.2024 {n(0, 23):02d}:{n(0, 59):02d} Uhr",
        lambda: f"{n(1, 12):02d}/{n(1, 28):02d}/2024 down",
        lambda: f"INC{n(0, 9999999):07d}",
        lambda: f"ticket OPS-{n(1, 99999)}",
        lambda: f"CHG{n(0, 9999999):07d} approved",
        lambda: f"bug #{n(1, 99999)}",
        lambda: f"port {n(1, 65535)} refused",
        lambda: f"localhost:{n(1024, 65535)}",
        lambda: f"at 0x{h(16)}",
        lambda: f"0x{h(8)} in libc.so.6",
        lambda: f"costs ${n(1, 9999):,}.{n(0, 99):02d}",
        lambda: f"{n(1, 999)}.{n(100, 999)},{n(0, 99):02d} EUR",
        lambda: f"order {n(10**9, 10**10 - 1)}",
        lambda: f"order number 1{n(10, 99)}-{n(10**6, 10**7 - 1)}-{n(10**6, 10**7 - 1)}",
        lambda: f"invoice {n(10**7, 10**8)}",
        lambda: f"ORA-{n(0, 99999):05d}",
        lambda: f"error 0x8007{h(4)}",
        lambda: f"HTTP {n(400, 599)} on /api/v{n(1, 3)}/users/{n(1, 10**9)}",
        lambda: f"SQLSTATE {n(10000, 99999)}",
        lambda: f"KB{n(10**6, 10**7 - 1)} installed",
        lambda: f"CVE-20{n(10, 26)}-{n(1000, 99999)}",
        lambda: f"  at com.acme.Orders.place(Orders.java:{n(1, 999)})",
        lambda: f'File "/srv/app/main.py", line {n(1, 999)}, in <module>',
        lambda: f"java.lang.Object@{h(8)}",
        lambda: f"goroutine {n(1, 9999)} [running]: main.go:{n(1, 999)} +0x{h(3)}",
        lambda: f"pid {n(1, 4194304)} used {n(1, 10**10)} bytes",
        lambda: f"took {n(1, 99)}.{n(10**14, 10**15 - 1)} s",
        lambda: f"value 0.{n(10**15, 10**16 - 1)}",
        lambda: f"epoch {n(1_600_000_000, 1_800_000_000)}",
        lambda: f"ts={n(1_600_000_000_000, 1_800_000_000_000)}",
        lambda: f"time_ns {n(16 * 10**17, 18 * 10**17)}",
        lambda: f"pod checkout-{h(9)}-x{h(4)} restarted",
        lambda: f"i-0{h(16)} terminated",
        lambda: f"ami-{h(17)}",
        lambda: f"vol-{h(17)} full",
        lambda: f"arn:aws:iam::{n(10**11, 10**12 - 1)}:role/deploy",
        lambda: f"AWS account {n(10**11, 10**12 - 1)}",
        lambda: f"disk {n(1, 99)}.{n(0, 9)}% of {n(1, 999)} GiB",
        lambda: f"git@github.com:acme/repo{n(1, 99)}.git",
        lambda: f"icon@{n(2, 3)}x.png missing",
        lambda: f"npm i lodash@{n(1, 9)}.{n(0, 99)}.{n(0, 99)}",
        lambda: f"getty@tty{n(1, 9)}.service failed",
        lambda: f"S/N {h(4).upper()}{n(1000, 9999)}{h(4).upper()}",
        lambda: f"part 0{n(10, 99)}-{n(1000, 9999)}-{n(10, 99)}",
        lambda: f"password expired {n(1, 90)} days ago",
        lambda: "Password: incorrect",
        lambda: "password is not accepted",
        lambda: "password reset link broken",
        lambda: "invalid token: unexpected end of input",
        lambda: "token expired",
        lambda: f"Unexpected token '<' at position {n(1, 999)}",
        lambda: "the bearer authentication fails",
        lambda: f"cache key: orders_{n(1, 9999)}_items",
        lambda: f"primary key: {h(8)}-{h(4)}-4{h(3)}-8{h(3)}-{h(12)}",
        lambda: "secret: my-app-tls-secret",
        lambda: f"passport.js {n(0, 3)}.{n(0, 9)}.{n(0, 9)} login strategy",
        lambda: f"called {n(1, 999)} times",
        lambda: f"phone app {n(1, 20)}.{n(0, 9)}.{n(0, 9)} crashes",
        lambda: f"account {rng.choice(LAST)} locked",
        lambda: f"process born at {n(0, 23):02d}:{n(0, 59):02d}",
        lambda: f"{n(100, 999)} {n(100, 999)} {n(1000, 9999)} {n(10, 99)} rows",
        lambda: f"eth0 RX {n(10**8, 10**10)} TX {n(10**8, 10**10)}",
        lambda: f"UTC{rng.choice('+-')}0{n(1, 9)}:00",
        lambda: f"batch {n(10**15, 10**16 - 1)}",
        lambda: f"{n(0, 9)} {n(10, 99)} {n(100, 999)} {n(10, 99)} load",
        lambda: "std::vector<int>::at",
        lambda: f"{n(10, 23)}:{n(10, 59)}:{n(10, 59)} up {n(1, 999)} days",
        lambda: f"GPIO pin: {n(1, 40)}",
        lambda: f"isbn 978-{n(0, 9)}-{n(10, 99)}-{n(100000, 999999)}-{n(0, 9)}",
        lambda: f"EAN {n(10**12, 10**13 - 1)}",
        lambda: f"tests pass: {n(1, 999)}, fail: {n(0, 9)}",
        lambda: f"uid={n(1000, 9999)} gid={n(1000, 9999)}",
        lambda: f"MTU {n(576, 9000)} on bond{n(0, 3)}.{n(1, 4094)}",
        lambda: f"lat={n(10, 59)}.{n(10**5, 10**6)} lon={n(10, 99)}.{n(10**5, 10**6)}",
        lambda: f"sector {n(10**8, 10**10)}",
        lambda: f"00 {n(10, 99)} 0{n(1, 9)} {n(10, 99)} ff {n(10, 99)}",
    ]
    lines = []
    for number in range(count):
        lead = rng.choice(["", "", "Error: ", "we saw ", "[web-1] ", "log says "])
        lines.append(
            lead + makers[number % len(makers)]() + rng.choice(["", "", " since today", ".", ", please check"])
        )
    return lines
