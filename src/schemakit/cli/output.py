"""What the program says, and where: results on stdout, everything else on stderr.

A result waits until the verb has ended: what env.py or a hook prints meanwhile is no part of it
(see `aside`).
"""

from __future__ import annotations

import json
import os
import re
import traceback
from dataclasses import dataclass, field
from typing import Any

import click

from schemakit.errors import SchemakitError
from schemakit.report import json as as_json

_INTERRUPTED = "Interrupted: what was not committed is rolled back; `{}` says {}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How the program speaks.

    Attributes:
        json: one JSON object on stdout, and nothing else anywhere.
        quiet: nothing, unless it fails.
        verbose: the log on stderr, and no progress.
        secrets: what must not be shown.
        about_backups: whether the verb is one of ``backups``, which have their own status.
        results: what is to be printed on stdout at the end.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    secrets: frozenset[str] = frozenset()
    about_backups: bool = False
    results: list[str] = field(default_factory=list)

    @property
    def talks(self) -> bool:
        """Whether people read along while it works."""
        return not (self.json or self.quiet)

    def show(self, text: str, data: dict[str, Any]) -> None:
        """Have a result printed, as *text* or as *data*."""
        self.show_as_it_is(str(self.redacted(text)), self.redacted(data))

    def show_as_it_is(self, text: str, data: object) -> None:
        """Have it printed letter for letter, whatever a password may look like."""
        if self.talks or self.json:
            self.results.append(json.dumps(data, ensure_ascii=False) if self.json else text)

    def hand_over(self) -> None:
        """Print the results."""
        while self.results:
            click.echo(self.results.pop(0))

    def note(self, text: str) -> None:
        """Say something in passing."""
        if self.talks:
            click.echo(self.redacted(text), err=True)

    def failed(self, error: Exception) -> None:
        """Say what went wrong, and the way out."""
        if isinstance(error, SchemakitError):
            self._complain(str(error), as_json.error(error))
        else:
            remedy = "SCHEMAKIT_DEBUG=1 shows where it happened."
            kind, message = type(error).__name__, _first_line(error)
            data = as_json.failure(kind, message, remedy)
            self._complain(f"{kind}: {message}\nRemedy: {remedy}", data)
        if os.environ.get("SCHEMAKIT_DEBUG") == "1":
            click.echo(self.redacted("".join(traceback.format_exception(error))), err=True)

    def misused(self, error: click.ClickException) -> None:
        """Say what click could not understand, as click says it."""
        if self.json:
            self._complain("", as_json.failure(type(error).__name__, error.format_message()))
        else:
            error.show()

    def interrupted(self) -> None:
        """Say that Ctrl-C has ended it."""
        way = ("schemakit status", "where the database stands")
        if self.about_backups:
            way = ("schemakit backups status", "which backups there are")
        text = _INTERRUPTED.format(*way)
        self._complain(text, as_json.failure("Interrupted", text))

    def _complain(self, text: str, data: dict[str, Any]) -> None:
        if self.json:
            self.show(text, data)
        else:
            color = False if os.environ.get("NO_COLOR") else None
            click.secho(self.redacted(text), err=True, fg="red", color=color)

    def redacted(self, value: object) -> object:
        """Return *value*, a text or what JSON is made of, without the secrets."""
        if isinstance(value, str):
            # The longest first: one password may be the beginning of another's encoded form.
            for secret in sorted(self.secrets, key=len, reverse=True):
                value = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", value)
            return value
        if isinstance(value, dict):
            return {key: self.redacted(item) for key, item in value.items()}
        return [self.redacted(item) for item in value] if isinstance(value, list) else value


def _first_line(error: Exception) -> str:
    # SQLAlchemy's own text goes on with the statement and its parameters: the driver's is enough.
    original = getattr(error, "orig", None)
    said = getattr(original, "__cause__", None) or original or error
    return str(said).strip().partition("\n")[0]
