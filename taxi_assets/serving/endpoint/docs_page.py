"""The endpoint's addresses in Swagger's page.

It replaces BentoML's page, which loads Google's visitor tracking.
"""

from starlette.requests import Request
from starlette.responses import HTMLResponse

# BentoML serves Swagger's scripts; `swagger-initializer.js` loads `docs.json`.
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Taxi durations</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="./static_content/swagger-ui.css">
  <link rel="stylesheet" href="./static_content/index.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="./static_content/swagger-ui-bundle.js" charset="UTF-8"></script>
  <script src="./static_content/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
  <script src="./static_content/swagger-initializer.js" charset="UTF-8"></script>
</body>
</html>
"""
# The browser sends no request to other hosts, whatever URLs the scripts contain.
_HEADERS = {"content-security-policy": "default-src 'self' 'unsafe-inline' data:"}


async def show_docs(_: Request) -> HTMLResponse:
    """Respond to `GET /docs`."""
    return HTMLResponse(PAGE, headers=_HEADERS)
