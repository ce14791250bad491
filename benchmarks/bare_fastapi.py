"""The same answers from FastAPI alone, run by Uvicorn: what an endpoint costs that does nothing but answer."""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from taxi_assets.serving.ride_request import RideRefused, arrival, read_ride
from taxi_assets.serving.served_model import ServedModel

__all__ = ["app"]

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
        asked = read_ride(await request.json(), model.services)
    except RideRefused as refusal:
        return JSONResponse({"error": str(refusal), "fields": refusal.fields}, 422)
    told = model.answer_requests([asked])
    minutes = float(told.minutes[0])
    answer = {
        "duration_minutes": round(minutes, 2),
        "interval_90": [round(float(told.low[0]), 2), round(float(told.high[0]), 2)],
        "arrives_at": arrival(asked, minutes).isoformat(),
        "service": asked.service,
        "warnings": asked.warnings,
    }
    return JSONResponse({**answer, **source})
