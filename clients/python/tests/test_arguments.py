import enum
import json
import logging
import math
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from portcullis_client import Action, ArgumentsError, Client
from portcullis_client.arguments import MAX_BYTES, MAX_DEPTH, encode

from .conftest import WHO


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["again"] = CYCLE


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "{}"),
        ({"s": 'a"b\\\n\u00e9\U0001f600'}, '{"s":"a\\"b\\\\\\n\u00e9\U0001f600"}'),
        ({"n": [1, -0.0, 1e21, 0.1, True, None]}, '{"n":[1,-0.0,1e+21,0.1,true,null]}'),
        ({"n": 2**63}, '{"n":9223372036854775808}'),
        ({"n": Decimal("12345678901234567890.50")}, '{"n":12345678901234567890.50}'),
        ({"t": (1, [], {}, {"a": {"b": 2}})}, '{"t":[1,[],{},{"a":{"b":2}}]}'),
        ({"e": [Colour.RED, Level.HIGH]}, '{"e":["red",3]}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        ({"d": nested(MAX_DEPTH - 1)}, '{"d":' + "[" * (MAX_DEPTH - 1) + '"x"' + "]" * (MAX_DEPTH - 1) + "}"),
    ],
)
def test_arguments_are_written_exactly(arguments: Any, text: str) -> None:
    assert encode(arguments) == text
    json.loads(text)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": math.nan},
        {"n": -math.inf},
        {"n": Decimal("NaN")},
        {"n": Decimal("sNaN")},
        {"n": Decimal("Infinity")},
        {"n": 10**5000},
        {"secret": "\ud83d"},
        {"\ud83d": 1},
        {1: "secret", "1": "secret"},
        {"s": {"secret"}},
        {"s": b"secret"},
        {"o": object()},
        ["secret"],
        "secret",
        {"d": nested(MAX_DEPTH)},
        CYCLE,
        {"s": "x" * MAX_BYTES},
    ],
    ids=lambda _: "",
)
def test_threat_d10_arguments_that_are_not_exact_are_refused(arguments: Any) -> None:
    with pytest.raises(ArgumentsError) as refused:
        encode(arguments)
    assert "secret" not in str(refused.value)


def test_threat_e16_printing_shows_no_arguments_and_no_token(caplog: pytest.LogCaptureFixture) -> None:
    action = Action("send_email", {"body": "canary"}, content="canary")
    with Client(principal=WHO, token="canary") as client:
        logging.warning("%r %s %r %s", action, action, client, vars(client))
        assert "canary" not in caplog.text
