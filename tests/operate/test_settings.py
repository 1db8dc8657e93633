"""Settings: where a value comes from, what is refused, and what is never shown."""

import pytest

from amp import settings
from amp.exits import SettingsRefused

SECRET = "an operator's secret of enough length"


def test_without_any_source_the_defaults_hold(tmp_path):
    found = settings.load({}, folder=tmp_path)
    assert (found.host, found.port, found.workers, found.durability) == ("127.0.0.1", 8000, 1, "always")
    assert (found.outcome_window_ms, found.log_retention_ms) == (86_400_000, 30 * 86_400_000)
    assert (found.control_share, found.explore_floor, found.rate_limit) == (0.05, 0.01, 0)
    assert found.redis is None
    assert found.secret is None


def test_the_file_beats_the_default_the_environment_the_file_and_the_flag_all(tmp_path):
    (tmp_path / "amp.toml").write_text('port = 1\nworkers = 2\nrate_limit = 3\nlog_retention = "7d"\n')
    found = settings.load(
        {"AMP_WORKERS": "20", "AMP_RATE_LIMIT": "30"}, flags={"rate_limit": "300"}, folder=tmp_path
    )
    assert (found.port, found.workers, found.rate_limit) == (1, 20, 300)
    assert found.log_retention_ms == 7 * 86_400_000


def test_amp_config_names_another_file_which_must_be_there(tmp_path):
    file = tmp_path / "other.toml"
    with pytest.raises(SettingsRefused, match=r"other\.toml cannot be read"):
        settings.load({"AMP_CONFIG": str(file)}, folder=tmp_path)
    file.write_text("port = 9")
    assert settings.load({"AMP_CONFIG": str(file)}, folder=tmp_path).port == 9


def test_a_variable_set_to_nothing_and_a_flag_not_given_are_not_set(tmp_path):
    found = settings.load({"AMP_PORT": "", "AMP_REDIS": " "}, flags={"workers": None}, folder=tmp_path)
    assert (found.port, found.redis, found.workers) == (8000, None, 1)


def test_the_variables_of_the_client_are_known_and_ignored(tmp_path):
    given = {"AMP_API_KEY": "amp_sk_test_x", "AMP_BASE_URL": "http://x", "PATH": "/bin"}
    assert settings.load(given, folder=tmp_path) == settings.load({}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AMP_WORKER", "AMP_WORKERS"),
        ("AMP_RATELIMIT", "AMP_RATE_LIMIT"),
        ("AMP_CONFG", "AMP_CONFIG"),
        ("AMP_QUOTA", "AMP_MONTHLY_QUOTA"),  # as near to AMP_PORT, by letters that all share
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_one(name, meant, tmp_path):
    with pytest.raises(SettingsRefused, match=f"{name} is not a setting; did you mean {meant}\\?"):
        settings.load({name: "1"}, folder=tmp_path)


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_known_one(tmp_path):
    (tmp_path / "amp.toml").write_text("wokers = 2")
    with pytest.raises(SettingsRefused, match=r"'wokers' in .*toml is not a setting; did you mean workers\?"):
        settings.load({}, folder=tmp_path)


@pytest.mark.parametrize("content", ["port = true", "port = [1]", "[port]\nx = 1", "port ="])
def test_a_file_that_says_no_value_is_refused(content, tmp_path):
    (tmp_path / "amp.toml").write_text(content)
    with pytest.raises(SettingsRefused, match=r"amp\.toml"):
        settings.load({}, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("AMP_PORT", "65536", "must be a whole number from 0 to 65535, not '65536'"),
        ("AMP_PORT", "8o", "must be a whole number"),
        ("AMP_WORKERS", "0", "from 1 to 256"),
        ("AMP_DURABILITY", "never", "must be always or everysec"),
        ("AMP_CONTROL_SHARE", "1.01", "from 0 to 1"),
        ("AMP_CONTROL_SHARE", "nan", "from 0 to 1"),
        ("AMP_EXPLORE_FLOOR", "-0.1", "from 0 to 1"),
        ("AMP_OUTCOME_WINDOW", "24", "must be a duration such as"),
        ("AMP_OUTCOME_WINDOW", "0h", "must be a duration such as"),
        ("AMP_LOG_RETENTION", "36501d", r"at most 36500d \(100 years\), not '36501d'"),
        ("AMP_LOG_RETENTION", "9999999999999d", "at most 36500d"),
        ("AMP_LOG_RETENTION", "3153600000001ms", "at most 36500d"),
        ("AMP_REDIS", "localhost:6379", "must start with redis://"),
        ("AMP_REDIS", "redis+sentinel://one:26379", "must name the service"),
        ("AMP_ACK_REPLICAS", "17", "from 0 to 16"),
        ("AMP_SECRET", "short", "at least 32 characters"),
    ],
)
def test_a_bad_value_names_the_setting_and_what_is_allowed(name, value, allowed, tmp_path):
    with pytest.raises(SettingsRefused, match=f"{name}: .*{allowed}"):
        settings.load({name: value}, folder=tmp_path)


def test_a_bad_flag_is_named_as_a_flag(tmp_path):
    with pytest.raises(SettingsRefused, match="--rate-limit: must be"):
        settings.load({}, flags={"rate_limit": "x"}, folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("90s", 90_000), ("15m", 900_000), ("24h", 86_400_000), ("30d", 2_592_000_000)],
)
def test_durations_become_milliseconds(text, ms, tmp_path):
    assert settings.load({"AMP_OUTCOME_WINDOW": text}, folder=tmp_path).outcome_window_ms == ms


def test_an_outside_store_needs_the_secret(tmp_path):
    with pytest.raises(SettingsRefused, match="AMP_SECRET is needed with AMP_REDIS"):
        settings.load({"AMP_REDIS": "redis://store"}, folder=tmp_path)
    assert (
        settings.load({"AMP_REDIS": "redis://store", "AMP_SECRET": SECRET}, folder=tmp_path).secret == SECRET
    )


def test_neither_repr_nor_refusal_shows_a_secret(tmp_path):
    given = {"AMP_SECRET": SECRET, "AMP_REDIS": "redis://me:hidden@store/0?password=hidden"}
    shown = repr(settings.load(given, folder=tmp_path))
    assert SECRET not in shown
    assert "hidden" not in shown
    assert "store/0" in shown
    with pytest.raises(SettingsRefused) as refused:
        settings.load({"AMP_SECRET": "too-short-secret"}, folder=tmp_path)
    assert "too-short-secret" not in str(refused.value)


def test_a_child_loads_the_same_settings_from_its_environment_whatever_the_file_says_by_then(tmp_path):
    given = {"AMP_REDIS": "unix:///x.sock", "AMP_SECRET": SECRET, "AMP_OUTCOME_WINDOW": "90s"}
    parent = settings.load(given, folder=tmp_path)
    (tmp_path / "amp.toml").write_text("port = broken")
    assert settings.load(parent.environment(), folder=tmp_path) == parent


@pytest.mark.parametrize(
    "given",
    [
        {"AMP_LOG_RETENTION": "36500d", "AMP_OUTCOME_WINDOW": "876000h"},
        {"AMP_LOG_RETENTION": "1ms", "AMP_OUTCOME_WINDOW": "1ms"},
        {"AMP_CONTROL_SHARE": "1e-300", "AMP_EXPLORE_FLOOR": "0.1234567890123456789"},
        {"AMP_CONTROL_SHARE": "1", "AMP_EXPLORE_FLOOR": "0"},
        {"AMP_RATE_LIMIT": "1000000000", "AMP_WORKERS": "256", "AMP_PORT": "65535"},
        {"AMP_DATA": "~/a folder, with = and ünïcode", "AMP_SECRET": SECRET * 40},
    ],
)
def test_the_extremes_of_every_setting_reach_a_child_unchanged(given, tmp_path):
    parent = settings.load(given, folder=tmp_path)
    assert settings.load(parent.environment(), folder=tmp_path) == parent


def test_the_table_has_every_setting_and_its_defaults_are_the_ones_in_force(tmp_path):
    rows = {row.name: row for row in settings.table()}
    assert list(rows)[:3] == ["AMP_HOST", "AMP_PORT", "AMP_DATA"]
    assert {"AMP_OUTCOME_WINDOW", "AMP_LOG_RETENTION", "AMP_SECRET", "AMP_CONFIG"} <= set(rows)
    assert all(row.doc.endswith(".") for row in rows.values())
    shown = {
        name: row.default
        for name, row in rows.items()
        if name not in {"AMP_DATA", "AMP_SECRET", "AMP_CONFIG"} and row.default != "not set"
    }
    assert settings.load(shown, folder=tmp_path) == settings.load({}, folder=tmp_path)
