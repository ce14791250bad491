"""Report pages: one HTML file for an asset's month, with its figures and plots. Needs no network."""

import base64
from collections.abc import Mapping
from html import escape

from taxi_assets.files import write_atomically
from taxi_assets.months import Month
from taxi_assets.settings import Settings

ICON = '<link rel="icon" href="data:,">'  # without it a browser requests /favicon.ico and logs a 404
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 110rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .4rem; }
td, th { border-bottom: 1px solid #8884; padding: .3rem .8rem; text-align: left; }
.pictures { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(34rem, 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; } img { max-width: 100%; background: white; }
"""


def write_report_page(
    settings: Settings, asset: str, month: Month | None, facts: Mapping[str, object], pictures: Mapping[str, bytes]
) -> str:
    """Writes the page of an asset's month; replaces an earlier one.

    Args:
        settings: Location of the reports.
        asset: The asset, such as `model_evaluation`.
        month: Its month; None for an asset without months.
        facts: The figures beside the plots, by name.
        pictures: PNG by name, in the order to show.

    Returns:
        The page's path below the reports, such as `model_evaluation/2023-03.html`.
    """
    rows = "".join(f"<tr><th>{_readable(name)}</th><td>{escape(str(fact))}</td></tr>" for name, fact in facts.items())
    figures = "".join(_figure(name, png) for name, png in pictures.items())
    name = str(month or "newest")
    title = f"{asset} {name}"
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{ICON}<title>{escape(title)}</title>'
        f'<style>{STYLE}</style></head><body><a href="../">All reports</a><h1>{escape(title)}</h1>'
        f'<table>{rows}</table><div class="pictures">{figures}</div></body></html>\n'
    )
    page = settings.reports / asset / f"{name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, text)
    return page.relative_to(settings.reports).as_posix()


def _readable(name: str) -> str:
    return escape(name.replace("_", " "))


def _figure(name: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    caption = _readable(name)
    return (
        f'<figure><figcaption>{caption}</figcaption><img alt="{caption}" src="data:image/png;base64,{data}"></figure>'
    )
