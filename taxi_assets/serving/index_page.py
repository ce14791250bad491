"""The endpoint's own first page: BentoML's loads a script of Google's that counts visitors."""

from starlette.requests import Request
from starlette.responses import HTMLResponse

__all__ = ["PAGE", "show_index"]

# Swagger's scripts are part of BentoML, which serves them; `swagger-initializer.js` names `docs.json`.
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
# A browser that shows this page asks no other host, whatever the scripts name.
_HEADERS = {"content-security-policy": "default-src 'self' 'unsafe-inline' data:"}


async def show_index(_: Request) -> HTMLResponse:
    """Answer `GET /`."""
    return HTMLResponse(PAGE, headers=_HEADERS)
