import string
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.errors import SealError, SettingsError
from aiops.tickets.personal_data import passes_luhn, passes_mod97
from aiops.tickets.redaction import Kind, redact, redact_all, restore, seal, unseal
from tests.tickets.planted import PLANTERS, Planted, planted
from tests.tickets.redaction_figures import figures, is_found
from tests.tickets.typed import TYPED

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


def after(text: str) -> str:
    return redact(text).text


def test_planted_personal_data_is_found_and_technical_text_survives() -> None:
    told = figures(seed=3)
    assert told.recall >= 0.98, told.missed[:5]
    assert all(told.found[kind] >= 0.95 * count for kind, count in told.planted.items())
    assert told.false_share <= 0.005, told.changed[:5]
    assert len(told.planted) == 12 and told.planted.total() >= 2000 and told.lines >= 2000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail joe@example.com or joe [at] example [dot] com", "mail [email 1] or [email 2]"),
        ("4111 1111 1111 1111 12/26 123", "[card 1] 12/26 123"),
        ("GB82 WEST 1234 5698 7654 32 DE89370400440532013000", "[iban 1] [iban 2]"),
        ("postgres://app:s3cr3t@db:5432/x", "postgres://app:[password 1]@db:5432/x"),
        ('the wifi password is "correct horse battery"', 'the wifi password is "[password 1]"'),
        ("mysql -u root -pS3cretPw db", "mysql -u root -p[password 1] db"),
        ("login: jdoe / Pa$$w0rd", "login: jdoe / [password 1]"),
        ("password was reset to Winter2024!", "password was reset to [password 1]"),
        ("password: $ecret99 pw: (Abc123!", "password: [password 1] pw: [password 2]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [token 1]"),
        ("AccountName=a;AccountKey=abCD12efGH34ijKL56mnOP78==;", "AccountName=a;AccountKey=[token 1];"),
        ("SSN 078-05-1120, passport no: X1234567", "SSN [national id 1], passport no: [document 1]"),
        ("her birth date (3rd March 1985)", "her birth date ([date of birth 1])"),
        ("sort code 12-34-56 account 12345678", "sort code [bank account 1] account [bank account 2]"),
        ("call me on 07700900123 or 415-555-2671 x12", "call me on [phone 1] or [phone 2]"),
        ("Tel.: +49 (0) 89 1234567-12", "Tel.: [phone 1]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n(cut)", "[private key 1]\n(cut)"),
    ],
)
def test_what_is_personal_goes(text: str, expected: str) -> None:
    assert after(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "password is wrong even though I type it right",
        "FATAL: password authentication failed for user app",
        "Password: required field missing",
        "password for user postgres: authentication failed",
        "PASS: test_foo (0.01s)",
        "cd /srv; echo $PWD; PWD=/srv/app",
        "token is invalid or expired",
        "Invalid CSRF token found for http://localhost:8080/login",
        "key 'user_id' not found in table orders_2024_archive",
        "ssh key fingerprint SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8",
        "app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "npm ERR! peer react@16.8.0 from @mui/core@5.0.0-alpha.44",
        "git@github.com:acme/shop.git",
        "icon@2x.png",
        "user@1000.service: Failed",
        "order 4155552671",
        "cell 1234567 overflow",
        "Tel Aviv site down since 2024-01-02",
        "AWS account 123456789012",
        "offset +12345678 bytes",
        "part no 555-123-4567",
        "000-12-3456 and 666-12-3456 and 900-12-3456",
        "passport-local 1.0.0 throws",
        "10 20 30 40 50 60 70 80 90 100",
        "4111111111111112 fails Luhn",
        "GB00WEST12345698765432 fails mod 97",
        "12/12/2024 10:12:13 555 user timed out",
        "rax: 0000000000000000 rbx: 00007ffd12345678",
        "lat 52.5200066, 13.4049540",
        'points="1040,277.764 1035,267.764"',
        "h = h * 69069 + 907133923",
        "Boston, MA 02110-1301, USA",
        "pw = pw[:-1]",
        "PASSWORD=$DB_PASSWORD password: ${DB_PASSWORD} password=%s password: {password} password: <redacted>",
        "password: ********",
    ],
)
def test_what_operators_say_stays(text: str) -> None:
    assert after(text) == text


@pytest.mark.parametrize("line", TYPED.strip().split("\n"))
def test_odd_spellings_are_found(line: str) -> None:
    text, value = line.rsplit("|", 1)
    start = text.index(value)
    assert is_found(Planted(Kind.EMAIL, text, start, start + len(value))), after(text)


def test_the_same_value_has_the_same_number_however_it_is_spelled() -> None:
    text = "Joe@Example.com wrote joe@example.com; card 4111 1111 1111 1111 = 4111111111111111; bob@example.com"
    assert after(text) == "[email 1] wrote [email 1]; card [card 1] = [card 1]; [email 2]"


def test_passwords_differ_by_case() -> None:
    assert after("password: Hunter2 password: hunter2") == "password: [password 1] password: [password 2]"


def test_numbers_hold_through_all_texts_of_a_ticket() -> None:
    title, body = redact_all(("joe@example.com locked out", "bob@example.com says joe@example.com is out"))
    assert (title.text, body.text) == ("[email 1] locked out", "[email 2] says [email 1] is out")


def test_a_label_that_is_there_already_is_not_given_again() -> None:
    assert after("[email 3] wrote to joe@example.com") == "[email 3] wrote to [email 4]"


def test_addresses_of_machines_go_by_option_only() -> None:
    text = "10.1.2.3 fe80::1ff:fe23:4567:890a 00:1A:2B:3C:4D:5E 127.0.0.1 v1.2.3.4 12:30:45 std::vector"
    assert redact(text).text == text
    assert redact(text, ips=True).text == "[ip 1] [ip 2] [mac 1] 127.0.0.1 v1.2.3.4 12:30:45 std::vector"


def test_places_are_slices_of_the_original() -> None:
    text = "ä😀 joe@example.com, password: Hunter2!"
    assert [(place.kind, text[place.start : place.end]) for place in redact(text).found] == [
        (Kind.EMAIL, "joe@example.com"),
        (Kind.PASSWORD, "Hunter2!"),
    ]


def test_half_a_character_does_not_stop_redaction() -> None:
    assert after("\ud83d joe@example.com") == "\ufffd [email 1]"


@pytest.mark.parametrize("item", planted(3, seed=9), ids=lambda item: item.kind.replace(" ", "_"))
def test_what_is_redacted_stays_as_it_is(item: object) -> None:
    once = redact(item.text, ips=True).text  # type: ignore[attr-defined]
    assert redact(once, ips=True).text == once


_PIECES = [one.text for one in planted(2, seed=4)] + [
    "\n",
    " ",
    ":",
    "password is ",
    "1",
    "-----BEGIN PRIVATE KEY-----",
    "é",
    "[email 1]",
]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=8), max_size=8).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_is_redacted_in_order_and_comes_back_with_the_key(text: str) -> None:
    one = redact(text, ips=True)
    assert all(a.end <= b.start for a, b in pairwise(one.found))
    assert one.text.count("[") >= len(one.found)
    values = {place.label: text[place.start : place.end] for place in one.found}
    kept = [
        text[a:b]
        for a, b in pairwise((0, *(edge for place in one.found for edge in (place.start, place.end)), len(text)))
    ][::2]
    assert one.text == "".join(
        piece + label for piece, label in zip(kept, [*(place.label for place in one.found), ""], strict=True)
    )
    assert len(values) == len({place.label for place in one.found})


def test_sealed_values_come_back_with_their_key_only() -> None:
    texts = ("joe@example.com", "password: Hunter2!")
    redacted = redact_all(texts)
    sealed = seal(texts, redacted, KEY)
    assert sealed and "joe" not in sealed.token
    values = unseal(sealed, KEY)
    assert values == {"[email 1]": "joe@example.com", "[password 1]": "Hunter2!"}
    assert restore(redacted[1].text, values) == texts[1]
    assert restore("[email 7]", values) == "[email 7]"
    with pytest.raises(SealError):
        unseal(sealed, OTHER_KEY)


def test_nothing_found_is_nothing_sealed() -> None:
    assert seal(("all fine",), redact_all(("all fine",)), KEY) is None


def test_a_key_of_the_wrong_length_is_refused_with_the_way_to_make_one() -> None:
    with pytest.raises(SettingsError, match="openssl rand -base64 32"):
        seal(("joe@example.com",), redact_all(("joe@example.com",)), "too short")


def test_a_key_may_be_standard_or_url_safe_base64() -> None:
    texts, standard = ("joe@example.com",), "+/" * 21 + "8="
    sealed = seal(texts, redact_all(texts), standard)
    assert sealed and unseal(sealed, standard.replace("+", "-").replace("/", "_")) == {"[email 1]": texts[0]}


def test_checksums_agree_with_the_published_examples() -> None:
    assert passes_luhn("79927398713") and not passes_luhn("79927398710")
    assert passes_mod97("GB82WEST12345698765432") and not passes_mod97("GB83WEST12345698765432")


def test_hostile_runs_of_one_character_end() -> None:
    for run in (*string.punctuation, "a", "1", " ", "\n", "\u200b", "1 ", "a@", "key=", "-----BEGIN PRIVATE KEY-----"):
        text = run * (50_000 // len(run))
        assert redact(text, ips=True).text.count("[token") == 0


def test_every_kind_is_planted_but_the_hardware_address() -> None:
    assert set(Kind) - set(PLANTERS) == {Kind.MAC}
