"""From a coroutine function to a command: what every verb has in common."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import click

from . import imports, options
from .aside import words_aside
from .exit_codes import ExitCode, exit_code
from .log import logged

if TYPE_CHECKING:
    from .call import Call
    from .output import Output

Verb = Callable[..., Awaitable[ExitCode]]


class InOrder(click.Group):
    """Verbs, listed in the order in which they were given."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return their names."""
        return list(self.commands)


def verb(
    function: Verb, shared: Sequence[click.Option] = (*options.DATABASE, *options.DIRECTORY)
) -> click.Command:
    """Make *function* a command of its name, with its docstring as help and the shared options.

    It is awaited with a `Call` and with the values of its own options and arguments, which
    ``click.option`` and ``click.argument`` declare below this decorator.

    Args:
        function: what the verb does.
        shared: those of the shared options that mean something to it.
    """
    own = list(reversed(getattr(function, "__click_params__", [])))
    return click.Command(
        function.__name__.rstrip("_"),  # a keyword of Python's may be a verb
        callback=partial(_enter, function),
        params=[*own, *shared, *options.SPEECH],
        help=cleandoc(function.__doc__ or ""),
    )


#: For verbs that need no database.
offline_verb = partial(verb, shared=options.DIRECTORY)
#: For verbs that need no migrations directory either.
bare_verb = partial(verb, shared=())


def _enter(function: Verb, **given: object) -> ExitCode:
    output = options.taken_output(given)
    if output.json and output.quiet:
        raise click.UsageError("--json and --quiet exclude each other.")
    with logged(output), imports.project_first():
        with words_aside(output):
            code = answered(partial(_run, function, given, output), output)
        output.hand_over()
    return code


async def _run(function: Verb, given: dict[str, Any], output: Output) -> ExitCode:
    call: Call = options.taken_call(given, output)
    return await function(call, **given)


class Terminated:
    """SIGTERM as a cancellation, as asyncio makes one of SIGINT.

    Attributes:
        here: whether it has come.
    """

    def __init__(self) -> None:
        self.here = False

    async def heard(self, work: Coroutine[Any, Any, ExitCode]) -> ExitCode:
        """Await *work*, and cancel it when the signal comes."""
        task = asyncio.current_task()

        def end() -> None:
            self.here = True
            if task is not None:
                task.cancel()

        with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; another thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        return await work


def answered(work: Callable[[], Coroutine[Any, Any, ExitCode]], output: Output) -> ExitCode:
    """Run *work* in an event loop, say what goes wrong in it, and return the exit code.

    Ctrl-C or SIGTERM cancels *work*, which rolls back what it has not committed, before this
    returns.
    """
    ended = Terminated()
    try:
        return asyncio.run(ended.heard(work()))
    except KeyboardInterrupt:
        output.interrupted()
        return ExitCode.INTERRUPTED
    except asyncio.CancelledError:
        if not ended.here:
            raise
        output.interrupted()
        return ExitCode.TERMINATED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise
        output.failed(error)
        return exit_code(error)
