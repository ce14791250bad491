"""Measures the rider's page in Chromium, served by the Bento on loopback, against fixed limits.

`python -m benchmarks.bench_page [--rows N] [--times N]`; the zones are TLC's if `TAXI_TLC_SOURCE` is a folder with
them, else synthetic ones.
"""

import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.chromium import chromium
from benchmarks.harness import Comparison, Figure, Goal, Run, alternate, options, report
from benchmarks.serving_peers import bento, serving
from taxi_assets import synthetic
from taxi_assets.ingestion.taxi_zones import read_zones
from taxi_assets.serving.packaging.city_map import city_map

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ANSWER_SECONDS, WEIGHT_BYTES, REPAINT_SECONDS = 1.0, 300_000, 0.05
QUESTION = "?pickup=74&dropoff=138&at=2023-03-01T08:00"
_FACTS = {"name": "taxi-duration", "version": 1, "run_id": "none", "data_snapshot": 0, "synthetic": True}
_ZONE_FILES = ("taxi_zone_lookup.csv", "taxi_zones.zip")
# Milliseconds from a reply to the end of the frame that shows it.
_RECORD_REPAINTS = """
window.repaints = [];
new PerformanceObserver((list) => list.getEntriesByName("repaint").forEach(({ startTime }) =>
  requestAnimationFrame(() => setTimeout(() => window.repaints.push(performance.now() - startTime)))
)).observe({ type: "measure" });
"""
_SET_HOUR = "(field, hour) => { field.value = hour; field.dispatchEvent(new Event('input', { bubbles: true })); }"


def open_once(browser: "Browser", url: str) -> Run:
    """Opens a shared question with an empty cache, then moves the slider over the hours of the day."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(_RECORD_REPAINTS)
    requests: list[Any] = []
    page.on("requestfinished", lambda each: requests.append(each))  # noqa: PLW0108  Playwright refuses a built-in method
    start = time.perf_counter()
    page.goto(url + QUESTION)
    page.wait_for_selector("#answer[data-at]")
    seconds = time.perf_counter() - start
    page.wait_for_selector("#city[data-at]")
    sizes = [request.sizes() for request in requests]
    page.evaluate("window.repaints = []")
    for hour in range(24):
        page.locator("#hour").evaluate(_SET_HOUR, str(hour))
        page.wait_for_function("count => window.repaints.length > count", arg=hour)
    repaints = page.evaluate("window.repaints")
    context.close()
    weight = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
    extra = {"bytes": weight, "repaint": statistics.median(repaints) / 1e3, "slowest_repaint": max(repaints) / 1e3}
    return Run(seconds, extra=extra)


def page_figures(runs: Comparison) -> list[Figure]:
    """Each quantity divided by its limit."""
    at_most = Goal("≤", 1)
    return [
        runs.share(
            "page_first_answer", at_most, "seconds until the first answer, divided by 1", lambda run: run.seconds
        ),
        runs.share(
            "page_weight", at_most, "bytes of all responses, divided by 300,000", lambda run: run.extra["bytes"]
        ),
        runs.share(
            "page_repaint",
            at_most,
            "median seconds from the reply to the painted city, divided by 0.05",
            lambda run: run.extra["repaint"],
        ),
        runs.share(
            "page_slowest_repaint",
            at_most,
            "slowest of 24 repaints in seconds, divided by 0.05",
            lambda run: run.extra["slowest_repaint"],
        ),
    ]


def limits() -> Run:
    """The limits, as a run to divide by."""
    extra = {"bytes": WEIGHT_BYTES, "repaint": REPAINT_SECONDS, "slowest_repaint": REPAINT_SECONDS}
    return Run(ANSWER_SECONDS, extra=extra)


def read_city(folder: Path) -> str:
    """The page's map, of TLC's zones if there are any."""
    import pandas as pd

    source = Path(os.environ.get("TAXI_TLC_SOURCE") or folder)
    if not (source / _ZONE_FILES[1]).is_file():
        source = folder
        synthetic.write_zones(folder, 7)
    return city_map(pd.DataFrame(read_zones(source / _ZONE_FILES[0], source / _ZONE_FILES[1])))


def main() -> None:
    from benchmarks.training_sample import sample_trips
    from taxi_assets.features.feature_names import MODEL_INPUTS
    from taxi_assets.serving.packaging.onnx_export import write_serving_folder
    from taxi_assets.training.model import DurationModel

    arguments = options("bench_page", rows=20_000, times=5)
    trips, zones = sample_trips(1, arguments.rows)
    model = DurationModel(zones).fit(trips[list(MODEL_INPUTS)], trips["duration_minutes"].to_numpy())
    with tempfile.TemporaryDirectory(prefix="bench-page-") as name:
        folder = Path(name)
        write_serving_folder(model, folder / "model", _FACTS, {})
        program = bento(folder, folder / "model", read_city(folder))
        with serving(program, folder) as url, chromium() as browser:
            runs = alternate(partial(open_once, browser, f"{url}/"), limits, arguments.times)
    first, last = min(run.seconds for run in runs.ours), max(run.seconds for run in runs.ours)
    extra = {key: [run.extra[key] for run in runs.ours] for key in runs.ours[0].extra}
    slowest = 1e3 * max(extra["slowest_repaint"])
    print(
        f"first answer in {first:.2f} to {last:.2f} s; {max(extra['bytes']) / 1e3:.0f} KB; "
        f"263 zones painted in {1e3 * statistics.median(extra['repaint']):.0f} ms, the slowest in {slowest:.0f}"
    )
    report("bench_page", vars(arguments), {"page": runs}, page_figures(runs))


if __name__ == "__main__":
    main()
