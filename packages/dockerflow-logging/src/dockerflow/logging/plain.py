"""Copies of anything whatever, made of plain JSON types only: the careful way."""

from __future__ import annotations

from .natural import is_secretive, natural
from .reprs import class_of, is_interrupt, safe_repr, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Any

# What json.encoder takes too, without the package: with its decoder, it is a tenth of the import.
try:
    from _json import encode_basestring_ascii
except ImportError:  # an interpreter without the C encoder
    from json.encoder import encode_basestring_ascii

#: Containers nested deeper than this are written as a text that holds their JSON: parsers give up
#: at some depth (Python's own near 1000), and one such record would take its whole batch along.
MAX_DEPTH = 100

# Shared references can make a small structure a huge text. Past this number of values, a container
# that has been written in full already is only named.
_MAX_VALUES = 100_000
_MAX_NATURAL_STEPS = 8

_INFINITY = float("inf")
# What a container really holds, whatever its subclass says.
_iter_list: Callable[[Any], Iterator[object]] = list[object].__iter__
_iter_tuple: Callable[[Any], Iterator[object]] = tuple[object, ...].__iter__
_copy_dict: Callable[[Any], dict[object, object]] = dict[object, object].copy

#: Writes one str as JSON text in ASCII.
quote: Callable[[str], str] = encode_basestring_ascii

#: From this length on, :func:`quote_long` takes less time than :func:`quote`.
LONG = 256
# Other bytes become something else: those of characters that are always escaped.
_PRINTABLE = bytes(byte if 32 <= byte < 127 else 63 for byte in range(256))


def quote_long(text: str) -> str:
    """Do what :func:`quote` does: in a third of the time, for plain ASCII with a few line ends.

    It looks at the whole text at once, where the encoder takes each character on its own.
    """
    if type(text) is str and text.isascii() and '"' not in text and "\\" not in text:
        said = text.replace("\n", "\\n") if "\n" in text else text
        raw = said.encode()
        if raw.translate(_PRINTABLE) == raw:
            return f'"{said}"'
    return quote(text)


_CONSTANTS: dict[object, str] = {None: "null", True: "true", False: "false"}


def _encode_scalar(value: object) -> str:
    """Return the JSON of a clean scalar, as :func:`_form` makes it."""
    if _is_exact(value, str):
        return quote(str(value))
    if value is None or value is True or value is False:
        return _CONSTANTS[value]
    return repr(value)  # an exact int, or an exact and finite float


def clean_text(text: str) -> str:
    r"""Return *text* as an exact str that UTF-8 can carry.

    A lone surrogate becomes the six characters of its escape, ``\udc80`` say.
    """
    if str.isascii(text):  # not text.isascii(): a subclass could say anything
        return str.__str__(text)
    return str.encode(text, "utf-8", "backslashreplace").decode()


def jsonable(value: object, max_depth: int = MAX_DEPTH, *, _deep: bool = False) -> Any:
    """Copy *value* into exact dicts, lists, strs, ints, finite floats, bools and None.

    Works without recursion, so that neither a deep value nor a full stack stops it.

    :param value: any object; it is only read.
    :param max_depth: containers nested deeper become a text that holds their JSON.
    :returns: a value that any JSON encoder writes and any parser reads back unchanged.
    """
    root: list[Any] = []
    open_ids: set[int] = set()
    closed: dict[int, object] = {}  # holds the values too, so that no id is given out twice
    count = 0
    stack: list[tuple[Any, Iterator[tuple[str, object]], object]] = [
        (root, iter((("", value),)), root)
    ]
    while stack:
        target, children, source = stack[-1]
        for name, child in children:
            form = _form(child)
            cls = class_of(form)
            if cls is dict or cls is list:
                ident = id(child)
                if ident in open_ids:
                    form = f"<circular {type_name(type(child))}>"
                elif count > _MAX_VALUES and ident in closed:
                    form = f"<repeated {type_name(type(child))}>"
                elif _deep and not _is_container(child):
                    form = clean_text(safe_repr(child))  # could go on for ever
                elif len(stack) > max_depth and not _deep:
                    form = _text_of(child)
                else:
                    inner = _children(form)
                    count += len(inner)
                    made: dict[str, object] | list[object] = {} if cls is dict else []
                    _put(target, name, made)
                    open_ids.add(ident)
                    stack.append((made, iter(inner), child))
                    break
            _put(target, name, form)
        else:
            stack.pop()
            open_ids.discard(id(source))
            closed[id(source)] = source
    return root[0]


def _put(target: Any, name: str, value: object) -> None:
    if _is_exact(target, dict):
        target[name] = value
    else:
        target.append(value)


def _is_container(value: object) -> bool:
    cls = class_of(value)
    return cls is dict or cls is list or cls is tuple


def _is_exact(value: object, cls: type) -> bool:
    return type(value) is cls


def _form(value: Any) -> Any:
    """Return a clean scalar, or an exact dict or list whose contents are still as they were."""
    for _ in range(_MAX_NATURAL_STEPS):
        cls = class_of(value)
        if value is None or value is True or value is False:
            return value
        if issubclass(cls, str):
            return clean_text(value)
        if issubclass(cls, int):
            return _int_form(value)
        if issubclass(cls, float):
            return _float_form(value)
        if issubclass(cls, dict):
            return _dict_form(value)
        if cls is list:
            return value
        if issubclass(cls, list):
            return list(_iter_list(value))
        if cls is tuple or (issubclass(cls, tuple) and not is_secretive(value)):
            return list(_iter_tuple(value))
        value = natural(value)
    return clean_text(safe_repr(value))


def _int_form(value: int) -> int | str:
    number = int.__int__(value)
    try:
        int.__repr__(number)
    except ValueError:  # longer than sys.get_int_max_str_digits(); powers of two have no limit
        return hex(number)
    return number


def _float_form(value: float) -> float | str:
    number = float.__float__(value)
    if number - number == 0:
        return number
    if number in (_INFINITY, -_INFINITY):
        return "Infinity" if number > 0 else "-Infinity"
    return "NaN"


def _dict_form(value: Any) -> Any:
    if _is_exact(value, dict):
        return value
    try:
        return dict[object, object](value.items())
    except BaseException as error:
        if is_interrupt(error):
            raise
        return _copy_dict(value)


def _children(container: Any) -> list[tuple[str, object]]:
    if _is_exact(container, list):
        return [("", item) for item in container]
    pairs: list[tuple[Any, object]] = list(
        container.copy().items()
    )  # another thread may be changing the original
    taken = {key for key, _ in pairs if type(key) is str}  # exact texts keep their names
    named: list[tuple[str, object]] = []
    seen: set[str] = set()
    for key, item in pairs:
        if type(key) is str and (key.isascii() or clean_text(key) == key):
            name = key
        else:
            name = key_text(key, taken, seen)
        seen.add(name)
        named.append((name, item))
    return named


def key_text(key: object, *taken: Collection[str]) -> str:
    """Return the text that stands for *key* in an object.

    :param key: anything that was a key.
    :param taken: names that it must step aside for.
    """
    form = _form(key)
    cls = class_of(form)
    if cls is str:
        name: str = form
    elif cls is dict or cls is list:
        name = clean_text(safe_repr(key))
    else:
        name = _encode_scalar(form)
    base = name
    ending = ""
    number = sum(map(len, taken))  # most likely free at once, however many are of one text
    while any(name in names for names in taken):
        name = f"{base} ({type_name(type(key))}{ending})"
        number += 1
        ending = f" {number}"
    return name


def _text_of(value: object) -> str:
    """Return the JSON of a deep value as text; only built-in containers are followed further."""
    if not _is_container(value):
        return clean_text(safe_repr(value))
    parts: list[str] = []
    todo: list[tuple[bool, Any]] = [(False, jsonable(value, _deep=True))]
    while todo:
        is_text, item = todo.pop()
        cls = class_of(item)
        if is_text:
            parts.append(item)
        elif cls is list:
            todo.append((True, "]"))
            for index in range(len(item) - 1, -1, -1):
                todo.append((False, item[index]))
                todo.append((True, ", " if index else "["))
            if not item:
                todo.append((True, "["))
        elif cls is dict:
            todo.append((True, "}"))
            pairs: list[tuple[str, object]] = list(item.items())
            for index, (key, inner) in reversed(list(enumerate(pairs))):
                todo.append((False, inner))
                todo.append((True, (", " if index else "{") + _encode_scalar(key) + ": "))
            if not item:
                todo.append((True, "{"))
        else:
            parts.append(_encode_scalar(item))
    return "".join(parts)
