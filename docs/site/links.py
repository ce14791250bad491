"""Finds dead links, missing anchors and contents of other hosts in built pages."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes by which a browser loads something when it shows the page; a link is loaded only on a click.
_LOADED = {"src", "srcset", "poster", "data", "action"}
_LOADED_LINKS = {"stylesheet", "preload", "modulepreload", "icon", "preconnect", "dns-prefetch", "manifest"}


class _Page(HTMLParser):
    """The ids of a page, its links, and the addresses that a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set(re.findall(r"url\([\"']?((?:https?:)?//[^\"')]+)", text))
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids |= {named[name] for name in ("id", "name") if named.get(name)}
        self.loaded |= {named[name] for name in _LOADED if named.get(name)}
        if tag == "link":
            loads = _LOADED_LINKS & set(named.get("rel", "").split())
            self.loaded |= {named["href"]} if loads else set()
        elif "href" in named:
            self.links.add(named["href"])


def faults(site: Path) -> list[str]:
    """The dead links and foreign contents of a built site, as sentences."""
    pages = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    found = [fault for path, page in pages.items() for fault in _page_faults(site, path, page, pages)]
    for path in sorted(site.rglob("*.css")):
        foreign = re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text())
        found += [f"{path.relative_to(site)}: loads {address} from another host" for address in foreign]
    return found


def _page_faults(site: Path, path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    name = path.relative_to(site)
    for address in sorted(page.loaded):
        if _is_foreign(address):
            yield f"{name}: loads {address} from another host"
    for link in sorted(page.links | page.loaded):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
            continue
        target = _target(site, path, unquote(parts.path))
        if not target.is_file():
            yield f"{name}: {link} leads nowhere"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
            yield f"{name}: {link} names no heading of {target.relative_to(site)}"


def _is_foreign(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in {"http", "https"}


def _target(site: Path, page: Path, path: str) -> Path:
    """The file that a browser opens for a path in the page."""
    if not path:
        return page
    target = (site / path.lstrip("/") if path.startswith("/") else page.parent / path).resolve()
    return target / "index.html" if target.is_dir() else target
