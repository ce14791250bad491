"""Commands on the running endpoint."""

from typing import Annotated

import typer

from taxi_assets.cli.terminal import Json, console, load_settings, say, warn, write_json
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings


def predict(  # noqa: PLR0913, PLR0917 - an argument is an option
    pickup: Annotated[str, typer.Option(help="TLC zone of the start: its id, 1-265, or its name.")],
    dropoff: Annotated[str, typer.Option(help="TLC zone of the end: its id, or its name, such as 'JFK Airport'.")],
    at: Annotated[str, typer.Option(help="New York local time, such as 2023-03-01T08:30.")],
    service: Annotated[str | None, typer.Option(help="The kind of taxi; unset, the model's first.")] = None,
    vendor: Annotated[int | None, typer.Option(help="TLC's id of the vendor that records the trip, if known.")] = None,
    rider_key: Annotated[str | None, typer.Option(help="Your name of the rider, who stays with a variant.")] = None,
    to_json: Json = None,
) -> None:
    """Request the predicted duration of a ride from the running endpoint."""
    from taxi_assets.serving import client

    settings = load_settings()
    ride = client.Ride(_zone(pickup), _zone(dropoff), at, service, vendor_id=vendor, rider_key=rider_key)
    prediction = client.predict(settings.url(settings.bento_port), ride)
    if to_json != "-":
        low, high = prediction["interval_90"]
        say(f"{prediction['duration_minutes']:.1f} minutes; nine rides in ten take {low:.1f} to {high:.1f}")
        say(f"by version {prediction['model_version']}, {prediction['variant']}; request {prediction['request_id']}")
    for warning in prediction.get("warnings", ()):  # missing from endpoints of earlier versions
        warn(warning)
    write_json(prediction, to_json)


def replica(
    listed: Annotated[bool, typer.Option("--list", help="List the machines that serve from the store.")] = False,
    to_json: Json = None,
) -> None:
    """Serve riders on this machine by the routing of the shared store, until Ctrl-C."""
    from taxi_assets.cli.supervisor.home import supervised_home
    from taxi_assets.cli.supervisor.program_logs import ProgramLogs
    from taxi_assets.cli.supervisor.programs import replica_programs
    from taxi_assets.cli.supervisor.supervisor import run as supervise

    settings = load_settings()
    if listed:
        _list_replicas(settings, to_json)
        return
    if to_json:
        raise TaxiError("--json writes the list of machines: add --list, or leave it out")
    with supervised_home(settings.home, settings.env) as tag:
        supervise(replica_programs(settings), console, ProgramLogs(settings.logs / "up"), parent_tag=tag)


def _list_replicas(settings: Settings, to_json: str | None) -> None:
    from taxi_assets.serving.replication.replica import read_replicas
    from taxi_assets.serving.replication.shared_routing import read_shared_routing
    from taxi_assets.warehouse.shared_store import SharedStore

    store = SharedStore(settings)
    shared, found = read_shared_routing(store), read_replicas(store)
    facts = [
        {
            "name": each.name,
            "revision": each.revision,
            "runs": each.is_alive,
            "follows": bool(shared and each.is_alive and each.adopted == shared.key),
            "problem": each.problem,
            "seen_at": each.at,
        }
        for each in found
    ]
    if to_json != "-":
        say(
            f"revision {shared.revision.revision} is shared in {store.address}"
            if shared
            else "no routing is shared yet"
        )
        for each in facts:
            seen = "runs" if each["runs"] else f"was last seen at {each['seen_at']}"
            say(f"{each['name']}: revision {each['revision']}, {seen} {each['problem']}".rstrip())
    write_json({"revision": shared.revision.revision if shared else None, "replicas": facts}, to_json)


def _zone(text: str) -> int | str:
    """The zone's id, or its name if it is no number; the endpoint checks both."""
    return int(text) if text.removeprefix("-").isdecimal() else text
