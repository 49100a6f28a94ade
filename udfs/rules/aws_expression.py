"""What rules can say of AWS IoT Events' expressions: inputs compared with numbers, timeouts, and/or/not.

Grammar after its developer guide (Expressions): `$input.Name.path`, `$variable.name`, numbers, texts, truths,
`! - * / + - < <= > >= == != && ||`, parentheses, functions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import inf, nextafter
from typing import Final, Literal, NamedTuple

Comparison = Literal["<", "<=", ">", ">=", "==", "!="]


class Compare(NamedTuple):
    """An input compared with a number."""

    path: str
    sign: Comparison
    number: float


class Timeout(NamedTuple):
    """A timer that has run out."""

    timer: str


class Always(NamedTuple):
    """True whenever it is asked here: that an input came, or that a field is there."""


class Other(NamedTuple):
    """What rules cannot say, in the words of the expression."""

    text: str


Atom = Compare | Timeout | Always | Other
# Any of these conjunctions makes the expression true.
Alternatives = list[tuple[Atom, ...]]


class _Input(NamedTuple):
    path: str
    text: str


class _Operation(NamedTuple):
    sign: str
    operands: tuple["_Node", ...]
    text: str


_Node = float | str | bool | _Input | _Operation

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<path>\$(?:input|variable)(?:\.(?:`[^`]+`|\w+)|\[\d+\])+)|(?P<word>[A-Za-z]\w*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/<>!(),|&^~]))"
)
_LOOSE_TO_TIGHT: Final = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))
_OPPOSITE: Final[Mapping[str, Comparison]] = {
    "<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==",
}  # fmt: skip
_MIRRORED: Final[Mapping[str, Comparison]] = {
    "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=",
}  # fmt: skip
# The service's own limit.
MOST_CHARACTERS: Final = 512
MOST_ALTERNATIVES: Final = 64
_ALWAYS: Final = frozenset({"currentInput", "triggerType"})


def alternatives(expression: str, constants: Mapping[str, float] | None = None) -> Alternatives:
    """Return what makes an expression true; an empty one is always true.

    `constants` are variables with a fixed value. Raises ValueError for what is no expression.
    """
    if not expression.strip():
        return [(Always(),)]
    if len(expression) > MOST_CHARACTERS:
        raise ValueError(f"an expression has at most {MOST_CHARACTERS} characters")
    node = _Parser(expression, constants or {}).parse()
    return _merge(_spread(node, wanted=True))


def above_limit(compare: Compare) -> float | None:
    """Return the number such that the comparison says `value > number`, or None; exact for doubles."""
    if compare.sign == ">":
        return compare.number
    return nextafter(compare.number, -inf) if compare.sign == ">=" else None


def below_limit(compare: Compare) -> float | None:
    """Return the number such that the comparison says `value < number`, or None; exact for doubles."""
    if compare.sign == "<":
        return compare.number
    return nextafter(compare.number, inf) if compare.sign == "<=" else None


def clear_limit(compare: Compare, *, above: bool) -> float | None:
    """Return the limit at or behind which an alert above (or below) one clears, or None."""
    signs = ("<", "<=") if above else (">", ">=")
    if compare.sign not in signs:
        return None
    return compare.number if "=" in compare.sign else nextafter(compare.number, -inf if above else inf)


def _merge(found: Alternatives) -> Alternatives:
    merged: Alternatives = []
    for conjunction in found:
        telling = tuple(dict.fromkeys(atom for atom in conjunction if not isinstance(atom, Always)))
        merged.append(telling or (Always(),))
    return merged


def _spread(node: _Node, *, wanted: bool) -> Alternatives:
    if isinstance(node, bool):
        return [(Always(),)] if node == wanted else []
    if not isinstance(node, _Operation):
        return [(Other(str(node)),)]
    if node.sign == "!":
        return _spread(node.operands[0], wanted=not wanted)
    if node.sign in {"&&", "||"}:
        parts = [_spread(part, wanted=wanted) for part in node.operands]
        if (node.sign == "||") == wanted:
            return [conjunction for part in parts for conjunction in part]
        if len(parts[0]) * len(parts[1]) > MOST_ALTERNATIVES:
            raise ValueError("an expression has too many alternatives")
        return [(*left, *right) for left in parts[0] for right in parts[1]]
    return [(_atom(node, wanted=wanted),)]


def _atom(node: _Operation, *, wanted: bool) -> Atom:
    if node.sign == "timeout" and wanted and isinstance(node.operands[0], str):
        return Timeout(node.operands[0])
    if (node.sign in _ALWAYS and wanted) or (node.sign == "isUndefined" and not wanted):
        return Always()
    compared = _compare(node)
    if compared is None:
        return Other(node.text if wanted else f"!({node.text})")
    return compared if wanted else compared._replace(sign=_OPPOSITE[compared.sign])


def _compare(node: _Operation) -> Compare | None:
    if node.sign not in _OPPOSITE:
        return None
    left, right = node.operands
    if isinstance(left, _Input) and isinstance(right, float):
        return Compare(left.path, _OPPOSITE[_OPPOSITE[node.sign]], right)
    if isinstance(left, float) and isinstance(right, _Input):
        return Compare(right.path, _MIRRORED[node.sign], left)
    return None


_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
}


class _Parser:
    def __init__(self, text: str, constants: Mapping[str, float]) -> None:
        self._text, self._constants = text, constants
        self._tokens = list(_tokens(text))
        self._place = 0

    def parse(self) -> _Node:
        node = self._binary(0)
        if self._place < len(self._tokens):
            raise ValueError(f"{self._tokens[self._place][1]!r} is not expected in {self._text!r}")
        return node

    def _next(self) -> tuple[str, str]:
        if self._place == len(self._tokens):
            raise ValueError(f"{self._text!r} ends too early")
        self._place += 1
        return self._tokens[self._place - 1]

    def _sign(self) -> str:
        kind, text = self._tokens[self._place] if self._place < len(self._tokens) else ("", "")
        return text if kind == "sign" else ""

    def _binary(self, level: int) -> _Node:
        if level == len(_LOOSE_TO_TIGHT):
            return self._unary()
        left = self._binary(level + 1)
        while (sign := self._sign()) in _LOOSE_TO_TIGHT[level]:
            self._place += 1
            right = self._binary(level + 1)
            if _number(left) and _number(right) and sign in _ARITHMETIC and (sign != "/" or right):
                left = _ARITHMETIC[sign](float(left), float(right))  # type: ignore[arg-type]
            else:
                left = _Operation(sign, (left, right), f"{_said(left)} {sign} {_said(right)}")
        return left

    def _unary(self) -> _Node:
        sign = self._sign()
        if sign not in {"!", "-", "~"}:
            return self._primary()
        self._place += 1
        operand = self._unary()
        if sign == "-" and isinstance(operand, float):
            return -operand
        return _Operation(sign, (operand,), f"{sign}{_said(operand)}")

    def _primary(self) -> _Node:
        kind, text = self._next()
        if kind == "number":
            return float(text)
        if kind == "text":
            return text[1:-1]
        if kind == "path":
            return self._reference(text.replace("`", ""))
        if kind == "word":
            return text == "true" if text in {"true", "false"} else self._call(text)
        if text != "(":
            raise ValueError(f"{text!r} is not expected in {self._text!r}")
        inner = self._binary(0)
        self._expect(")")
        return inner

    def _reference(self, text: str) -> _Node:
        if text.startswith("$input."):
            return _Input(text.split(".", 2)[-1], text)
        name = text.removeprefix("$variable.")
        return self._constants.get(name, _Operation("variable", (name,), text))

    def _call(self, name: str) -> _Node:
        if self._sign() != "(":
            return name
        self._place += 1
        operands: list[_Node] = []
        while self._sign() != ")":
            operands.append(self._binary(0))
            if self._sign() != ")":
                self._expect(",")
        self._expect(")")
        if name == "convert" and len(operands) == 2 and str(operands[0]).lower() == "decimal":
            return operands[1]
        return _Operation(name, tuple(operands), f"{name}({', '.join(map(_said, operands))})")

    def _expect(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise ValueError(f"{sign!r} is missing in {self._text!r}")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place, end = 0, len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"{text[place:]!r} cannot be read in {text!r}")
        place = found.end()
        yield found.lastgroup or "", found[found.lastgroup or 0]


def _number(node: _Node) -> bool:
    return isinstance(node, float)


def _said(node: _Node) -> str:
    if isinstance(node, _Operation | _Input):
        return node.text
    return f"{node:g}" if isinstance(node, float) else repr(node)
