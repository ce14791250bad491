"""The prediction endpoint, packaged into a Bento by `taxi_assets/serving/packaging/bento_build.py`.

BentoML runs the workers and answers health checks. Every other address belongs to the app of
`taxi_assets/serving/endpoint/app.py`. The Bento also contains `model/`, checked at the start, `packaged.json` with the
checksums of its files, and `release.json` with the Bento's tag. `TAXI_MODEL_STORE` and `TAXI_SERVING_STATE` name the
folders of the models and of their routing; without them the Bento serves its own model.

BentoML's first process imports this module, too, and loads no model: heavy modules are imported where they are used.
"""

import gc
import json
import logging
import os
from pathlib import Path

import bentoml

from taxi_assets.errors import TaxiError
from taxi_assets.serving.endpoint.dispatch import Dispatch
from taxi_assets.serving.packaged_files import RECORD_FILE, is_unchanged

FOLDER = Path(__file__).parent
MODEL, PAGE = FOLDER / "model", FOLDER / "page"
# Imports and loading create objects that stay, and a full collection among them takes as long as loading the model.
gc.disable()

# Uvicorn formats a line for each request before it finds that no level logs it.
logging.getLogger("uvicorn.access").propagate = False
IS_TRACED = os.environ.get("TAXI_BENTO_TRACING", "").lower() in ("1", "true")


@bentoml.service(
    name="TaxiDuration",
    workers=int(os.environ.get("TAXI_BENTO_WORKERS", "1")),
    # Of health checks: the app has its own timeout. BentoML keeps a part of each request for so many seconds.
    traffic={"timeout": 15},
    http={"host": "127.0.0.1", "port": 3001},
    # The app has metrics of its own. BentoML's, its access log and its tracing take most of a request's time.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={} if IS_TRACED else {"excluded_urls": ".*"},
)
class TaxiDuration:
    """Predicts the duration of a taxi ride in New York from data known at pickup."""

    def __init__(self) -> None:
        from taxi_assets.serving.deployments.model_store import STORE_VARIABLE
        from taxi_assets.serving.endpoint.answer_log import AnswerLog
        from taxi_assets.serving.endpoint.app import answer_directly, create_app, start
        from taxi_assets.serving.endpoint.endpoint_state import EndpointState, follow_routing
        from taxi_assets.serving.endpoint.server_watch import end_with_server
        from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed

        end_with_server()
        gc.freeze()  # what was imported stays: the collection after each loaded model leaves it out
        app = create_app(PAGE)
        Dispatch.direct = answer_directly(app)
        tag = json.loads((FOLDER / "release.json").read_text())["tag"]
        store = Path(os.environ[STORE_VARIABLE]) if os.environ.get(STORE_VARIABLE) else None
        log = AnswerLog.from_environment()
        traffic = TrafficFeed(log.state)
        self._models = follow_routing(log, store, MODEL, traffic)
        self._endpoint = EndpointState(self._models, tag, log, traffic, store)
        start(app, self._endpoint)

    @bentoml.on_deployment
    @staticmethod
    def note_server() -> None:
        """Name the first process to the workers, which end with it."""
        from taxi_assets.serving.endpoint.server_watch import note_server

        note_server()

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Exit with one line if the model cannot be served; otherwise BentoML would restart workers forever.

        A model with the files and libraries of its packaging was verified then; its checksums suffice.
        """
        if not is_unchanged(MODEL, FOLDER / RECORD_FILE):
            from taxi_assets.serving.served_model import ServedModel

            try:
                ServedModel.load(MODEL)
            except TaxiError as error:
                raise SystemExit(f"error: {error}") from error
        gc.enable()

    @bentoml.on_shutdown
    def seal_log(self) -> None:
        """Seal the segments of the logs; after a kill, their reader does."""
        self._models.close()
        self._endpoint.close()

    @bentoml.on_startup
    def freeze_gc(self) -> None:
        """Exclude permanent objects from garbage collection, whose full rounds would delay responses."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        gc.enable()

    @bentoml.on_startup
    def follow_routing(self) -> None:
        """Follow changes of the routing from now on."""
        self._models.start()


# Tracing is one of the middlewares.
TaxiDuration.add_asgi_middleware(Dispatch, moves_outside=not IS_TRACED)
