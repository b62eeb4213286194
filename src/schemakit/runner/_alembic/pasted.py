"""A compiled statement with its values in the text, as psycopg2 sends every statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy.exc import CompileError, StatementError

from schemakit.errors import StatementRefused
from schemakit.sql import without_literals
from schemakit.sql.literal import literal

#: Given a bind parameter of the statement, its SQL.
_Write = Callable[[Any], str]


def with_values(context: Any, statement: str, row: int = 0) -> str:
    """Return the statement of *context* with the values of its *row*-th execution in the text.

    Args:
        context: SQLAlchemy's execution context.
        statement: its text, for messages.
        row: which of several sets of parameters (executemany).

    Raises:
        StatementRefused: it was no SQLAlchemy construct, or a value has no text in SQL.
    """
    shown = without_literals(statement)
    compiled = context.compiled
    if compiled is None:
        detail = f"It has parameters where the server takes none: {shown}"
        raise StatementRefused(detail, remedy="write the values into the text, or use text().")
    dialect = context.dialect
    try:
        pasted = _pasting(dialect.statement_compiler)(
            dialect,
            compiled.statement,
            column_keys=compiled.column_keys,
            compile_kwargs={"literal_binds": True},
            write=_writer(context, row),
        )
    except (CompileError, StatementError, NotImplementedError, TypeError, ValueError) as error:
        detail = f"A value cannot be written as SQL text ({error}): {shown}"
        raise StatementRefused(
            detail, remedy="give the parameter a type: bindparams(bindparam('x', type_=JSONB))."
        ) from None
    return str(pasted)


def _writer(context: Any, row: int) -> _Write:
    compiled, values = context.compiled, context.compiled_parameters[row]
    lists: Mapping[str, Sequence[str]] = context._expanded_parameters  # noqa: SLF001 - what SQLAlchemy made of an expanding parameter
    processors: Mapping[str, Any] = compiled._bind_processors  # noqa: SLF001 - turn a value of a typed parameter into the driver's

    def write(parameter: Any) -> str:
        # An INSERT is compiled with clones of its parameters. What a parameter holds itself is
        # never asked: SQLAlchemy caches statements, and it may be another execution's value.
        clone = compiled.binds.get(parameter.key)
        name = compiled.bind_names.get(parameter) or compiled.bind_names.get(clone)
        names = lists.get(name, (name,))
        if any(name not in values for name in names) or parameter.type._is_tuple_type:  # noqa: SLF001 - a list of rows
            raise CompileError(f"{parameter.key!r} has no value")
        process = processors.get(name) or (lambda value: value)
        texts = [literal(process(values[name])) for name in names]
        return ", ".join(texts) or "SELECT NULL WHERE false"

    return write


@cache
def _pasting(original: Any) -> Any:
    class PastingCompiler(original):  # type: ignore[misc]  # the class is SQLAlchemy's, found at run time
        """Writes values as psycopg2 would; SQLAlchemy's own way knows few types."""

        def __init__(self, *arguments: Any, write: _Write, **options: Any) -> None:
            self._write = write
            super().__init__(*arguments, **options)

        def render_literal_bindparam(self, bindparam: Any, *_: Any, **__: Any) -> str:
            return self._write(bindparam)

        def _process_numeric(self) -> None:
            """Leave the text alone: what looks like a parameter in it stands in a value."""

    return PastingCompiler
