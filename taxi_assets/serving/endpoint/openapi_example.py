"""The OpenAPI document with examples that the served models answer."""

from typing import Any

from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.endpoint.batch_fields import parse_batch
from taxi_assets.serving.endpoint.openapi import describe, example_batch, example_ride
from taxi_assets.serving.endpoint.predict import prediction_body
from taxi_assets.serving.endpoint.predict_many import batch_body
from taxi_assets.serving.endpoint.ride_fields import parse_ride
from taxi_assets.serving.live_traffic import LivePrediction, LivePredictions

_EXAMPLE_ID = "650a1b2c3d4e5f60-1f0"


def describe_served(bento: str, variants: RoutedVariants) -> dict[str, Any]:
    """The OpenAPI document, whose examples are predictions of the champion without recent traffic.

    Args:
        bento: Tag of the running Bento.
        variants: The served models.
    """
    services, names, champion = variants.services, variants.zone_names, variants.champion
    ride, batch = (
        parse_ride(example_ride(services), services, names),
        parse_batch(example_batch(services), services, names),
    )
    live = LivePrediction(champion.model.encode_ride(ride), champion.model.predict_ride(ride), None)
    matrix = champion.model.encode(batch.columns())
    many = LivePredictions(matrix, champion.model.predict_matrix(matrix), [None] * len(batch))
    return describe(
        bento,
        services,
        prediction_body(champion, ride, live, _EXAMPLE_ID),
        batch_body(champion, batch, many, _EXAMPLE_ID),
    )
