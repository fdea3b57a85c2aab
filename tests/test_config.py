"""Settings: where they come from, and what is said of wrong ones."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from aiops.config import is_loopback, load, per_day
from aiops.errors import SettingsError

KEY = "0123456789abcdef"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "aiops.toml"
    path.write_text(text)
    return path


def test_variables_come_before_the_file_and_the_file_before_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, '[server]\nport = 1\nhost = "localhost"\n[topology]\ndepends_on = {web = ["db"]}\n')
    loaded = load(path, {"AIOPS_SERVER_PORT": "2"})
    assert (loaded.settings.server.port, loaded.settings.server.host) == (2, "localhost")
    assert loaded.settings.topology.depends_on == {"web": ("db",)}
    origins = {key: origin for key, _, origin, _ in loaded.rows()}
    assert origins["server.port"] == "AIOPS_SERVER_PORT"
    assert origins["server.host"] == str(path)
    assert origins["server.data_dir"] == "default"


def test_lists_of_tables_come_from_the_file_or_as_json(tmp_path: Path) -> None:
    path = write(tmp_path, '[[detection.rules]]\nmatch = "a"\nchange_min = 5\n[[detection.rules]]\nmatch = "b"\n')
    rules = load(path, {}).settings.detection.rules
    assert [(rule.match, rule.change_min) for rule in rules] == [("a", 5), ("b", None)]
    loaded = load(path, {"AIOPS_DETECTION_RULES": '[{"match": "c", "direction": "up"}]'})
    assert [(rule.match, rule.direction) for rule in loaded.settings.detection.rules] == [("c", "up")]
    assert 'match = "c"' in {key: value for key, value, _, _ in loaded.rows()}["detection.rules"]


@pytest.mark.parametrize(
    ("rate", "a_day"), [("3 per day", 3), ("1 per hour", 24), ("2 per week", 2 / 7), ("0.5 a day", 0.5), ("1/hour", 24)]
)
def test_a_budget_is_a_number_and_a_time(rate: str, a_day: float) -> None:
    assert load(None, {"AIOPS_DETECTION_ALERT_BUDGET": rate}).settings.detection.alert_budget == rate
    assert per_day(rate) == pytest.approx(a_day)


def test_the_file_is_found_by_variable_or_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[server]\nport = 7\n")
    assert load(None, {"AIOPS_CONFIG": str(path)}).settings.server.port == 7
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).settings.server.port == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ingest]\nserie_max = 1", "did you mean ingest.series_max?"),
        ("[inget]\nseries_max = 1", "did you mean ingest.series_max?"),
        ("[zebra]\nx = 1", "sections are server, ingest"),
        ("port = 1", "outside a section"),
        ("[server]\nport = 99999", "server.port"),
        ("[server]\nport = [", "not TOML"),
        ("[ingest]\nseries_max = 0", "ingest.series_max"),
        ('[server]\nhost = "0.0.0.0"', "api_keys"),
        ('[server]\napi_keys = ["short"]', "16 characters"),
        ('[store]\nurl = "nonsense"', "database URL"),
        ('[store]\nurl = "mongo://ann:hunter22@db/x"', "store.url: not a database URL that is known here"),
        ('[log]\nlevel = "loud"', "log.level"),
        (
            '[[detection.rules]]\nmatch = "m"\ndirction = "up"',
            "detection.rules.0.dirction: unknown key; did you mean direction?",
        ),
        (
            '[detection]\nalert_budget = "3 a fortnight"',
            "detection.alert_budget: write a number of alerts",
        ),
        ("[detection]\nalert_budget = 3", "detection.alert_budget: write a number of alerts"),
        ('[detection]\nalert_budget = "0 per day"', "write a number of alerts and a time"),
        ('[[detection.budgets]]\nmatch = "m"\nalerts = "often"', "detection.budgets.0.alerts: write a number"),
        ('[[detection.budgets]]\nmatch = "m"\nalerts = ""', "detection.budgets.0.alerts"),
        ('[[detection.budgets]]\nmatch = "m"', "detection.budgets.0.alerts: Field required"),
        ('[[detection.rules]]\nmatch = "m"\nzebra = 1', "keys are match, direction"),
        ('[[detection.rules]]\nmatch = "m"\ndirection = "sideways"', "detection.rules.0.direction"),
        ("[detection.rules]\nmatch = 1", "write [[detection.rules]] above each table"),
        ('[topology]\ndepends_on = {web = "checkout"}', 'topology.depends_on.web: write a list: ["checkout"]'),
    ],
)
def test_a_wrong_file_says_what_and_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(write(tmp_path, text), {})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIOPS_INGEST_SERIE_MAX", "1", "did you mean ingest.series_max?"),
        ("AIOPS_TICKETS_REDACTION_KEY", "c2hvcnQ=", "tickets.redaction_key: write 32 bytes in base64"),
        ("AIOPS_TICKETS_REDACTION_KEY", "*", "tickets.redaction_key: write 32 bytes in base64"),
        ("AIOPS_SERVER_API_KEYS", "short", "AIOPS_SERVER_API_KEYS: server.api_keys: a key has fewer than 16"),
        ("AIOPS_SERVER_PORT", "http", "AIOPS_SERVER_PORT: server.port"),
        ("AIOPS_TOPOLOGY_DEPENDS_ON", "web=db", "write JSON"),
        ("AIOPS_DETECTION_RULES", "errors up", "write a JSON list of objects"),
    ],
)
def test_a_wrong_variable_says_what_and_where(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=None) as error:
        load(None, {name: value})
    assert said in str(error.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "none.toml", {})


def test_open_addresses_need_keys() -> None:
    with pytest.raises(SettingsError, match="open to other machines"):
        load(None, {"AIOPS_SERVER_HOST": "0.0.0.0"})
    assert load(None, {"AIOPS_SERVER_HOST": "0.0.0.0", "AIOPS_SERVER_API_KEYS": KEY}).settings.server.api_keys
    assert [is_loopback(h) for h in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "example.org")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_secrets_are_not_shown() -> None:
    url = "postgresql+psycopg://ann:hunter22@db/aiops"
    sealing = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    environ = {"AIOPS_SERVER_API_KEYS": KEY, "AIOPS_STORE_URL": url, "AIOPS_TICKETS_REDACTION_KEY": sealing}
    loaded = load(None, environ)
    shown = repr(loaded) + repr(loaded.rows())
    assert KEY not in shown
    assert "hunter22" not in shown
    assert sealing not in shown
    assert "ann" in {key: value for key, value, _, _ in loaded.rows()}["store.url"]
    assert loaded.settings.store_url == url


def test_settings_are_frozen_and_every_one_is_explained() -> None:
    loaded = load(None, {})
    with pytest.raises(ValidationError):
        loaded.settings.server.port = 1  # type: ignore[misc]
    assert all(meaning for _, _, _, meaning in loaded.rows())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_a_postgres_url_is_one(scheme: str) -> None:
    settings = load(None, {"AIOPS_STORE_URL": f"{scheme}://ann@db/aiops"}).settings
    assert settings.store_url == "postgresql+psycopg://ann@db/aiops"


def test_what_is_shown_is_toml_that_means_the_same(tmp_path: Path) -> None:
    text = """
[topology]
depends_on = { web = ["checkout"], "orders db" = [] }
[detection]
persist_s = 1e-5
[[detection.rules]]
match = 'errors{team="shop"}'
direction = "up"
[store]
url = "sqlite:///x.db"
"""
    loaded = load(write(tmp_path, text), {})
    rows = {key: value for key, value, _, _ in loaded.rows()}
    assert rows["topology.depends_on"] == '{ web = ["checkout"], "orders db" = [] }'
    shown = write(tmp_path, "\n".join(f"{key} = {value}  # x" for key, value in rows.items()))
    assert load(shown, {}).settings == loaded.settings


def test_the_priority_matrix_is_a_table(tmp_path: Path) -> None:
    path = tmp_path / "aiops.toml"
    path.write_text('[tickets.priority]\nhigh = { low = "P2" }\n')
    assert load(path, {}).settings.tickets.priority == {"high": {"low": "P2"}}
    assert load(None, {"AIOPS_TICKETS_PRIORITY": '{"low": {"low": "P4"}}'}).settings.tickets.priority
    for wrong in ('high = { low = "P9" }', 'higher = { low = "P1" }', 'high = "P1"'):
        path.write_text(f"[tickets.priority]\n{wrong}\n")
        with pytest.raises(SettingsError, match=r"tickets\.priority"):
            load(path, {})
