"""What may stand in files that strangers may have made: types and bounds, written as tables of checks; errors name file and field.

A check is called with a value and the field's name and raises :class:`Misfit`. Nothing is converted: what passed is used as it came.
"""

import dataclasses
import json
import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from taglens.errors import TagLensError, unknown_name

Check: TypeAlias = Callable[[Any, str], None]
_LONGEST_SHOWN = 60


class Misfit(ValueError):
    """A field holds something else than it must."""


def require(value: Any, check: Check, *, kind: type[TagLensError], name: object, advice: str) -> None:
    """Check what was read from the file ``name``.

    Raises:
        TagLensError: of ``kind``: the file, the field, what was expected, what came, and the advice.
    """
    try:
        check(value, "")
    except Misfit as error:
        raise kind(f"{name}: {error}; {advice}") from error
    except RecursionError as error:
        raise kind(f"{name}: nested too deeply; {advice}") from error


def shown(value: Any) -> str:
    """Return a value as an error may quote it: short, and without signs that a terminal obeys."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    if isinstance(value, Mapping):
        return f"an object of {len(value):,} entries"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) < 10**30 else "a number of more than 30 digits"
    text = json.dumps(value, default=lambda other: type(other).__name__)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def integer(least: int, most: int) -> Check:
    """Accept whole numbers in ``least..most``; a truth value is none."""
    return _simple(lambda value: type(value) is int and least <= value <= most, f"a whole number in {least:,}..{most:,}")


def number(least: float = -math.inf, most: float = math.inf) -> Check:
    """Accept finite numbers in ``least..most``."""
    bounds = "" if math.isinf(most) and math.isinf(least) else f" in {least:g}..{most:g}"
    return _simple(lambda value: type(value) in (int, float) and least <= value <= most and _is_finite(value), f"a finite number{bounds}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def truth() -> Check:
    """Accept true and false."""
    return _simple(lambda value: type(value) is bool, "true or false")


def text(most: int = 1000) -> Check:
    """Accept texts of 1 to ``most`` signs."""
    return _simple(lambda value: isinstance(value, str) and 0 < len(value) <= most, f"a text of 1 to {most:,} signs")


def one_of(*names: str | None) -> Check:
    """Accept these texts (None: null) only."""
    return _simple(lambda value: (value is None or isinstance(value, str)) and value in names, f"one of {_listed(names)}")


def name_in(names: Collection[str], what: str) -> Check:
    """Accept a name out of a long list, called ``what`` in errors, with the nearest ones suggested."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, str) or value not in names:
            near = str(unknown_name(what, value[:_LONGEST_SHOWN], names)).partition(" Choose one of")[0] if isinstance(value, str) else ""
            raise Misfit(f"{field}: expected {what} of the known list, came {shown(value)}" + (f" ({near})" if "mean" in near else ""))

    return check


def maybe(check: Check) -> Check:
    """Accept null, and what ``check`` accepts."""

    def both(value: Any, field: str) -> None:
        if value is not None:
            check(value, field)

    return both


def either(first: Check, second: Check) -> Check:
    """Accept what one of two checks accepts."""

    def both(value: Any, field: str) -> None:
        try:
            first(value, field)
        except Misfit as error:
            try:
                second(value, field)
            except Misfit as other:
                raise Misfit(f"{str(error).partition(', came ')[0]}, or {str(other).partition('expected ')[2]}") from other

    return both


def items(check: Check, least: int = 0, most: int = 10**6, *, different: bool = False) -> Check:
    """Accept lists of ``least`` to ``most`` entries that each pass ``check``, if wanted no two alike."""
    size = f"{least:,}" if least == most else f"{least:,} to {most:,}"

    def check_list(value: Any, field: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Misfit(f"{field}: expected a list of {size} entries, came {shown(value)}")
        for position, entry in enumerate(value):
            check(entry, f"{field}[{position}]")
        if different and len(set(value)) < len(value):
            twice = next(entry for entry in value if value.count(entry) > 1)
            raise Misfit(f"{field}: expected different entries, {shown(twice)} comes twice")

    return check_list


def record(fields: Mapping[str, Check], required: Iterable[str] = (), *, others: bool = False) -> Check:
    """Accept objects with these fields; an unknown one is refused by name unless ``others`` are allowed."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, dict):
            raise Misfit(f"{field or 'the whole'}: expected an object, came {shown(value)}")
        inside = f"{field}." if field else ""
        for name, entry in value.items():
            if name in fields:
                fields[name](entry, inside + name)
            elif not others:
                near = str(unknown_name("field", name[:_LONGEST_SHOWN], fields)).partition(" Choose one of")[0]
                raise Misfit(f"{field + ': ' if field else ''}{near} (a field that is not known may mean anything, so it is refused)")
        absent = [name for name in required if name not in value]
        if absent:
            raise Misfit(f"{field + ': ' if field else ''}the field {absent[0]!r} is missing")

    return check


def mapping(check: Check, most: int = 10**6) -> Check:
    """Accept objects of any names, each with a value that passes ``check``."""

    def check_all(value: Any, field: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            raise Misfit(f"{field}: expected an object of at most {most:,} entries, came {shown(value)}")
        for name, entry in value.items():
            check(entry, f"{field}.{name[:_LONGEST_SHOWN]}")

    return check_all


def typed(hint: Any) -> Check:
    """Return the check that a type of a dataclass' field means, for values as JSON has them; a nested dataclass is an object of its
    fields, in which unknown ones are allowed: a later version may have written them.
    """
    if hint is Any or hint is object:
        return lambda value, field: None
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return record({field.name: typed(hints[field.name]) for field in dataclasses.fields(hint)}, others=True)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return one_of(*arguments)
    if origin in (Union, types.UnionType):
        return _any_of([typed(argument) for argument in arguments if argument is not type(None)], none=type(None) in arguments)
    if origin is tuple:
        return items(typed(arguments[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return mapping(typed(arguments[1]))
    simple: dict[Any, Check] = {bool: truth(), int: integer(-(2**63), 2**63), float: number(), str: _any_text(), Path: _any_text()}
    return simple[hint]


def _any_of(checks: list[Check], *, none: bool) -> Check:
    found = checks[0]
    for check in checks[1:]:
        found = either(found, check)
    return maybe(found) if none else found


def _any_text() -> Check:
    return _simple(lambda value: isinstance(value, str), "a text")


def _simple(fits: Callable[[Any], bool], expected: str) -> Check:
    def check(value: Any, field: str) -> None:
        if not fits(value):
            raise Misfit(f"{field}: expected {expected}, came {shown(value)}")

    return check


def _listed(names: Iterable[str | None]) -> str:
    return ", ".join("null" if name is None else repr(name) for name in names)
