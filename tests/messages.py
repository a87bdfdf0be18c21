"""Whether what goes over the wire is what its type says."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def fits(value: Any, hint: Any) -> bool:
    """Whether JSON is what a type of the server says."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, parts[1]) for item in value.values())
    if origin is list or (origin is tuple and parts[-1] is ...):
        return isinstance(value, list) and all(fits(item, parts[0]) for item in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(parts) and all(map(fits, value, parts))
    if hint is Any or hint in (str, int, bool, float, type(None)):
        return hint is Any or type(value) is hint or (hint is float and type(value) is int)
    hints, optional = get_type_hints(hint), getattr(hint, "__optional_keys__", set())
    if not isinstance(value, dict) or not set(hints) - optional <= set(value) <= set(hints):
        return False
    return all(fits(item, hints[name]) for name, item in value.items())
