"""Asking before something is destroyed."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from schemakit.errors import ConfigurationError

if TYPE_CHECKING:
    from .output import Output

yes = click.option("--yes", is_flag=True, help="Do not ask first.")


def confirmed(output: Output, question: str) -> bool:
    """Ask *question* on the terminal; whether the answer is yes.

    Raises:
        ConfigurationError: there is nobody to ask.
    """
    if not (output.talks and sys.stdin.isatty()):
        detail = f"{question} There is nobody to ask."
        raise ConfigurationError(detail, remedy="give --yes, or --dry-run where there is one.")
    # asyncio's own handler would wait until the prompt has been answered.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)
    if not agreed:
        output.note("Nothing was done.")
    return agreed
