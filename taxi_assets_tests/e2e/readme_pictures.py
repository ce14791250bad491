"""Takes the documents' pictures of a real run in Chromium: `make pictures`.

Runs the months the README quotes in a new home, starts `taxi up`, and takes screenshots of its pages. For the refused
month, May's file is put into the landing folder under April's name.
"""

import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cli_user import HOST, TAXI, CliUser
from PIL import Image
from playwright.sync_api import Page, expect
from terminal import CTRL_C, terminal, wait_until

from benchmarks.chromium import chromium
from taxi_assets.cli.supervisor.ports import free_port

MONTHS = "2023-01..2023-03"
SCORED, REFUSED_MONTH, ITS_FILE = "2023-03", "2023-04", "2023-05"
MOST_BYTES = 300_000
PAGE_TIMEOUT = 90_000  # milliseconds, for a page's first load
SERVERS = ("dagster", "mlflow", "data_docs", "bento")


@dataclass(frozen=True)
class Picture:
    """A page to photograph: its address, the text that shows it has loaded, the text to click, the window.

    `ready` selects an element that the page has only when it is complete. A `whole` picture reaches below the window.
    """

    name: str
    server: str
    path: str
    shows: str
    click: str | None = None
    size: tuple[int, int] = (1440, 900)
    ready: str = "body"
    scheme: Literal["light", "dark"] = "light"
    whole: bool = False


# The label that Dagster's page gives to a group whose assets are shown.
EXPANDED = ",".join(f"global%40global%3A{group}" for group in ("ingestion", "training", "monitoring", "serving"))
# The same question on a desktop and a phone; the attribute is set when the city is coloured for the hour.
RIDE, COLOURED = "/?pickup=74&dropoff=138&at=2023-04-03T17:00", "#city[data-at='2023-04-03T17:00']"
PICTURES = (
    Picture("lineage", "dagster", f"/asset-groups?expanded={EXPANDED}", "model_evaluation", None, (2800, 1150)),
    Picture(
        "model_evaluation",
        "dagster",
        "/assets/model_evaluation?view=partitions&partition={month}",
        "Latest materialization",
        "[Show Markdown]",
    ),
    Picture(
        "mlflow_run",
        "mlflow",
        "/#/experiments/1/runs/{run_id}?workflowType=machine_learning",
        "duration_model",
        None,
        (1440, 1000),
    ),
    Picture(
        "mlflow_version", "mlflow", "/#/models/taxi-duration/versions/1?workflowType=machine_learning", "Version 1"
    ),
    Picture("rider_page", "bento", RIDE, "nine times in ten", ready=COLOURED),
    Picture(
        "rider_page_phone", "bento", RIDE, "nine times in ten", None, (390, 844), COLOURED, scheme="dark", whole=True
    ),
)
REFUSED = (
    Picture(
        "refused_month", "dagster", "/assets/raw_trips?view=checks&checkDetail=pickups_are_in_their_month", "Failed"
    ),
    Picture("data_docs", "data_docs", "/data_docs/raw_trips/green_{refused}.html", "pickups_are_in_their_month"),
    Picture("operator_page", "data_docs", "/status", "It needs a person.", ready="section:nth-of-type(5)", whole=True),
)


def photograph(page: Page, picture: Picture, urls: Mapping[str, str], folder: Path, **known: str) -> Path:
    """Opens the page as a new visitor, waits for its text, and saves it as a small PNG."""
    page.set_viewport_size({"width": picture.size[0], "height": picture.size[1]})
    page.emulate_media(color_scheme=picture.scheme)
    page.goto("about:blank")  # else a page that differs only in the URL's fragment is not reloaded
    page.goto(urls[picture.server] + picture.path.format(**known))
    page.get_by_text(picture.shows).filter(visible=True).first.wait_for()
    page.locator(picture.ready).wait_for(state="attached")
    if picture.click:
        page.get_by_text(picture.click).filter(visible=True).first.click()
        page.locator("img[src^='data:image/png']").first.wait_for()
    expect(page.get_by_text(re.compile(r"^Loading")).filter(visible=True)).to_have_count(0, timeout=PAGE_TIMEOUT)
    page.evaluate("document.fonts.ready")
    shot = Image.open(io.BytesIO(page.screenshot(full_page=picture.whole))).convert("RGB").quantize(256)
    file = folder / f"{picture.name}.png"
    shot.save(file, optimize=True)
    assert file.stat().st_size < MOST_BYTES, f"{file} has {file.stat().st_size:,} bytes"
    return file


@contextmanager
def _up(cli_user: CliUser, ports: Mapping[str, int]) -> Iterator[None]:
    variables = {f"TAXI_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    with terminal([*TAXI, "up"], {**cli_user.environment, **variables}) as screen:
        screen.wait_for("Ctrl-C stops all of them")
        yield
        screen.press(CTRL_C)
        screen.wait_for("all stopped")


def _refuse_a_month(cli_user: CliUser, source: Path) -> None:
    """Lands a month's file under another month's name, and waits until the sensor's run quarantines it."""
    landing = cli_user.settings.landing
    draft = landing / f"green_tripdata_{REFUSED_MONTH}.parquet.part"
    shutil.copy(source / f"green_tripdata_{ITS_FILE}.parquet", draft)
    draft.rename(draft.with_suffix(""))
    wait_until(lambda: f"green_tripdata_{REFUSED_MONTH}.parquet" in _put_aside(cli_user))


def _put_aside(cli_user: CliUser) -> list[str]:
    names: list[str] = cli_user.run_json("status")["files"]["quarantined"]
    return names


def take(source: Path, folder: Path, say: Callable[[str], object] = print) -> None:
    """Runs the months of the source, and takes every picture."""
    with tempfile.TemporaryDirectory(prefix="taxi-pictures-") as home, chromium() as browser:
        ports = {name: free_port(HOST) for name in SERVERS}
        cli_user = CliUser(Path(home), str(source), ports["bento"], "real")
        say(f"running {MONTHS} of {source} ...")
        cli_user.run_json("run", "--months", MONTHS)
        known = {"month": SCORED, "refused": REFUSED_MONTH}
        known["run_id"] = str(cli_user.run_json("status")["champion"]["run_id"])
        urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
        with _up(cli_user, ports):
            page = browser.new_page()
            page.set_default_timeout(PAGE_TIMEOUT)
            for picture in PICTURES:
                say(str(photograph(page, picture, urls, folder, **known)))
            say(f"waiting until {REFUSED_MONTH} is refused ...")
            _refuse_a_month(cli_user, source)
            for picture in REFUSED:
                say(str(photograph(page, picture, urls, folder, **known)))


if __name__ == "__main__":
    months = Path(os.environ.get("TAXI_TLC_SOURCE", "../shared/tlc"))
    if not (months / f"green_tripdata_{ITS_FILE}.parquet").is_file():
        sys.exit(
            f"error: {months} has no green_tripdata_{ITS_FILE}.parquet: set TAXI_TLC_SOURCE to a folder of TLC's months"
        )
    take(months.resolve(), Path(sys.argv[1]))
