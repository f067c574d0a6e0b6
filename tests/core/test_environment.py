"""Settings as environment variables: one for each row, read as the flag is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core import environment
from hlsswarm.core.environment import OTHERS, SETTINGS, read, unknown, variable
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS
from hlsswarm.core.plan import Address
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.core.thresholds import parse as threshold
from hlsswarm.errors import ConfigurationError

REPOSITORY = Path(environment.__file__).resolve().parents[2]
DOCUMENTATION = REPOSITORY / "docs" / "configuration.md"
BEGIN, END = "<!-- variables: begin -->\n", "<!-- variables: end -->"
KEYS = [row.key for row in SETTINGS.values()]


def values(**variables: str) -> dict[str, object]:
    return dict(read({f"HLSSWARM_{name}": text for name, text in variables.items()}, KEYS).values)


def test_every_setting_has_a_variable_and_none_has_two() -> None:
    rows = [*RUN_SETTINGS, *ORIGIN_SETTINGS]
    names = [variable(row) for row in rows if row.name != "header"]
    assert len(set(names)) == len(names)
    assert {*names, "HLSSWARM_URL", "HLSSWARM_CONFIG"} == set(SETTINGS)
    assert SETTINGS["HLSSWARM_RAMP_RATE"].name == "ramp-rate"


def test_no_variable_means_two_things() -> None:
    """What the program reads elsewhere is known here, and is no setting's."""
    assert not set(OTHERS) & set(SETTINGS)
    text = "\n".join(path.read_text() for path in (REPOSITORY / "hlsswarm").rglob("*.py"))
    elsewhere = set(re.findall(r'ENVIRONMENT = "(HLSSWARM_\w+)"', text))
    assert elsewhere == set(OTHERS)


def test_values_are_read_as_flags_are() -> None:
    assert values(
        CLIENTS="50", RAMP_RATE="2.5", DURATION="30m", METRICS="off", MEMORY_MAX="2G",
        URL="http://h/x.m3u8", TLS="true", NO_CACHE="off", IP_FILTER="false", OUT="/results",
        THRESHOLD="segment_seconds: p(95)<0.5\n\n  http_errors: count==0\n", SEED="-3",
    ) == {
        "clients": 50,
        "ramp_rate": 2.5,
        "duration": 1800.0,
        "metrics": None,
        "memory_max": 2 << 30,
        "url": "http://h/x.m3u8",
        "tls": True,
        "no_cache": False,
        "ip_filter": False,
        "out": Path("/results"),
        "threshold": [threshold("segment_seconds: p(95)<0.5"), threshold("http_errors: count==0")],
        "seed": -3,
    }  # fmt: skip
    assert values(METRICS=":9100") == {"metrics": Address("0.0.0.0", 9100)}


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert values(CLIENTS="", URL=" ", THRESHOLD="\n") == {}


def test_what_a_command_does_not_take_is_not_looked_at() -> None:
    assert read({"HLSSWARM_CLIENTS": "many"}, ["manager"]).values == {}


@pytest.mark.parametrize(
    ("name", "text", "sentence", "hint"),
    [
        ("CLIENTS", "many", "HLSSWARM_CLIENTS='many' cannot be read.", "Give a number."),
        ("CLIENTS", "0", "HLSSWARM_CLIENTS=0 is too little.", "The least is 1."),
        ("NO_CACHE", "maybe", "HLSSWARM_NO_CACHE='maybe' cannot be read.", "Give true or false."),
        ("VARIANT", "best", "HLSSWARM_VARIANT='best' is none that can be chosen.", "Choose one of"),
        (
            "PORT",
            "tcp://10.0.0.1:80",
            "HLSSWARM_PORT='tcp://10.0.0.1:80' cannot",
            "from 1 to 65535",
        ),
        ("SANDBOX", "loose", "HLSSWARM_SANDBOX='loose' cannot be read.", "strict, basic or off"),
        ("THRESHOLD", "http_errors: count==0\nx", "HLSSWARM_THRESHOLD='x' is not", "looks like"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_variable(
    name: str, text: str, sentence: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        values(**{name: text})
    assert caught.value.message.startswith(sentence)
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        values(URL="ftp://me:sesame@h/x")
    assert "sesame" not in f"{caught.value.message} {caught.value.hint}"
    assert "HLSSWARM_URL" in caught.value.message


@given(st.sampled_from(sorted(SETTINGS)), st.text(st.characters(exclude_characters="\0")))
def test_any_text_is_read_or_refused_in_a_sentence(name: str, text: str) -> None:
    try:
        read({name: text}, KEYS)
    except ConfigurationError as error:
        assert error.message.startswith(name)


def test_unknown_variables_come_with_the_nearest() -> None:
    told = unknown({"HLSSWARM_CLINTS": "", "HLSSWARM_HEADER": "", "HLSSWARM_XY": "", "PATH": ""})
    assert told[0] == "HLSSWARM_CLINTS is no variable of hlsswarm; is HLSSWARM_CLIENTS meant?"
    assert told[1].endswith("is HLSSWARM_HEADERS meant?")
    assert told[2].endswith("`hlsswarm options` lists them.")
    assert len(told) == 3
    assert unknown(dict.fromkeys([*SETTINGS, *OTHERS, "HLSSWARM_TEST_FFMPEGS"], "")) == []


def test_the_documentation_is_up_to_date() -> None:
    """UPDATE_GOLDEN=1 renews it."""
    before, _, rest = DOCUMENTATION.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    assert end
    wanted = "\n" + environment.markdown() + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENTATION.write_text(before + BEGIN + wanted + END + after)
        return
    assert table == wanted, "run this test with UPDATE_GOLDEN=1"
