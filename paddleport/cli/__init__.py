"""The command line: parse, call one function, print, exit code."""

import logging
import signal
import sys
from collections.abc import Collection
from importlib import import_module
from typing import Annotated

import typer

from paddleport import __version__
from paddleport.cli.console import print_error
from paddleport.errors import PortError
from paddleport.files import full_disk

# In the order of the help, each a function in a module of its name; and whether it shows its own
# help when nothing is typed after it.
COMMANDS = {
    "convert": True,
    "run": False,
    "validate": False,
    "locate": True,
    "tune": True,
    "compare": True,
    "explain-input": True,
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
        epilog="Exit codes: [bold]0[/] done and agreed · [bold]1[/] compared and found different, "
        "or some pictures not read · [bold]2[/] no answer. Results go to stdout, progress and "
        "errors to stderr.",
    )
    app.callback()(_common)
    for name in names:
        module = name.replace("-", "_")
        command = getattr(import_module(f"paddleport.cli.{module}"), module)
        app.command(name, no_args_is_help=COMMANDS[name])(command)
    return app


def _clean_up_when_terminated() -> None:
    """Have SIGTERM end this process as an error does, so that temporary files are removed."""

    def leave(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
        sys.exit(128 + number)

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, leave)


def main() -> None:
    """The console script: prints a ``PortError`` and exits with 2; a bug keeps its traceback."""
    _clean_up_when_terminated()
    typed = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    app = build_app([typed] if typed in COMMANDS else tuple(COMMANDS))
    try:
        app()
    except PortError as error:
        print_error(error)
        sys.exit(2)
    except OSError as error:  # a full disk is met in places that nobody can list
        message = full_disk(error)
        if message is None:
            raise
        print_error(message)
        sys.exit(2)
