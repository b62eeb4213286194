"""The names of numbered leaves."""

from __future__ import annotations

from collections.abc import Iterator

from schemakit.ddl.pattern import Pattern


def numbered(naming: str, parent: str, count: int) -> Iterator[tuple[int, str]]:
    """Yield the numbers up to *count*, and the name that *naming* gives each.

    Raises:
        LayoutRefused: *naming* is no pattern with ``{i}``.
    """
    pattern = Pattern(naming, ("i", "parent"))
    pattern.must_name("i")
    for number in range(count):
        yield number, pattern.filled(i=number, parent=parent)
