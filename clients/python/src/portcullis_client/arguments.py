"""Writes arguments down as JSON, exactly, or refuses. The text is what is judged, so it must be what then runs."""

from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring as quote
from math import isfinite
from typing import Any

# The contract's bounds. What is over them is refused here instead of being sent.
MAX_BYTES = 1 << 20
MAX_DEPTH = 64


class ArgumentsError(ValueError):
    """The arguments are not exactly representable as a JSON object. The text never holds a value."""


def encode(arguments: Mapping[str, Any]) -> str:
    """The JSON text of an object of str, int, float, Decimal, bool, None, lists, tuples and further mappings with str keys."""
    if not isinstance(arguments, Mapping):
        raise ArgumentsError("arguments must be a mapping")
    parts: list[str] = []
    try:
        _write(arguments, parts, 1)
        text = "".join(parts)
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ArgumentsError("a text holds a lone surrogate") from None
    if size > MAX_BYTES:
        raise ArgumentsError(f"arguments are larger than {MAX_BYTES} bytes")
    return text


def merged(given: Any, effective: Any) -> Any:
    """What was given, with what is to stand there instead: another text, or 0 for a number. Everything else keeps its type and its
    exact value, which JSON may have spelt differently."""
    match given, effective:
        case Mapping(), dict():
            return {key: merged(value, effective[key]) for key, value in given.items()}
        case (list() | tuple()), list():
            return type(given)(merged(value, other) for value, other in zip(given, effective, strict=True))
        case str(), str():
            return effective
        case bool() | None, _:
            return given
        case _, 0:
            return 0
    return given


def _write(value: Any, parts: list[str], depth: int) -> None:
    if depth > MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        raise ArgumentsError(f"arguments are nested deeper than {MAX_DEPTH} levels, or in themselves")
    match value:
        case None:
            parts.append("null")
        case bool():
            parts.append("true" if value else "false")
        case str():
            parts.append(quote(str.__str__(value)))
        case int() | float() | Decimal():
            parts.append(_number(value))
        case Mapping():
            _object(value, parts, depth)
        case list() | tuple():
            opening = "["
            for item in value:
                parts.append(opening)
                _write(item, parts, depth + 1)
                opening = ","
            parts.append("[]" if opening == "[" else "]")
        case _:
            raise ArgumentsError(f"a value of type {type(value).__name__} is not JSON")


def _object(value: Mapping[Any, Any], parts: list[str], depth: int) -> None:
    opening = "{"
    for key, item in value.items():
        # A key of another type would become one that may be there already.
        if not isinstance(key, str):
            raise ArgumentsError(f"a key of type {type(key).__name__} is not JSON")
        parts.append(opening + quote(str.__str__(key)) + ":")
        _write(item, parts, depth + 1)
        opening = ","
    parts.append("{}" if opening == "{" else "}")


def _number(value: int | float | Decimal) -> str:
    try:
        if isinstance(value, int):
            return int.__repr__(value)
        if isfinite(value):
            return float.__repr__(value) if isinstance(value, float) else str(Decimal(value))
    except ValueError:  # more digits than Python writes, or a signalling NaN
        pass
    raise ArgumentsError("a number is not finite, or too long")
