"""Flags, environment and defaults of `s1-serve`; wrong ones are refused by name, before the engine loads."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server.__main__ import main
from server.budget.budget import ThinkingBudget
from server.budget.parsing.defaults import BudgetDefaults
from server.budget.parsing.presets import Preset
from server.engine.launch.arguments import make_parser, parse, refuse_divided, refuse_other_launchers
from server.engine.launch.find_family import check_defaults
from server.reasoning.families import FAMILIES
from server.settings import EMBEDDED_MODEL_PATH, Settings


def read(*flags: str, **environment: str) -> Settings:
    """As the command reads them."""
    parser = argparse.ArgumentParser()
    Settings.add_flags(parser)
    return Settings.read(parser.parse_args(flags), environment)


def test_default_budget_is_a_budget_and_no_report() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="detail"):
        read(S1_DEFAULT_THINKING_BUDGET='{"detail": true}')


def test_nothing_given_is_no_budget_and_no_ceiling() -> None:
    settings = read()
    assert settings == Settings()
    assert settings.budget_defaults.default == ThinkingBudget()


@pytest.mark.parametrize(
    ("flag", "variable", "text", "value"),
    [
        ("--family", "S1_FAMILY", "s1", "s1"),
        ("--max-thinking-budget", "S1_MAX_THINKING_BUDGET", "900", 900),
        ("--default-thinking-budget", "S1_DEFAULT_THINKING_BUDGET", "70", ThinkingBudget(max_tokens=70)),
        (
            "--default-thinking-budget",
            "S1_DEFAULT_THINKING_BUDGET",
            '{"num_waits": 2}',
            ThinkingBudget(num_waits=2),
        ),
        ("--reasoning-field", "S1_REASONING_FIELD", "inline", "inline"),
        (
            "--presets",
            "S1_PRESETS",
            '{"pro": {"thinking_budget": 9, "scaling": {"method": "majority", "n": 4}}}',
            {"pro": Preset(ThinkingBudget(max_tokens=9), {"method": "majority", "n": 4})},
        ),
    ],
)
def test_flag_and_variable_say_the_same(flag: str, variable: str, text: str, value: Any) -> None:
    name = flag.removeprefix("--").replace("-", "_")
    assert getattr(read(flag, text), name) == value
    assert getattr(read(**{variable: text}), name) == value


def test_flag_beats_the_environment() -> None:
    assert read("--max-thinking-budget", "5", S1_MAX_THINKING_BUDGET="9").max_thinking_budget == 5


def test_efforts_change_the_table_and_keep_the_rest() -> None:
    table = read("--effort-tokens", "low=7,mine=8").budget_defaults.efforts
    assert (table["low"], table["mine"], table["high"]) == (7, 8, 16384)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("S1_FAMILY", "qwen"),
        ("S1_MAX_THINKING_BUDGET", "-3"),
        ("S1_MAX_THINKING_BUDGET", "many"),
        ("S1_DEFAULT_THINKING_BUDGET", '{"min_tokens": 9, "max_tokens": 3}'),
        ("S1_EFFORT_TOKENS", "low"),
        ("S1_EFFORT_TOKENS", "low=-4"),
        ("S1_EFFORT_TOKENS", "low=1,low=2"),
        ("S1_REASONING_FIELD", "nowhere"),
        ("S1_PRESETS", "pro"),
        ("S1_PRESETS", '["pro"]'),
        ("S1_PRESETS", '{"pro": 9}'),
        ("S1_PRESETS", '{"pro": {}}'),
        ("S1_PRESETS", '{"pro": {"thinking_budget": null, "scaling": null}}'),
        ("S1_PRESETS", '{"a":' * 100_000),
        ("S1_QUOTA_STORE", "redis://host/0?timeout=abc"),
        ("S1_QUOTA_STORE", "redis://host/other"),
        ("S1_QUOTA_STORE", "unix://tmp/socket"),
        ("S1_PRESETS", '{"pro": {"temperature": 0}}'),
        ("S1_PRESETS", '{"p:o": {"thinking_budget": 9}}'),
        ("S1_PRESETS", '{"pro": {"thinking_budget": {"detail": true}}}'),
        ("S1_MAX_THINKING_BUDGTE", "9"),
        ("S1_API_KEYS_FILE", "/no/such/file"),
        ("S1_OPEN_ENDPOINTS", "health,models"),
        ("S1_QUOTA_STORE", "postgres://host/0"),
        ("S1_QUOTA_STORE", "redis://:secret-7f3a@/0"),
        ("S1_QUOTA_STORE", "redis://host:port/0"),
        ("S1_QUOTA_STORE", "unix://"),
        ("S1_QUOTA_STORE_DOWN", "maybe"),
        ("S1_QUOTA_LEASE_TOKENS", "0"),
        ("S1_WEIGHT_UPDATES", "/no/such/folder"),
    ],
)
def test_wrong_variable_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=variable) as caught:
        read(**{variable: text})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        ("redis://u:secret-7f3a@host:7000/3", "redis://u:secret-7f3a@host:7000/3", "redis://host:7000/3"),
        ("valkeys://host", "rediss://host", "valkeys://host"),
        ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2", "unix:///run/redis.sock"),
    ],
)
def test_quota_store_is_named_without_its_password(text: str, url: str, name: str) -> None:
    address = read("--quota-store", text).quota_store
    assert address is not None
    assert (address.url, address.name) == (url, name)
    assert "secret" not in repr(address)
    assert read("--quota-store", "memory").quota_store is None


def test_quota_store_without_its_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(argparse.ArgumentTypeError, match=r"s1-server\[redis\]"):
        read(S1_QUOTA_STORE="redis://host")


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="above the ceiling"):
        read("--default-thinking-budget", '{"min_tokens": 9}', "--max-thinking-budget", "3")


@pytest.mark.parametrize(
    ("presets", "said"),
    [
        ('{"low": {"thinking_budget": 9}}', "low is a word of its own"),
        ('{"standard": {"thinking_budget": 9}}', "standard is a word of its own"),
        (
            '{"pro": {"thinking_budget": {"min_tokens": 9}}}',
            "pro: the default minimum 9 is above the ceiling",
        ),
        ('{"pro": {"scaling": {"method": "most"}}}', r"pro: scaling\.method must be one of"),
        ('{"pro": {"scaling": {"method": "majority", "n": 99}}}', r"pro: scaling\.n \(99\) is above"),
        ('{"pro": {"scaling": {"method": "best_of_n", "n": 4}}}', r"pro: scaling\.scorer"),
        (
            '{"pro": {"thinking_budget": {"num_waits": 2}, "scaling": {"method": "deepconf", "n": 4}}}',
            r"pro: thinking_budget\.num_waits cannot be combined with scaling \(deepconf\)",
        ),
    ],
)
def test_preset_that_could_never_be_asked_for_is_refused_at_start(presets: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"--presets: {said}"):
        read("--presets", presets, "--max-thinking-budget", "8")


@pytest.mark.parametrize(
    "flags",
    [["--headless"], ["--grpc"], ["--data-parallel-multi-port-external-lb"]],
    ids=lambda flags: flags[0],
)
def test_flag_for_another_launcher_of_vllms_is_refused(flags: list[str]) -> None:
    parser = make_parser("s1-serve", "s1-nano")
    with pytest.raises(ValueError, match=f"{flags[0]}: s1-serve is one HTTP server"):
        refuse_other_launchers(parser.parse_args(flags))
    refuse_other_launchers(parser.parse_args(["--api-server-count", "2"]))


def test_quotas_of_several_processes_need_a_store_that_they_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.toml").write_text('[alice]\nkey = "sk-a"\nquota_tokens = 5\nquota_window_s = 9\n')
    with pytest.raises(SystemExit):
        main(["--api-server-count", "2", "--api-keys-file", str(tmp_path / "keys.toml")])
    said = capsys.readouterr().err.splitlines()[-1]
    assert "--api-server-count 2: each process would give alice a quota of its own" in said
    assert "--quota-store redis://" in said


def test_weights_are_exchanged_by_an_admin_or_where_there_are_no_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.toml").write_text('[alice]\nkey = "sk-a"\nadmin = false\n')
    with pytest.raises(SystemExit):
        main(["--weight-updates", str(tmp_path), "--api-keys-file", str(tmp_path / "keys.toml")])
    said = capsys.readouterr().err.splitlines()[-1]
    assert "--weight-updates: no API key is an admin's" in said


def test_what_only_one_of_several_processes_would_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = make_parser("s1-serve", "s1-nano")
    for count in ("0", "-1"):
        with pytest.raises(ValueError, match="--api-server-count"):
            refuse_divided(parser.parse_args(["--api-server-count", count]))
    monkeypatch.setenv("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "1")
    refuse_divided(parser.parse_args(["--api-server-count", "1"]))
    with pytest.raises(ValueError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        refuse_divided(parser.parse_args(["--api-server-count", "2"]))


@pytest.mark.parametrize("flag", ["--chat-template", "--config"])
def test_file_that_is_not_there_is_no_traceback(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(make_parser("s1-serve", "s1-nano"), [flag, "/no/such/file.yaml"])
    assert "/no/such/file.yaml" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("default", "family", "said"),
    [
        (ThinkingBudget(nudge=("</think>",)), "think", "end-of-thinking mark"),
        (ThinkingBudget(suppress=("zzzzzz",)), "think", "not a single token"),
        (ThinkingBudget(max_steps=3), "think", "don't count steps"),
        (ThinkingBudget(max_tokens=3), None, "no known family"),
    ],
)
def test_default_budget_that_the_model_cannot_keep_is_refused_at_start(
    default: ThinkingBudget, family: str | None, said: str
) -> None:
    arguments = make_parser("s1-serve", str(EMBEDDED_MODEL_PATH)).parse_args([])
    with pytest.raises(ValueError, match=said):
        check_defaults(BudgetDefaults(default), FAMILIES[family] if family else None, arguments)


def test_preset_that_the_model_cannot_keep_is_refused_at_start() -> None:
    arguments = make_parser("s1-serve", str(EMBEDDED_MODEL_PATH)).parse_args([])
    presets = {"pro": Preset(ThinkingBudget(nudge=("</think>",)))}
    with pytest.raises(ValueError, match=r"--presets: pro: .*end-of-thinking mark"):
        check_defaults(BudgetDefaults(presets=presets), FAMILIES["think"], arguments)
    with pytest.raises(ValueError, match="no known family"):
        check_defaults(BudgetDefaults(presets=presets), None, arguments)
    check_defaults(BudgetDefaults(presets={"many": Preset(scaling={"method": "majority"})}), None, arguments)
    arguments.served_model_name = ["qwen3:8b"]
    with pytest.raises(ValueError, match="--presets: 8b: the model 'qwen3:8b'"):
        check_defaults(BudgetDefaults(presets={"8b": Preset(scaling={})}), None, arguments)


def test_default_budget_that_the_model_can_keep_is_none_of_that() -> None:
    arguments = make_parser("s1-serve", str(EMBEDDED_MODEL_PATH)).parse_args([])
    default = ThinkingBudget(max_tokens=90, num_waits=2, answer_reserve_tokens=10_000, suppress=("wait",))
    check_defaults(BudgetDefaults(default), FAMILIES["think"], arguments)
    check_defaults(BudgetDefaults(), None, arguments)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--max-thinking-budget", "many"], "'many' is not an integer"),
        (["--model", "/no/such/model"], "/no/such/model"),
        (["--no-such-flag"], "--no-such-flag"),
        (["--api-server-count", "0"], "--api-server-count: 0 is below 1"),
        (["--speculative-config", '{"method": "medusa", "model": "m"}'], "method 'medusa': thinking budgets"),
        (
            ["--speculative-config", '{"method": "ngram", "rejection_sample_method": "synthetic"}'],
            "rejection_sample_method 'synthetic'",
        ),
        (
            ["--speculative-config", '{"model": "m", "rejection_sample_method": "fly"}'],
            "rejection_sample_method 'fly'",
        ),
        (["--worker-extension-cls", "mine.Own"], "--worker-extension-cls"),
        (["--enable-elastic-ep"], "--enable-elastic-ep: an engine that joins later"),
        (["--enable-batch-sharded-sampling"], "--enable-batch-sharded-sampling"),
        (["--enable-trace-replay"], "--enable-trace-replay"),
        (["--return-sampling-mask"], "--return-sampling-mask"),
        (["--watermark-config", '{"gamma": 0.5}'], "--watermark-config"),
        (["--api-keys-file", "/no/such/file"], "/no/such/file"),
        (["--open-endpoints", "none"], "no API keys are set"),
        (["--served-model-name", "mine", "mine:think=5"], "'mine:think=5' cannot be a served model's name"),
        (["--lora-modules", '{"name": "own:max=5", "path": "/no"}'], "'own:max=5' cannot be"),
        (["--presets", '{"a": {"scaling": {}}, "a": {"scaling": {}}}'], "--presets: a is given twice"),
        (["--shutdown-timeout", "-5"], "--shutdown-timeout: -5 is negative"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_flag_ends_the_command_before_the_engine_loads(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.engine
@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--max-thinking-budget", "many", "'many' is not an integer"),
        ("--port", "99999", "port must be 0-65535."),
    ],
)
def test_wrong_flag_is_one_line_on_the_terminal(flag: str, value: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "server", flag, value],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith(said)
    assert "Traceback" not in ended.stderr


@pytest.mark.engine
def test_help_keeps_our_flags_apart_from_vllms() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "server", "--help=s1-server"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    ).stdout
    assert "--max-thinking-budget" in text
    assert "--tensor-parallel-size" not in text
