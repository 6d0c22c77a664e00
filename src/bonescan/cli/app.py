"""The program as a whole: its name, its exit codes, what becomes of an error."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NoReturn

import typer

from bonescan import RESEARCH_USE
from bonescan.console import complain

app = typer.Typer(
    name="bonescan",
    help=f"Open, offline reading of planar whole-body bone scans. {RESEARCH_USE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Said of an option or argument without content.
_EMPTY = "is empty; give a value, or leave it out"

#: Exit code after Ctrl-C.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; an error that the user can act on is one line and exit code 2."""
    from bonescan.errors import BonescanError

    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name need not be text: show it anyway
        sys.stdout.reconfigure(errors="backslashreplace")
    _refuse_empty(sys.argv[1:])
    try:
        code = app(prog_name="bonescan", standalone_mode=False)
    except BonescanError as error:
        _fail(str(error))
    except OSError as error:
        where = error.filename or "input or output"
        _fail(f"{where}: {error.strerror or error}; check the path, its rights and the disk")
    except Exception as error:
        _fail_call(error)
    if code == _INTERRUPTED:
        _fail("interrupted; start the same command again to go on", code=_INTERRUPTED)
    sys.exit(code)


def _refuse_empty(words: Sequence[str]) -> None:
    """End a call with an empty word: as a path it would mean the folder that one happens to be in.

    A shell makes one of a variable that is not set: ``--model "$MODEL"``.
    """
    for before, word in pairwise(("", *words)):
        if not word.strip():
            _fail(f"{before if before.startswith('-') else 'an argument'}: {_EMPTY}")
        if word.startswith("--") and word.endswith("="):
            _fail(f"{word[:-1]}: {_EMPTY}")


def _fail_call(error: Exception) -> NoReturn:
    """End after a call that the parser refuses; anything else is our own error and goes on."""
    message = getattr(error, "format_message", None)
    if message is None:
        raise error
    if "\n" in message():  # the help, where no command was given
        error.show()  # type: ignore[attr-defined]
        sys.exit(2)
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "bonescan"
    _fail(f"{message().rstrip('.')}; see {command} --help")


def _fail(message: str, code: int = 2) -> NoReturn:
    complain([message])
    sys.exit(code)


def _show_version(wanted: bool) -> None:
    if wanted:
        from bonescan import __version__

        print(f"bonescan {__version__}. {RESEARCH_USE}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass
