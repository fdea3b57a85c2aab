import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.tickets.markup import is_html, text_of
from aiops.tickets.text import clean

SAID = "The checkout page answers 502 since the last deploy.\nCan you roll back?"


@pytest.mark.parametrize(
    "history",
    [
        "On Mon, 3 Mar 2025 at 10:12, Joe <joe@example.com> wrote:\n> earlier\n> words",
        "On Mon, 3 Mar 2025 at 10:12,\nJoe Bloggs <joe@example.com> wrote:\nearlier words",
        "-----Original Message-----\nFrom: Joe\nSent: Monday\nearlier words",
        "-------- Forwarded Message --------\nSubject: x\nearlier words",
        "________________________________\nFrom: Joe <j@example.com>\nSent: Monday, 3 March\nTo: Ops\nearlier words",
        "Am 03.03.2025 um 10:12 schrieb Joe Bloggs:\n> earlier words",
        "Von: Joe\nGesendet: Montag, 3. März 2025\nAn: Ops\nBetreff: x\nearlier words",
        "-----Ursprüngliche Nachricht-----\nearlier words",
        "Le lun. 3 mars 2025 à 10:12, Joe a écrit :\n> earlier words",
        "De : Joe\nEnvoyé : lundi 3 mars 2025\nObjet : x\nearlier words",
        "El lun, 3 mar 2025 a las 10:12, Joe escribió:\n> earlier words",
        "De: Joe\nEnviado el: lunes\nPara: Ops\nAsunto: x\nearlier words",
        "> earlier words",
    ],
)
def test_history_is_split_off_and_kept(history: str) -> None:
    cleaned = clean(f"{SAID}\n\n{history}")
    assert cleaned.text == SAID
    assert "earlier" in cleaned.quoted
    assert cleaned.evidence == SAID


def test_answers_between_and_below_quotes_stay() -> None:
    raw = "On 3 Mar 2025 Joe wrote:\n> is it down?\nyes, since ten\n> all of it?\nonly the shop\n"
    assert clean(raw).text == "yes, since ten\nonly the shop"
    assert clean(raw).quoted == "On 3 Mar 2025 Joe wrote:\nis it down?\nall of it?"


@pytest.mark.parametrize("said", ["see below", "FYI", "Please see the mail below and help", "siehe unten", "", "+1"])
def test_a_message_that_says_little_is_judged_with_what_it_quotes(said: str) -> None:
    cleaned = clean(f"{said}\n\n-----Original Message-----\nFrom: Joe\nThe database is down")
    assert cleaned.text == said
    assert "The database is down" in cleaned.evidence


@pytest.mark.parametrize(
    "text",
    [
        "From: the logs I see errors\nnothing else",
        "On 3 March the disk was full and Joe wrote: all fine",
        ">>> import shop\n>>> shop.run()\nfails in the prompt",
        "Thanks for the quick fix.\nNow the export hangs at 90 % and then the page reloads without any message.",
        "-- select the wrong row\nfails",
        "The word confidential is printed on every label.",
    ],
)
def test_what_only_resembles_history_or_a_signature_stays(text: str) -> None:
    assert clean(text).text == text


@pytest.mark.parametrize(
    "end",
    [
        "Kind regards,\nMaria Garcia\nHead of Operations | Acme\n+44 20 7946 0958",
        "-- \nMaria\nAcme Ltd",
        "Sent from my iPhone",
        "Mit freundlichen Grüßen\nMaria Garcia",
        "Cordialement,\nMaria",
        "Saludos\nMaria",
        "Thanks!\nMaria",
        "Best regards\nMaria\n\nGet Outlook for iOS",
        "Regards\nM\n\nThis e-mail is confidential and intended solely for the addressee. If you are not, delete it.",
        "Diese E-Mail enthält vertrauliche Informationen und ist nur für den Empfänger bestimmt.",
    ],
)
def test_signatures_and_disclaimers_are_split_off(end: str) -> None:
    cleaned = clean(f"{SAID}\n\n{end}\n")
    assert cleaned.text == SAID
    assert cleaned.signature


def test_a_banner_above_the_message_goes_too() -> None:
    banner = "CAUTION: This email originated from outside the organization. Do not click links."
    assert clean(f"{banner}\n\n{SAID}").text == SAID


def test_html_is_read_as_a_person_sees_it() -> None:
    raw = (
        "<html><head><title>t</title><style>p {x: y}</style></head><body><p>The <b>VPN</b>&nbsp;is down</p>"
        "<script>alert('x')</script><!-- note --><div>see <a href='https://x.example'>the board</a><br>now</div>"
        "<table><tr><td>host</td><td>web01</td></tr></table>"
        "<div class='gmail_quote'><div>On 3 Mar 2025 Joe wrote:</div>"
        "<blockquote>is it?</blockquote></div></body></html>"
    )
    cleaned = clean(raw)
    assert cleaned.is_html
    assert cleaned.text == "The VPN is down\n\nsee the board\nnow\n\nhost web01"
    assert "is it?" in cleaned.quoted


def test_text_after_a_quoted_part_is_new() -> None:
    raw = "<div>above</div><div class='gmail_quote'><div>old</div>older</div><div>below</div>"
    assert clean(raw).text == "above\n\nbelow"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>x</p>", True),
        ("a<br>b<br>c<br>d", True),
        ("the <div> tag is rendered wrong", False),
        ("Map<String, List<Integer>> is empty", False),
        ("<clinit> failed", False),
        ("a < b and c > d", False),
    ],
)
def test_a_text_about_tags_is_no_html(text: str, expected: bool) -> None:
    assert is_html(text) == expected


def test_what_is_opened_and_never_closed_hides_nothing() -> None:
    assert (
        "words" in text_of("<p>a<!-- words") and "words" in text_of("<p>a<script> words") and "<" in text_of("a &lt; b")
    )


def test_characters_are_normal_and_visible() -> None:
    raw = "\ufeffﬁle \u200b\u202e“x”\u00a0is – \x1b[31mred\x1b[0m\x07\r\n\u2028４１\ud800 \t  end\u00ad."
    assert clean(raw).text == 'file "x" is - red\n\n41 end.'


def test_a_packed_file_is_told() -> None:
    assert clean("PK\x03\x04\x14\x00\x06\x00\x08\x00!\x00\ufffd\ufffd").is_binary
    assert not clean("plain\twords\r\n\x1b[31mred\x1b[0m").is_binary
    assert not clean("").is_binary


def test_what_is_beyond_the_limit_is_not_read_and_that_is_told() -> None:
    assert not clean("a" * 10, chars_max=10).truncated
    cleaned = clean("a" * 11, chars_max=10)
    assert (cleaned.text, cleaned.truncated) == ("a" * 10, True)
    cleaned = clean("a" * 11, raw_chars_max=10)
    assert (cleaned.text, cleaned.truncated) == ("a" * 10, True)
    assert clean("\ufdfa" * 9, raw_chars_max=10).truncated  # one character, eighteen in its usual form


NAGIOS = """***** Nagios *****

Notification Type: PROBLEM

Service: HTTP
Host: web01
State: CRITICAL

Additional Info:

CRITICAL - Socket timeout after 10 seconds"""
CLOUDWATCH = """You are receiving this email because your Amazon CloudWatch Alarm "cpu" has entered the ALARM state.

View this alarm in the AWS Management Console:
https://eu-west-1.console.aws.amazon.com/cloudwatch/x

Alarm Details:
- Name: cpu
- Reason for State Change: Threshold Crossed: 1 datapoint was greater than the threshold (80.0).

State Change Actions:
- OK:
- ALARM: [arn:aws:sns:eu-west-1:1:ops]

--
If you wish to stop receiving notifications from this topic, please click or visit the link below to unsubscribe:
https://sns.eu-west-1.amazonaws.com/unsubscribe.html?x=1"""
ALERTMANAGER = """1 alert for alertname=HighLatency
View In AlertManager
[1] Firing
Labels
alertname = HighLatency
service = checkout
Annotations
summary = p99 above 2 s
Source
Sent by Alertmanager"""


@pytest.mark.parametrize(
    ("raw", "kept", "gone"),
    [
        (NAGIOS, ("Service: HTTP", "State: CRITICAL", "Socket timeout"), "*****"),
        (CLOUDWATCH, ("Name: cpu", "Threshold Crossed"), "unsubscribe"),
        (ALERTMANAGER, ("service = checkout", "p99 above 2 s"), "Sent by Alertmanager"),
    ],
)
def test_alerts_of_machines_keep_what_matters(raw: str, kept: tuple[str, ...], gone: str) -> None:
    cleaned = clean(raw)
    assert cleaned.is_alert
    assert all(words in cleaned.text for words in kept)
    assert gone not in cleaned.text and gone in cleaned.signature


_PIECES = [
    "> ",
    "\n",
    "\n\n",
    "-- ",
    "Regards",
    "<p>",
    "</div>",
    "<!--",
    "On 3 Mar Joe wrote:",
    "From: a\nSent: b",
    "word",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=6), max_size=12).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_cleaned_and_clean_text_has_no_hidden_character(raw: str) -> None:
    cleaned = clean(raw, chars_max=50)
    for part in (cleaned.text, cleaned.quoted, cleaned.signature):
        assert len(part) <= 50 and part == part.strip() and "\u200b" not in part and "\x00" not in part
        assert all(c == "\n" or c.isprintable() or not c.isascii() for c in part)
