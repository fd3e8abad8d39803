"""The command line: parse, call one function, print, exit code."""

import logging
import sys
from typing import Annotated

import typer

from paddleport import __version__
from paddleport.cli import (
    backends,
    compare,
    convert,
    doctor,
    explain_input,
    locate,
    models,
    run,
    tune,
    validate,
)
from paddleport.cli.console import print_error
from paddleport.errors import PortError
from paddleport.files import full_disk

app = typer.Typer(
    name="paddleport",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: [bold]0[/] done and agreed · [bold]1[/] compared and found different, or "
    "some pictures not read · [bold]2[/] no answer. Results go to stdout, progress and errors "
    "to stderr.",
)
app.command("convert", no_args_is_help=True)(convert.convert)
app.command("run")(run.run)
app.command("validate")(validate.validate)
app.command("locate", no_args_is_help=True)(locate.locate)
app.command("tune", no_args_is_help=True)(tune.tune)
app.command("compare", no_args_is_help=True)(compare.compare)
app.command("explain-input", no_args_is_help=True)(explain_input.explain_input)
app.command("models")(models.models)
app.command("backends")(backends.backends)
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"paddleport {__version__}")
        raise typer.Exit


@app.callback()
def common(
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


def main() -> None:
    """The console script: a border post that knows ``PortError``; a bug keeps its traceback."""
    try:
        app()
    except PortError as error:
        print_error(error)
        sys.exit(2)
    except OSError as error:  # a full disk is met in places that nobody can list
        told = full_disk(error)
        if told is None:
            raise
        print_error(told)
        sys.exit(2)
