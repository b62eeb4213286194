"""Where the words of others go: what env.py prints, and what a post-write hook says."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .output import Output

_OUT, _ERR = 1, 2


@contextmanager
def words_aside(output: Output) -> Iterator[None]:
    """Let whatever is written to stdout go to stderr, or nowhere if *output* does not talk.

    A hook is a process of its own, which inherits the file descriptor and not ``sys.stdout``.
    """
    if sys.stdout is None or sys.stderr is None:  # closed by the caller (>&-): nothing to mix up
        yield
        return
    sys.stdout.flush()
    with _kept() as kept, Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(_ERR if output.talks else nowhere.fileno(), _OUT)
        try:
            with redirect_stdout(sys.stderr if output.talks else nowhere):
                yield
        finally:
            os.dup2(kept, _OUT)


@contextmanager
def _kept() -> Iterator[int]:
    kept = os.dup(_OUT)
    try:
        yield kept
    finally:
        os.close(kept)
