"""Commands on releases: verify the revision of an environment, carry it to the next, take it back."""

import re
from typing import Annotated, Any, Literal

import typer

from taxi_assets.cli.terminal import Json, load_settings, say, write_json
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings


def _require_text(value: str) -> str:
    if not value.strip():
        raise TaxiError("--by and --why are empty: write who and why, for the record")
    return value


def _require_digest(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise TaxiError(f"{value!r} is no digest of an image: write sha256: and 64 hexadecimal digits")
    return value


By = Annotated[str, typer.Option(help="Who does it.", callback=_require_text)]
Why = Annotated[str, typer.Option(help="The reason, for the record.", callback=_require_text)]
Target = Annotated[Literal["test", "prod"], typer.Option("--to", help="The environment: test or prod.")]
Image = Annotated[str | None, typer.Option(help="Digest of the image, as sha256:...", callback=_require_digest)]

release = typer.Typer(help="List the releases of this environment; verify, promote, undo.", invoke_without_command=True)


@release.callback()
def show(context: typer.Context, to_json: Json = None) -> None:
    """List the releases of this environment, oldest first."""
    from taxi_assets.monitoring.release.release_log import read_log

    if context.invoked_subcommand:
        return
    settings = load_settings()
    log = read_log(settings)
    if to_json != "-":
        for each in log:
            say(_line(each))
        if not log:
            say(f"{settings.env} has no release")
    write_json({"environment": settings.env, "releases": [_facts(each) for each in log]}, to_json)


@release.command()
def verify(by: By, why: Why, image: Image = None, to_json: Json = None) -> None:
    """Check the revision of this environment, and record that it is green."""
    from taxi_assets.monitoring.release import promote_release

    _report(promote_release.verify(load_settings(), _failed_checks, by, why, image), to_json)


@release.command()
def promote(to: Target, by: By, why: Why, to_json: Json = None) -> None:
    """Carry the verified revision of the environment before to this one."""
    from taxi_assets.monitoring.release import promote_release

    _report(promote_release.promote(_target(to), by, why), to_json)


@release.command()
def undo(to: Target, by: By, why: Why, to_json: Json = None) -> None:
    """Restore the release of an environment before its current one."""
    from taxi_assets.monitoring.release import promote_release

    _report(promote_release.undo(_target(to), by, why), to_json)


def _target(name: Literal["test", "prod"]) -> Settings:
    return load_settings().model_copy(update={"env": name})


def _failed_checks(settings: Settings, run_id: str) -> list[str]:
    from taxi_assets.defs.check_results import failed_blocking_checks
    from taxi_assets.defs.instance import open_instance

    with open_instance(settings) as instance:
        return failed_blocking_checks(instance, run_id)


def _line(each: Any) -> str:
    what = f"version {each.revision.model_version}, commit {each.revision.commit[:12]}" if each.revision else "nothing"
    return f"{each.number}  {each.at}  {each.action:8}  {what}  by {each.by}: {each.why}"


def _facts(each: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(each)


def _report(each: Any, to_json: str | None) -> None:
    if to_json != "-":
        say(_line(each))
        for name, found in each.checks.items():
            say(f"  {name}: {found}")
    write_json(_facts(each), to_json)
