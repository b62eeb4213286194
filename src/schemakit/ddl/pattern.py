"""Patterns of names: ``"{parent}_{i:02}"``. A pattern is checked before anything is named by it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter

from schemakit.errors import ConfigurationError, LayoutRefused
from schemakit.sql.name import quote

#: Zeros in front up to so many digits; nothing that reads a value's attributes.
_PADDING = re.compile(r"0?[0-9]{0,2}d?")


def checked_name(name: object, of: str) -> str:
    """Return *name*, which is to be that *of* something in a layout: ``"a leaf"``.

    Raises:
        LayoutRefused: PostgreSQL cannot have it, or would cut it.
    """
    if not isinstance(name, str):
        detail = f"The name of {of}, {name!r}, is no str."
        raise LayoutRefused(detail, remedy="give the name as PostgreSQL has it, unquoted.")
    try:
        quote(name)
    except ConfigurationError as error:
        raise LayoutRefused(f"The name of {of}: {error.detail}", remedy=error.remedy) from None
    return name


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of names.

    Attributes:
        text: the pattern; ``{{`` is a brace.
        fields: the names that may stand in its braces.

    Raises:
        LayoutRefused: it is none.
    """

    text: str
    fields: tuple[str, ...]

    def __post_init__(self) -> None:
        known = [f"{{{field}}}" for field in self.fields]
        try:
            parts = list(self._parts())
        except (TypeError, ValueError) as error:
            detail = f"{self.text!r} is no pattern of a name: {error}."
            raise LayoutRefused(detail, remedy=f"use {', '.join(known)}.") from None
        for field, padding in parts:
            if field not in self.fields or not _PADDING.fullmatch(padding):
                detail = f"The pattern {self.text!r} has {{{field}}} in it, or a format unknown."
                raise LayoutRefused(
                    detail, remedy=f"use {', '.join(known)}, padded by zeros as in {{i:02}}."
                )

    def _parts(self) -> Iterator[tuple[str, str]]:
        for _, field, padding, conversion in Formatter().parse(self.text):
            if field is not None:
                yield field if conversion is None else f"{field}!{conversion}", padding or ""

    def must_name(self, *fields: str) -> None:
        """Refuse a pattern that would give everything the same name.

        Raises:
            LayoutRefused: none of *fields* is in it.
        """
        if not {field for field, _ in self._parts()}.intersection(fields):
            needed = " or ".join(f"{{{field}}}" for field in fields)
            detail = f"The pattern {self.text!r} gives all of them the same name."
            raise LayoutRefused(detail, remedy=f"have {needed} in it.")

    def filled(self, **values: object) -> str:
        """Return the name for *values*."""
        return self.text.format(**values)
