"""Text: what the lessons' texts take from the runs they tell of, so that no number in them is typed."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

DEEP = " " * 40
"""Deeper than any text around it is indented, so that code in the middle of one stands as typed."""


def shown(number: float) -> str:
    """A number as the pages print it: four significant digits, a true minus.

    >>> shown(-0.25), shown(1 / 3), shown(0.00012345), shown(12345.6)
    ('−0.25', '0.3333', '1.234e−4', '12350')
    """
    size = abs(float(number))
    if size == 0:
        return "0"
    if 1e-3 <= float(f"{size:.4g}") < 1e6:
        text = f"{float(f'{size:.4g}'):.10g}"
    else:
        digits, exponent = f"{size:.3e}".split("e")
        text = f"{float(digits):g}e{int(exponent)}".replace("-", "−")
    return "−" + text if number < 0 else text


def listed(numbers: Iterable[float]) -> str:
    """Several numbers with commas between them.

    >>> listed([0.25, -1])
    '0.25, −1'
    """
    return ", ".join(map(shown, numbers))


def code(what: Callable[..., Any]) -> str:
    """The source of a function or a class, without its docstring, for a text to show as it is typed."""
    lines = textwrap.dedent(inspect.getsource(what))
    if what.__doc__:
        head, rest = lines.split(f'    """{what.__doc__}"""\n', 1)
        lines = head + rest.lstrip("\n")
    return "\n\n" + textwrap.indent(lines.strip(), DEEP)
