"""`prune_queries`: an equality on the source of a key, and the server looks into one leaf.

PostgreSQL prunes by the key column, and queries ask for its source. ``source = x`` gets ``AND key =
k`` beside it, with k computed here from x, each time that a statement is executed: in a compiled
statement, which SQLAlchemy remembers, k is a parameter as x is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Delete, Integer, Select, Table, Update, bindparam, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from schemakit.errors import (
    ConfigurationError,
    HashMismatch,
    LayoutRefused,
    SchemakitError,
    UnsupportedTarget,
)
from schemakit.partitioning.hashing.text import kind_of
from schemakit.partitioning.strategies.hash_key import HashKeyLayout
from schemakit.runner.verify import verify_server
from schemakit.sql.name import quote

from .keys import keys_of
from .known import layout_of, table_of
from .wheres import Asked, asked_for, key_beside

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect
    from sqlalchemy.orm import ORMExecuteState

_Parameters = Sequence[Mapping[str, Any]]


async def prune_queries(target: AsyncEngine | AsyncSession, *tables: object) -> None:
    """Have queries on *tables* look into one leaf, where they ask for one source.

    Whatever SELECT, UPDATE or DELETE goes through *target* from now on and has ``source = value``,
    or ``source IN (values)``, among the conditions of its WHERE that are joined by AND, gets the
    same condition on the key. What is elsewhere is left as it is, in subqueries, in OR, in an ON or
    in text: it is right, and slower.

    A row that is stored under a wrong key is not found by such a query. The CHECK of a declared
    layout sees to it that there is none; validate it on a table that is older than it.

    Args:
        target: the engine whose statements get it, or one session.
        tables: each a `Table` or a mapped class, with a `HashKeyLayout`.

    Raises:
        LayoutRefused: a table has another layout, or none.
        HashMismatch: the server does not hash as the calculator does; nothing is changed.
        UnsupportedTarget: *target* is neither an AsyncEngine nor an AsyncSession.
        ConfigurationError: there is no such table on it; or no table was named.
    """
    _check(target, tables)
    found = {}
    for each in tables:
        table, layout = _laid_out(each)
        await _verify(_engine(target, table), layout)
        found[table] = layout
    if isinstance(target, AsyncSession):
        event.listen(target.sync_session, "do_orm_execute", partial(_in_session, found))
    else:
        event.listen(target.sync_engine, "before_execute", partial(_in_engine, found), retval=True)


def _check(target: object, tables: tuple[object, ...]) -> None:
    if not isinstance(target, AsyncEngine | AsyncSession):
        detail = f"{kind_of(target)} is neither an AsyncEngine nor an AsyncSession."
        raise UnsupportedTarget(
            detail, remedy="give the engine of create_async_engine(…), or one AsyncSession."
        )
    if not tables:
        detail = "No table was named whose queries are to look into one leaf."
        raise ConfigurationError(detail, remedy="name each: prune_queries(engine, Chunk).")


def _laid_out(given: object) -> tuple[Table, HashKeyLayout]:
    table = table_of(given)
    layout = layout_of(table) if table is not None else None
    if isinstance(table, Table) and isinstance(layout, HashKeyLayout):
        return table, layout
    if layout is not None:
        detail = f"{layout.parent} has no key column: PostgreSQL prunes it by itself."
        raise LayoutRefused(detail, remedy="leave it out.")
    detail = f"{given!r} has no layout."
    raise LayoutRefused(detail, remedy="give a Table or a class with a declared HashKeyLayout.")


def _engine(target: AsyncEngine | AsyncSession, table: Table) -> Any:
    if isinstance(target, AsyncEngine):
        return target
    bind: Any = target.bind
    return bind or AsyncEngine(target.get_bind(clause=table))  # type: ignore[arg-type]  # of an engine, unless bind says


async def _verify(engine: Any, layout: HashKeyLayout) -> None:
    verified = await verify_server(engine, layout.parent)
    if layout.source in verified.uncertain:
        raise HashMismatch(
            f"Collation: that of {quote(layout.source)} is not deterministic: texts that are equal "
            "have different keys.",
            remedy="leave its queries as they are.",
        )


_Layouts = dict[Table, HashKeyLayout]


def _in_engine(
    layouts: _Layouts,
    connection: Connection,
    statement: Any,
    many: _Parameters,
    one: Mapping[str, Any],
    _: Any,
) -> tuple[Any, Any, Any]:
    given = many or ([one] if one else [])
    statement, parameters = pruned(statement, given, layouts, connection.dialect)
    if parameters is given:
        return statement, many, one
    return statement, parameters, {}


def _in_session(layouts: _Layouts, state: ORMExecuteState) -> None:
    given: Any = state.parameters or []
    several = isinstance(given, Sequence)
    dialect = state.session.get_bind(**state.bind_arguments).dialect
    state.statement, found = pruned(
        state.statement, given if several else [given], layouts, dialect
    )
    if found:
        state.parameters = list(found) if several else dict(found[0])


def pruned(
    statement: Any, parameters: _Parameters, layouts: _Layouts, dialect: Dialect
) -> tuple[Any, _Parameters]:
    """Return *statement* with what it asks of a source asked of the key, too; and its parameters.

    Args:
        statement: anything that can be executed.
        parameters: what it is executed with.
        layouts: of the tables to look for.
        dialect: for which values are made.
    """
    if not isinstance(statement, Select | Update | Delete):
        return statement, parameters
    found = _Pruning(parameters, dialect)
    for asked in asked_for(statement, layouts):
        statement = found.added(statement, asked)
    return statement, found.parameters


@dataclass(slots=True)
class _Pruning:
    """One statement, about to be executed."""

    parameters: _Parameters
    dialect: Dialect
    _names: int = field(default=0)

    def added(self, statement: Any, asked: Asked) -> Any:
        """Return *statement* with the key beside the source, if that can be told."""
        try:
            named = bool(self.parameters) and asked.value.key in self.parameters[0]
            condition = self._each(asked) if named else self._once(asked)
        except SchemakitError:
            return statement  # the server says what is wrong with that value
        return statement if condition is None else statement.where(condition)

    def _once(self, asked: Asked) -> Any:
        found = self._keys(asked, asked.value.effective_value)
        if found is None:
            return None
        key = key_beside(asked)
        return key.in_(found) if asked.several else key == found

    def _each(self, asked: Asked) -> Any:
        """The value is a parameter, and so is the key: of as many executions as there are."""
        found = [self._keys(asked, given[asked.value.key]) for given in self.parameters]
        if None in found:
            return None
        self._names += 1
        name = f"schemakit_key_{self._names}"
        self.parameters = [
            {**given, name: value} for given, value in zip(self.parameters, found, strict=True)
        ]
        sent = bindparam(name, type_=Integer, expanding=asked.several)
        key = key_beside(asked)
        return key.in_(sent) if asked.several else key == sent

    def _keys(self, asked: Asked, value: Any) -> Any:
        layout, source = asked.layout, asked.source
        if not asked.several:
            return keys_of(layout, source, [value], self.dialect).get(value)
        found = sorted(set(keys_of(layout, source, value or (), self.dialect).values()))
        # Half of the leaves and more are no fewer to speak of.
        return found if found and 2 * len(found) <= layout.modulus else None
