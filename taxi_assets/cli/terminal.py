"""Shared by all commands: terminal output, settings, the JSON option. Commands belong elsewhere."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args, get_origin

import typer
from pydantic import Secret, SecretStr, ValidationError
from rich.console import Console

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.settings.environment import IN_S3


def _raise_broken_pipe(self: Console) -> NoReturn:  # noqa: ARG001 - a method of the class
    raise BrokenPipeError


# Rich would exit with code 1. Replaced in the class, since Typer prints the help on a console of its own.
Console.on_broken_pipe = _raise_broken_pipe  # type: ignore[method-assign]
console = Console()
error_console = Console(stderr=True)


def say(line: str) -> None:
    """Print a line without wrapping, so that names, paths, hashes and commands stay whole."""
    console.print(line, soft_wrap=True, highlight=False, markup=False)


def warn(line: str) -> None:
    """Print a warning to stderr without wrapping."""
    error_console.print(f"warning: {line}", soft_wrap=True, highlight=False, markup=False)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show the steps of a long command: one changing line on a terminal, otherwise a line each on stderr."""
    if not error_console.is_terminal:
        yield lambda line: error_console.print(line, soft_wrap=True, highlight=False, markup=False)
        return
    from rich.status import Status

    with Status("", console=error_console) as status:
        yield status.update


def require_writable_file(target: str, what: str, remedy: str = "name a file") -> None:
    """Check that the file can be written, before the work starts; leaves no new file behind."""
    path = Path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        path.open("a").close()
        if is_new:
            path.unlink()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise TaxiError(f"cannot write {what} to {target or repr(target)} ({why}): {remedy}") from error


def _require_json(target: str | None) -> str | None:
    if target not in {None, "-"}:
        require_writable_file(str(target), "JSON", "name a file, or - to print it")
    return target


Json = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write the facts as JSON; - prints them.", callback=_require_json),
]
Services = Annotated[
    str | None, typer.Option(help="Services, separated by commas: green, yellow, fhvhv; unset, TAXI_SERVICES.")
]


def load_settings(**given: Any) -> Settings:
    """The settings of the environment, overridden by those of the command line."""
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"TAXI_{first['loc'][0]}".upper()
        why = first["msg"].removeprefix("Value error, ")
        given_text = "..." if _is_secret(str(first["loc"][0])) else str(first["input"])
        shown = f"'{given_text}'" if given_text.isprintable() else ascii(given_text)
        raise TaxiError(f"{name} is {shown}: {why}; see docs/settings.md") from error
    _require_folder(settings.home)
    return settings


def _is_secret(setting: str) -> bool:
    field = Settings.model_fields.get(setting)
    kinds = [get_origin(kind) or kind for kind in get_args(field.annotation)] if field else []
    # A wrong address of S3 may have keys in it.
    return SecretStr in kinds or Secret in kinds or f"TAXI_{setting.upper()}" in IN_S3


def _require_folder(home: Path) -> None:
    for path in (home, *home.parents):
        if path.is_file():
            raise TaxiError(f"TAXI_HOME is '{home}', but {path} is a file: set TAXI_HOME to a folder")


def load_home_settings(remedy: str = "run `make run` first") -> Settings:
    """The settings of the environment, for a command that needs a home and creates none.

    Raises:
        TaxiError: the home does not exist yet; the message has the remedy.
    """
    settings = load_settings()
    if not settings.root.is_dir():
        raise TaxiError(f"{settings.root} does not exist yet: {remedy}, or set TAXI_HOME")
    return settings


def write_json(facts: dict[str, Any], target: str | None) -> None:
    """Write the facts to a file or, for `-`, to standard output; do nothing without a target."""
    if target is None:
        return
    text = json.dumps(facts, indent=2, default=str)
    if target == "-":
        try:
            print(text, flush=True)  # noqa: T201 - JSON for a pipe
        except BrokenPipeError:
            raise BrokenPipeError from None  # without an `errno`, at which Typer would exit with code 1
        return
    Path(target).write_text(text + "\n")


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """The `TAXI_*` variables that are no setting, each with the most similar setting, if any."""
    known = [f"TAXI_{name.upper()}" for name in Settings.model_fields]
    unknown = [name for name in environment if name.upper().startswith("TAXI_") and name.upper() not in known]
    return {name: next(iter(get_close_matches(name.upper(), known, n=1)), None) for name in sorted(unknown)}
