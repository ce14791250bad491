"""`POST /predict` as the MLOps Zoomcamp serves it: Flask and a pickled linear regression.

`gunicorn benchmarks.peers.course_flask:app`, with the pickle that `write_model` made in `BENCH_COURSE_MODEL`.
"""

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, jsonify, request

if TYPE_CHECKING:
    import pandas as pd

app = Flask("duration-prediction")
_PATH = os.environ.get("BENCH_COURSE_MODEL")
vectorizer, model = pickle.loads(Path(_PATH).read_bytes()) if _PATH else (None, None)  # noqa: S301  # own file


def prepare_features(ride: dict[str, Any]) -> dict[str, Any]:
    """The course's feature, the pair of zones, from a ride's zones."""
    return {"PU_DO": f"{ride['pickup_zone_id']}_{ride['dropoff_zone_id']}"}


@app.route("/readyz", methods=["GET"])
def readyz() -> Any:
    return jsonify({})


@app.route("/predict", methods=["POST"])
def predict_endpoint() -> Any:
    features = prepare_features(request.get_json())
    minutes = float(model.predict(vectorizer.transform([features]))[0])
    return jsonify({"duration": minutes, "model_version": "bench"})


def write_model(trips: "pd.DataFrame", path: Path) -> None:
    """Fits the course's model and pickles it."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LinearRegression

    rides = [prepare_features(ride) for ride in trips[["pickup_zone_id", "dropoff_zone_id"]].to_dict("records")]
    fitted = DictVectorizer()
    regression = LinearRegression().fit(fitted.fit_transform(rides), trips["duration_minutes"])
    path.write_bytes(pickle.dumps((fitted, regression)))
