"""The endpoint: its variants, load, latency and recent traffic, and the error of its rides by day."""

import time
from dataclasses import dataclass, field
from math import isinf

from taxi_assets.cli.operator_status.scraped_metrics import ScrapedMetrics
from taxi_assets.cli.operator_status.status_section import Figure, Section, State, Table
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_TIMEOUT_SECONDS = 2.0
_SHOWN_DAYS = 7
_DAYS = """
SELECT strftime(day, '%Y-%m-%d'), model_version, rides, rmse, is_flagged FROM live_performance
WHERE slice = 'overall' AND variant = 'champion' ORDER BY day DESC, model_version DESC LIMIT ?
"""


@dataclass
class EndpointSection:
    """Reads the endpoint; the rate of requests is that since the last reading."""

    _before: tuple[float, float] | None = field(default=None)

    def __call__(self, settings: Settings, warehouse: Warehouse) -> Section:
        """The endpoint's figures; without an endpoint, only the error of the days before."""
        with warehouse.reading() as connection:
            days = [_day(settings, *row) for row in connection.execute(_DAYS, [_SHOWN_DAYS]).fetchall()]
        live = [Figure("live error", day[3].value, day[3].state, day[3].url) for day in days[:1]]
        table = Table(("day", "version", "rides with a known duration", "RMSE"), days) if days else None
        return Section("endpoint", [*self._served(settings), *live], table)

    def _served(self, settings: Settings) -> list[Figure]:
        import httpx

        url = settings.url(settings.bento_port)
        try:
            with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
                variants = client.get("/variants").json()
                metrics = ScrapedMetrics.parse(client.get("/metrics").text)
            routed = ", ".join(
                f"{each['name']} {each['version']} ({each['share']:.0%})" for each in variants["variants"]
            )
            found = [Figure("answers by", routed, "watch" if variants["problems"] else "ok", f"{url}/variants")]
            found += [Figure("routing", str(each), "bad", f"{url}/variants") for each in variants["problems"]]
            found += [
                Figure(
                    "refused model", f"version {each['model_version']}: {each['reason']}", "watch", f"{url}/variants"
                )
                for each in variants["refusals"][:1]
            ]
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            self._before = None
            return [Figure("endpoint", f"does not answer ({type(error).__name__}): `make up` starts it", "bad")]
        return [*found, *self._load(metrics, f"{url}/metrics")]

    def _load(self, metrics: ScrapedMetrics, page: str) -> list[Figure]:
        total, now, before = sum(metrics.values("taxi_requests_total")), time.monotonic(), self._before
        self._before = (now, total)
        # A restarted endpoint counts from zero.
        is_comparable = before is not None and now > before[0] and total >= before[1]
        rate = (total - before[1]) / (now - before[0]) if is_comparable and before else None
        failed = sum(metrics.values("taxi_requests_total", lambda labels: labels["status"].startswith("5")))
        ages = metrics.values("taxi_recent_traffic_age_seconds")
        slowest = metrics.quantile_bound("taxi_prediction_seconds", 0.99)
        return [
            Figure("requests", "measuring" if rate is None else f"{rate:.1f} a second", url=page),
            Figure(
                "failed requests since its start", f"{failed:.0f} of {total:.0f}", "watch" if failed else "ok", page
            ),
            Figure("99 % of answers since its start", _latency(slowest), url=page),
            Figure("age of recent traffic", f"{min(ages) / 60:.0f} minutes" if ages else "no traffic known", url=page),
        ]


def _latency(bound: float | None) -> str:
    if bound is None:
        return "no ride yet"
    return "slower than the histogram's last bucket" if isinf(bound) else f"within {1000 * bound:g} ms"


def _day(
    settings: Settings, day: str, version: int, rides: int, rmse: float | None, is_flagged: bool | None
) -> list[Figure]:
    page = f"{settings.url(settings.dagster_port)}/assets/live_performance?view=overview"
    error = "no feedback" if rmse is None else f"{rmse:.2f} minutes on {day}"
    flag: State = "bad" if is_flagged else "ok"
    names = Figure("day", day), Figure("version", str(version)), Figure("rides", str(rides))
    return [*names, Figure("RMSE", error, flag, page)]
