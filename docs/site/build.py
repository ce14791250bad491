"""Builds the site of the documents in `build/site` and checks it: `make docs`.

The pages keep the repository's paths, so a link that works on a forge works in the site. Pages of the reference are
written from the code. A warning, a dead link or a request to another host fails the build.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs.site import links, reference, staging

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CONFIG = Path(__file__).with_name("mkdocs.yml")


def build(root: Path, folder: Path) -> list[str]:
    """Builds the site of a checkout in the folder's `site`.

    Args:
        root: The checkout.
        folder: Folder for the staged pages and the site; both are replaced.

    Returns:
        The faults: warnings of the generator, dead links, contents of other hosts.
    """
    pages, site = folder / "pages", folder / "site"
    for path in (pages, site):
        shutil.rmtree(path, ignore_errors=True)
    staging.stage(root, pages)
    for name, text in reference.pages().items():
        (pages / "docs" / "reference").mkdir(exist_ok=True)
        (pages / "docs" / "reference" / name).write_text(text)
    shutil.copyfile(CONFIG.with_name("site.css"), pages / "site.css")
    config = folder / "mkdocs.yml"
    config.write_text(CONFIG.read_text())
    command = (sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(config))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        printed = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        lines = [line for line in printed.splitlines() if not line.startswith("  File ")]
        return lines or [f"the generator ended with {done.returncode}"]
    return links.faults(site)


def main() -> int:
    """Builds the site of this checkout and prints its address or its faults."""
    found = build(ROOT, BUILD)
    if found:
        print("\n".join([*found, "error: the site has faults, listed above"]), file=sys.stderr)
        return 1
    pages = len(list((BUILD / "site").rglob("*.html")))
    print(f"{pages} pages, no dead link: open {BUILD / 'site' / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
