"""`POST /predict` in plain FastAPI with pydantic, of the same model: the baseline for the Bento."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from taxi_assets.serving.endpoint.pickup_time import dropoff_time
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel

app = FastAPI()
model = ServedModel.load(Path(os.environ["BENCH_MODEL"]))


class Ride(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")
    pickup_zone_id: int = Field(ge=1, le=265)
    dropoff_zone_id: int = Field(ge=1, le=265)
    pickup_at: datetime
    service: Literal["green", "yellow", "fhvhv"] = "green"
    passenger_count: int | None = Field(None, ge=0, le=99)


class PredictedRide(BaseModel):
    """The body of a response."""

    duration_minutes: float
    interval_90: tuple[float, float]
    dropoff_at: datetime
    service: str
    model_version: int


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    return {}


@app.post("/predict")
async def predict(ride: Ride) -> PredictedRide:
    zones = ride.pickup_zone_id, ride.dropoff_zone_id
    prediction = model.predict_ride(RideRequest(ride.service, ride.pickup_at, *zones, ride.passenger_count))
    minutes, low, high = (float(values[0]) for values in (prediction.minutes, prediction.low, prediction.high))
    return PredictedRide(
        duration_minutes=round(minutes, 2),
        interval_90=(round(low, 2), round(high, 2)),
        dropoff_at=dropoff_time(ride.pickup_at, minutes),
        service=ride.service,
        model_version=model.facts["version"],
    )
