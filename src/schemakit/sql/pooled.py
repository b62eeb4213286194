"""What a transaction pooler cannot honour: statements whose effect lies in the session.

Behind such a pooler the next transaction runs in another session, and the next client gets this
one: what was SET is missing where it was meant, and is found where it was not. By the words
alone: what stands in a function's body is not seen, except in a DO block.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .lexer import tokens

_Tokens = list[tuple[str, str]]

_LOCAL = "use SET LOCAL, or set_config(…, …, true): they last until the end of the transaction."
_WAYS_OUT = {
    "SET": _LOCAL,
    "RESET": "what was SET LOCAL ends with the transaction; nothing need be RESET.",
    "set_config()": _LOCAL,
    "LISTEN": "listen on a connection to the server itself.",
    "UNLISTEN": "listen on a connection to the server itself.",
    "PREPARE": "send the statement itself.",
    "DEALLOCATE": "send the statement itself.",
    "EXECUTE": "send the statement itself.",
    "LOAD": "name the library in session_preload_libraries of the server, database or role.",
    "DISCARD": "nothing need be discarded: the session is the pooler's.",
    "DECLARE … WITH HOLD": "read the cursor to its end in the transaction, without WITH HOLD.",
    "CREATE TEMP TABLE": "say ON COMMIT DROP, and use it in the transaction that makes it.",
    "CREATE TEMP VIEW": "make it a WITH query of the statement that needs it.",
    "CREATE TEMP SEQUENCE": "use row_number(), or a serial column of a TEMP table.",
}
_ADVISORY = "use pg_advisory_xact_lock() and its kin, which end with the transaction."

_FIRST_WORDS = frozenset(
    ("reset", "listen", "unlisten", "deallocate", "execute", "load", "discard")
)
#: ``SET …`` that lasts no longer than the transaction.
_SET_LOCALLY = frozenset(("local", "transaction", "constraints"))
_TEMPORARY = frozenset(("temp", "temporary"))
_BEFORE_TEMPORARY = frozenset(("or", "replace", "global", "local"))
_SESSION_LOCKS = frozenset(
    f"pg_{call}{shared}"
    for call in ("advisory_lock", "try_advisory_lock", "advisory_unlock")
    for shared in ("", "_shared")
) | {"pg_advisory_unlock_all"}
#: They say what is to happen later, in whatever session.
_DEFINITIONS = frozenset(("function", "procedure", "view", "rule", "trigger", "policy"))
#: Words of PL/pgSQL after which a statement begins.
_OPENING = frozenset(("begin", "then", "else", "loop"))
_TRUE = frozenset(("true", "'true'", "'t'", "'on'", "'yes'", "'1'"))


def session_only(sql: str) -> str | None:
    """Return the part of *sql* that needs a session of its own, as people call it; None: nothing.

    Args:
        sql: one statement or several.
    """
    for statement in _statements(sql, frozenset()):
        found = _of_statement(statement)
        if found is not None:
            return found
    return None


def way_out(found: str) -> str:
    """Return what to do instead of what `session_only` has found."""
    if found.startswith("SET "):
        return _LOCAL
    return _WAYS_OUT.get(found, _ADVISORY)


def _statements(sql: str, opening: frozenset[str]) -> Iterator[_Tokens]:
    """Yield the statements of *sql*, each as its tokens without spaces and comments."""
    statement: _Tokens = []
    for kind, text in tokens(sql):
        if kind in ("space", "comment"):
            continue
        if text == ";" or (kind == "word" and text.lower() in opening):
            yield statement
            statement = []
            continue
        statement.append((kind, text.lower() if kind == "word" else text))
    yield statement


def _of_statement(statement: _Tokens) -> str | None:
    words = [text if kind == "word" else "" for kind, text in statement]
    match words[:2]:
        case ["set", second, *_]:
            return None if second in _SET_LOCALLY else _set(statement[1:])
        case ["prepare", second, *_]:
            return None if second == "transaction" else "PREPARE"
        case [first, *_] if first in _FIRST_WORDS:
            return first.upper()
        case ["do", *_]:
            return _of_block(statement)
        case _:
            return _held(words) or (None if _defines(words) else _called(statement))


def _held(words: list[str]) -> str | None:
    """Return what the statement makes that lasts as long as the session."""
    if words[:1] == ["declare"] and _beside(words, "with", "hold"):
        return "DECLARE … WITH HOLD"
    if words[:1] == ["create"]:
        return _temporary([word for word in words[1:] if word not in _BEFORE_TEMPORARY])
    return "CREATE TEMP TABLE" if any(_beside(words, "into", each) for each in _TEMPORARY) else None


def _defines(words: list[str]) -> bool:
    return words[:1] in (["create"], ["alter"]) and not _DEFINITIONS.isdisjoint(words[:5])


def _set(rest: _Tokens) -> str:
    # SET SESSION CHARACTERISTICS and SET SESSION AUTHORIZATION are of two words.
    named = [text for _, text in rest if text != "session"][:1]
    return f"SET {named[0]}" if named else "SET"


def _of_block(statement: _Tokens) -> str | None:
    for kind, text in statement:
        if kind == "body":
            tag = text[: text.index("$", 1) + 1]
            for inner in _statements(text.removeprefix(tag).removesuffix(tag), _OPENING):
                found = None if inner and inner[0][1] == "execute" else _of_statement(inner)
                if found is not None:
                    return found
    return None


def _temporary(words: list[str]) -> str | None:
    if not words or words[0] not in _TEMPORARY:
        return None
    kind = next((word for word in words[1:] if word != "recursive"), "")
    if kind == "table" and _beside(words, "commit", "drop"):
        return None
    return f"CREATE TEMP {kind.upper()}"


def _called(statement: _Tokens) -> str | None:
    for position, (kind, text) in enumerate(statement):
        if kind != "word" or statement[position + 1 : position + 2] != [("other", "(")]:
            continue
        if text in _SESSION_LOCKS:
            return f"{text}()"
        if text == "set_config" and not _is_local(statement[position + 2 :]):
            return "set_config()"
    return None


def _is_local(arguments: _Tokens) -> bool:
    """Whether the last argument of a call is a literal yes; *arguments* go on after the call."""
    depth, last = 0, ""
    for _, text in arguments:
        if text == ")" and depth == 0:
            break
        depth += (text == "(") - (text == ")")
        last = text
    return last.lower() in _TRUE


def _beside(words: list[str], one: str, other: str) -> bool:
    return (one, other) in pairwise(words)
