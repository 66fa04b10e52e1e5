"""The file of keys: what it may say, and that every mistake is named with file, table and field."""

import argparse
import hashlib
from pathlib import Path

import pytest

from server.keys.file import read_keys
from server.keys.key import all_keys, digest_of, engine_keys, find_key
from server.keys.meter import Quota

GOOD = """
[alice]
key = "sk-alice"
max_thinking_tokens = 4096
quota_tokens = 1_000_000
quota_window_s = 86_400

["team b"]
sha256 = "{digest}"
"""


def written(folder: Path, text: str) -> str:
    """The path of such a file."""
    path = folder / "keys.toml"
    path.write_text(text)
    return str(path)


def test_keys_have_names_ceilings_and_quotas(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"sk-b").hexdigest()
    alice, team = read_keys(written(tmp_path, GOOD.replace("{digest}", digest)))
    assert (alice.name, alice.max_thinking_tokens, alice.quota) == ("alice", 4096, Quota(1_000_000, 86_400))
    assert (team.name, team.is_limited) == ("team b", False)
    assert find_key((alice, team), "sk-alice") is alice
    assert find_key((alice, team), "sk-b") is team
    assert find_key((alice, team), "sk-") is None


def test_key_shows_nothing_of_its_secret(tmp_path: Path) -> None:
    (key,) = read_keys(written(tmp_path, '[a]\nkey = "sk-alice"'))
    assert "sk-alice" not in repr(key)
    assert digest_of("sk-alice").hex() not in repr(key)
    assert repr(digest_of("sk-alice")) not in repr(key)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nkey = \nx = 1", "line 2"),
        ("", "no key"),
        ('key = "x"', "[key] is outside a table"),
        ('[a]\nkey = "x"\n[a]', "line 3"),
        ("[a]", "[a] needs either key or sha256"),
        (f'[a]\nkey = "x"\nsha256 = "{"0" * 64}"', "[a] needs either key or sha256"),
        ('[a]\nkey = "sk secret"', "[a] key must be"),
        ('[a]\nkey = ""', "[a] key must be"),
        ("[a]\nkey = 7", "[a] key must be"),
        ('[a]\nsha256 = "abc"', "[a] sha256 must be"),
        ('[a]\nkey = "x"\nmax_tokens = 5', "[a] max_tokens is none of"),
        ('[a]\nkey = "x"\nmax_thinking_tokens = -1', "[a] max_thinking_tokens must be"),
        ('[a]\nkey = "x"\nmax_thinking_tokens = "many"', "[a] max_thinking_tokens must be"),
        ('[a]\nkey = "x"\nquota_tokens = 5', "[a] quota_tokens and quota_window_s go together"),
        ('[a]\nkey = "x"\nquota_tokens = 0\nquota_window_s = 9', "[a] quota_tokens must be"),
        ('[a]\nkey = "x"\nquota_tokens = 5\nquota_window_s = 0.5', "[a] quota_window_s must be"),
        ('[a]\nkey = "x"\nadmin = "yes"', "[a] admin must be true or false"),
        ('[a]\nkey = "x"\n[b]\nkey = "x"', "a and b are the same key"),
        ('["\\n"]\nkey = "x"', "not a valid name of a key"),
    ],
)
def test_mistake_is_named_with_its_place_and_no_secret(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        read_keys(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "sk secret" not in message


def test_file_that_is_not_there_is_named() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"/no/such\.toml"):
        read_keys("/no/such.toml")


def test_vllms_keys_stand_beside_those_of_the_file(tmp_path: Path) -> None:
    of_file = read_keys(written(tmp_path, '[a]\nkey = "sk-a"'))
    assert [key.name for key in all_keys(of_file, ["one", "two"], "three")] == [
        "a",
        "--api-key 1",
        "--api-key 2",
    ]
    assert [key.name for key in all_keys(of_file, None, "three")] == ["a", "VLLM_API_KEY"]
    assert engine_keys([""], None) == ()
    with pytest.raises(ValueError, match="a and VLLM_API_KEY are the same key"):
        all_keys(of_file, None, "sk-a")
