"""What every exception of schemakit is."""

from __future__ import annotations

import copyreg
from typing import Any


class SchemakitError(Exception):
    """schemakit could not finish the operation."""

    remedy: str = ""

    def __init__(self, detail: str = "", *, remedy: str | None = None) -> None:
        self.detail = detail
        if remedy is not None:
            self.remedy = remedy
        super().__init__(detail)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls __init__ with the message alone.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # pickle's own

    @property
    def summary(self) -> str:
        """The class's sentence, without the detail."""
        return (type(self).__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")

    def __str__(self) -> str:
        parts = (self.summary, self.detail, self.remedy and f"Remedy: {self.remedy}")
        return "\n".join(part for part in parts if part)


class ConfigurationError(SchemakitError):
    """schemakit cannot make sense of what it was asked for."""
