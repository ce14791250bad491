"""Commands on the running endpoint."""

from typing import Annotated

import typer

from taxi_assets.cli.terminal import Json, load_settings, say, warn, write_json


def predict(
    pickup: Annotated[int, typer.Option(min=1, max=265, help="TLC zone of the start, 1-265.")],
    dropoff: Annotated[int, typer.Option(min=1, max=265, help="TLC zone of the end, 1-265.")],
    at: Annotated[str, typer.Option(help="New York local time, such as 2023-03-01T08:30.")],
    service: Annotated[str | None, typer.Option(help="The kind of taxi; unset, the model's first.")] = None,
    to_json: Json = None,
) -> None:
    """Request the predicted duration of a ride from the running endpoint."""
    from taxi_assets.serving import client

    settings = load_settings()
    prediction = client.predict(settings.url(settings.bento_port), client.Ride(pickup, dropoff, at, service))
    if to_json != "-":
        low, high = prediction["interval_90"]
        say(f"{prediction['duration_minutes']:.1f} minutes; nine rides in ten take {low:.1f} to {high:.1f}")
        say(f"by version {prediction['model_version']}, {prediction['variant']}; request {prediction['request_id']}")
    for warning in prediction.get("warnings", ()):  # missing from endpoints of earlier versions
        warn(warning)
    write_json(prediction, to_json)
