"""The prediction endpoint, packaged into a Bento by `taxi_assets/serving/packaging/bento_build.py`.

BentoML runs the workers and answers health checks. Every other address belongs to the app of
`taxi_assets/serving/endpoint/app.py`. The Bento also contains `model/`, checked at the start, and `release.json` with
the Bento's tag. `TAXI_MODEL_STORE` and `TAXI_SERVING_STATE` name the folders of the models and of their routing;
without them the Bento serves its own model.
"""

import gc
import json
import logging
import os
from pathlib import Path

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.model_store import STORE_VARIABLE
from taxi_assets.serving.endpoint.answer_log import AnswerLog
from taxi_assets.serving.endpoint.app import answer_directly, create_app, start
from taxi_assets.serving.endpoint.endpoint_state import EndpointState, follow_routing
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.served_model import ServedModel

FOLDER = Path(__file__).parent
MODEL = FOLDER / "model"
APP = create_app()
DIRECT = answer_directly(APP)

# Uvicorn formats a line for each request before it finds that no level logs it.
logging.getLogger("uvicorn.access").propagate = False
BENTOMLS_PATHS = ("/healthz", "/livez", "/readyz", "/static_content/")
IS_TRACED = os.environ.get("TAXI_BENTO_TRACING", "").lower() in ("1", "true")


class Dispatch:
    """Passes health checks and static files to BentoML, and all other requests to the app.

    As a mounted app it would answer a quarter fewer requests a second, since BentoML's router tries each route twice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.bentoml = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_own = scope["type"] == "http" and not scope["path"].startswith(BENTOMLS_PATHS)
        await (DIRECT if is_own else self.bentoml)(scope, receive, send)


@bentoml.service(
    name="TaxiDuration",
    workers=int(os.environ.get("TAXI_BENTO_WORKERS", "1")),
    # A backstop: the app has its own timeout. BentoML keeps a part of each request for so many seconds.
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
        tag = json.loads((FOLDER / "release.json").read_text())["tag"]
        store = Path(os.environ[STORE_VARIABLE]) if os.environ.get(STORE_VARIABLE) else None
        log = AnswerLog.from_environment()
        traffic = TrafficFeed(log.state)
        self._models = follow_routing(log, store, MODEL, traffic)
        start(APP, EndpointState(self._models, tag, log, traffic, store))

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Exit with one line if the model cannot be served; otherwise BentoML would restart workers forever."""
        try:
            ServedModel.load(MODEL)
        except TaxiError as error:
            raise SystemExit(f"error: {error}") from error

    @bentoml.on_shutdown
    def seal_log(self) -> None:
        """Seal the segments of the logs; after a kill, their reader does."""
        self._models.close()
        APP.state.endpoint.close()

    @bentoml.on_startup
    def freeze_gc(self) -> None:
        """Exclude permanent objects from garbage collection, whose full rounds would delay responses."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    @bentoml.on_startup
    def follow_routing(self) -> None:
        """Follow changes of the routing from now on."""
        self._models.start()


TaxiDuration.add_asgi_middleware(Dispatch)
