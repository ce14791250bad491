"""The service's `/predict` in plain FastAPI under Uvicorn, the baseline for the Bento."""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from taxi_assets.serving.endpoint.ride_request import InvalidRide, arrival_time, parse_ride
from taxi_assets.serving.served_model import ServedModel

app = FastAPI()
model = ServedModel.load(Path(os.environ["BENCH_MODEL"]))
source = {
    "model": {name: model.facts[name] for name in ("name", "version", "run_id")},
    "synthetic": model.facts["synthetic"],
    "data_snapshot": model.facts["data_snapshot"],
    "bento": "none",
}


@app.get("/readyz")
async def readyz() -> dict[str, Any]:
    return {}


@app.post("/predict")
async def predict(request: Request) -> JSONResponse:
    try:
        ride_request = parse_ride(await request.json(), model.services)
    except InvalidRide as refusal:
        return JSONResponse({"error": str(refusal), "fields": refusal.fields}, 422)
    prediction = model.predict_ride(ride_request)
    minutes = float(prediction.minutes[0])
    response = {
        "duration_minutes": round(minutes, 2),
        "interval_90": [round(float(prediction.low[0]), 2), round(float(prediction.high[0]), 2)],
        "arrives_at": arrival_time(ride_request, minutes).isoformat(),
        "service": ride_request.service,
        "warnings": ride_request.warnings,
    }
    return JSONResponse({**response, **source})
