"""State of one worker: the models that it serves, its logs and its recent traffic."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

from taxi_assets.serving.deployments.follow import Follower, FollowerHooks
from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.endpoint.answer_log import AnswerLog
from taxi_assets.serving.endpoint.batch_worker import BatchWorker
from taxi_assets.serving.endpoint.deployment_metrics import count_load, count_swap
from taxi_assets.serving.endpoint.feedback_log import FeedbackLog
from taxi_assets.serving.endpoint.metrics import variant_metrics
from taxi_assets.serving.endpoint.metrics_writer import MetricsWriter
from taxi_assets.serving.endpoint.shadows import Shadows
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed


class ServedModels(Protocol):
    """The source of the models of one worker, such as a `Follower`."""

    @property
    def variants(self) -> RoutedVariants:
        """The current models; another object after a swap."""

    @property
    def routing_problems(self) -> Sequence[str]:
        """Faults of the routing: the reason for answering by an earlier one, and damaged stored ones."""


@dataclass
class EndpointState:
    """State of one worker.

    Attributes:
        served: The models.
        bento: Tag of the running Bento.
        log: The prediction log, which has each answer before it is sent.
        traffic: The recent traffic that all workers' feedback tells.
        store: The model store; None if only the packaged model is served.
        batches: Predicts batches beside single rides.
        shadows: Predicts answered rides by shadow variants.
        feedback: The feedback log, beside the prediction log.
        metrics: Writes the worker's counts for the scrapes of other workers.
    """

    served: ServedModels
    bento: str
    log: AnswerLog
    traffic: TrafficFeed
    store: Path | None = None
    batches: BatchWorker = field(init=False)
    shadows: Shadows = field(init=False)
    feedback: FeedbackLog = field(init=False)
    metrics: MetricsWriter = field(init=False)

    def __post_init__(self) -> None:
        self.batches = BatchWorker(self.traffic)
        self.shadows = Shadows(self.log, self.traffic)
        self.feedback = FeedbackLog(self.log.state, self.log.sync)
        self.metrics = MetricsWriter()

    @property
    def variants(self) -> RoutedVariants:
        """The current models; a request reads them once."""
        return self.served.variants

    @property
    def serving_state(self) -> ServingState:
        """The folder of the routing and the deployments."""
        return ServingState(self.log.state)

    def close(self) -> None:
        """Seal the worker's segments of the logs, and write its last counts."""
        self.log.close()
        self.feedback.close()
        self.traffic.close()
        self.metrics.close()


def follow_routing(log: AnswerLog, store: Path | None, packaged: Path, traffic: TrafficFeed) -> Follower:
    """The models of this worker, which `Follower.start` keeps up to date.

    Args:
        log: The prediction log; its folder has the routing.
        store: The model store; None serves the packaged model, whatever the routing.
        packaged: The serving folder in this Bento.
        traffic: The recent traffic, which is ready before a model answers.

    Raises:
        TaxiError: no model can be loaded.
    """

    def before_swap(after: RoutedVariants) -> None:
        for variant in after.deployed.values():
            traffic.of(variant)  # made once, beside the thread that predicts
        for variant in (after.champion, *(after.by_bucket or ()), *after.shadows, *after.deployed.values()):
            variant_metrics(variant)

    def after_swap(before: RoutedVariants, after: RoutedVariants) -> None:
        traffic.keep([variant.model for variant in after.deployed.values()])
        count_swap(before.routing, after.routing)

    state = ServingState(log.state if store else Path(mkdtemp(prefix="taxi-routing-")))
    hooks = FollowerHooks(count_load, before_swap, after_swap)
    return Follower(state, store or state.folder, packaged, hooks)
