"""The command line: parse, call one function, print, exit code."""

import contextlib
import logging
import os
import sys
from collections.abc import Collection
from importlib import import_module
from typing import Annotated

import typer

from paddleport import __version__
from paddleport.cli.console import keep_stdout_for_results, print_error, print_whatever_comes
from paddleport.cli.interrupts import end_by_signals, end_without_teardown
from paddleport.errors import PortError
from paddleport.files import full_disk

NO_ANSWER = 2
CRASHED = 70  # EX_SOFTWARE of sysexits.h: a fault of paddleport's own
INTERRUPTED, READER_GONE, TERMINATED = 130, 141, 143  # as a shell has them, 128 and the signal

# In the order of the help, each a function in a module of its name; and whether it shows its own
# help when nothing is typed after it.
COMMANDS = {
    "convert": True,
    "run": False,
    "serve": True,
    "validate": False,
    "evaluate": True,
    "locate": True,
    "tune": True,
    "compare": True,
    "explain-input": True,
    "device-folder": True,
    "check-answers": True,
    "models": False,
    "backends": False,
    "doctor": False,
}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"paddleport {__version__}")
        raise typer.Exit


def _common(
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log what is done; -vv for more.")
    ] = 0,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Carry a Paddle model to any runtime, and prove that it is still the same model."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("paddleport").setLevel(level)


def build_app(names: Collection[str] = tuple(COMMANDS)) -> typer.Typer:
    """The application with some of its commands; the others are not imported."""
    app = typer.Typer(
        name="paddleport",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: [bold]0[/] done and agreed · [bold]1[/] compared and found different "
        "or less accurate, or some pictures not read · [bold]2[/] no answer · [bold]70[/] a fault "
        "of paddleport's own. Results go to stdout, progress and errors to stderr.",
    )
    app.callback()(_common)
    for name in names:
        module = name.replace("-", "_")
        command = getattr(import_module(f"paddleport.cli.{module}"), module)
        app.command(name, no_args_is_help=COMMANDS[name])(command)
    return app


def main() -> None:
    """The console script: every way that a command ends is an exit code and at most one line."""
    end_by_signals()
    keep_stdout_for_results()
    print_whatever_comes()
    try:
        code = _flushed(_run())
    except (BrokenPipeError, SystemExit):  # nobody reads what is to be said of an error
        code = READER_GONE
    if code in (INTERRUPTED, TERMINATED) and "ray" in sys.modules:
        end_without_teardown(code)
    sys.exit(code)


def _run() -> int:
    typed = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    try:
        build_app([typed] if typed in COMMANDS else tuple(COMMANDS))()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer and rich make it a 1
            return READER_GONE
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except PortError as error:
        print_error(error)
    except MemoryError as error:
        print_error(f"out of memory: {str(error) or 'this machine has too little for that'}")
    except Exception as error:
        full = full_disk(error) if isinstance(error, OSError) else None
        if full is None:
            from paddleport.cli.crash_report import report_crash  # slow to import

            report_crash(error)
            return CRASHED
        if _flush_error() is None:  # else it is stdout that is full
            print_error(full)  # a full disk is met in places that nobody can list
    return NO_ANSWER


def _flushed(code: int) -> int:
    """The exit code once all is written: Python itself would find out too late to say so."""
    error = _flush_error()
    if error is None:
        return code
    with contextlib.suppress(OSError, ValueError):  # what is left in the buffer goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    print_error(f"the results cannot be written to standard output: {error.strerror}")
    return NO_ANSWER


def _flush_error() -> OSError | None:
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return None
