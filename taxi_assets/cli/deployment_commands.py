"""Commands on deployments: which model versions the endpoint serves, and to whom."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_assets.cli.deployment_report import print_deployments, routing_line
from taxi_assets.cli.terminal import Json, console, load_home_settings, say, write_json
from taxi_assets.errors import TaxiError

if TYPE_CHECKING:
    from taxi_assets.serving.deployment_client import DeploymentClient
    from taxi_assets.settings import Settings

Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of the version in MLflow's registry.")]


def deploy(
    version: Number,
    champion: Annotated[bool, typer.Option("--champion", help="Make it the champion, too.")] = False,
    to_json: Json = None,
) -> None:
    """Serve a version at an address of its own; a version without a Bento is packaged first."""
    client, settings = _connect("taxi deploy")
    _package_missing(settings, version)
    facts: dict[str, Any] = {"deployment": client.deploy(version)}
    if champion:
        facts["routing"] = client.make_champion(version)
    facts["is_followed"] = client.is_followed
    if to_json != "-":
        say(f"version {version} is deployed: POST {facts['deployment']['url']}")
        _print_change(facts)
    write_json(facts, to_json)


def undeploy(version: Number, to_json: Json = None) -> None:
    """Stop serving a version, which no routing may name."""
    client, _ = _connect("taxi undeploy")
    client.undeploy(version)
    facts = {"model_version": version, "is_followed": client.is_followed}
    if to_json != "-":
        say(f"version {version} is not deployed any more")
        _print_change(facts)
    write_json(facts, to_json)


def route(
    champion: Annotated[int | None, typer.Option(min=1, help="Version of the champion; unset, it stays.")] = None,
    challenger: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION=SHARE", help="A challenger and its share of the riders, such as 13=0.1."),
    ] = None,
    shadow: Annotated[
        list[int] | None, typer.Option(min=1, help="A version that predicts every ride and never answers.")
    ] = None,
    to_json: Json = None,
) -> None:
    """Set the routing and deploy its versions. Without options, show it.

    Challengers and shadows that are not named end.
    """
    client, _ = _connect("taxi route")
    if champion is None and not challenger and not shadow:
        facts = {"routing": client.routing(), **client.deployments(), "is_followed": client.is_followed}
        if to_json != "-":
            print_deployments(console, facts)
        write_json(facts, to_json)
        return
    challengers = [_challenger(each) for each in challenger or ()]
    routing = {"champion": champion or _champion(client), "challengers": challengers, "shadows": list(shadow or ())}
    _report_routing(client.set_routing(routing), client, to_json)


def rollback(to_json: Json = None) -> None:
    """Restore the routing before the current one; a second call goes further back."""
    client, _ = _connect("taxi rollback")
    _report_routing(client.roll_back(), client, to_json)


def _connect(by: str) -> "tuple[DeploymentClient, Settings]":
    settings = load_home_settings()
    from taxi_assets.serving.deployment_client import connect

    return connect(settings, by), settings


def _package_missing(settings: "Settings", version: int) -> None:
    from taxi_assets.serving.packaging.bento_build import bento_tags

    if not bento_tags(settings, version):
        from taxi_assets.serving.packaging.release import package_version

        package_version(settings, version)


def _champion(client: "DeploymentClient") -> int:
    routing = client.routing()
    if routing is None:
        raise TaxiError("there is no champion yet: name one with --champion")
    return int(routing["champion"])


def _challenger(text: str) -> dict[str, Any]:
    """The challenger of an option such as `13=0.1`; its numbers are checked with the routing."""
    version, _, share = text.partition("=")
    try:
        return {"version": int(version), "share": float(share)}
    except ValueError as error:
        raise TaxiError(f"--challenger is {text!r}: give a version and its share, such as 13=0.1") from error


def _report_routing(routing: dict[str, Any], client: "DeploymentClient", to_json: str | None) -> None:
    facts = {"routing": routing, "is_followed": client.is_followed}
    if to_json != "-":
        _print_change(facts)
    write_json(facts, to_json)


def _print_change(facts: dict[str, Any]) -> None:
    if "routing" in facts:
        say(routing_line(facts["routing"]))
    if not facts["is_followed"]:
        say("no endpoint runs: `make up` starts one, which follows")
