"""The report of `taxi route`: the routing, the deployments and the newest refusals, as text."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Facts = dict[str, Any]
_MAX_REFUSALS = 5
# Of an ISO time: to the minute.
_TO_THE_MINUTE = len("2023-03-01T08:30")


def routing_line(routing: Facts) -> str:
    """A line such as `routing 7: version 12 champion (90 %), version 13 challenger (10 %)`."""
    roles = ", ".join(f"version {version} {role}" for version, role in _roles(routing).items())
    return f"routing {routing['revision']}: {roles}"


def print_deployments(console: Console, facts: Facts) -> None:
    """Print the deployments with their roles and addresses, and the newest refusals."""
    routing, deployments = facts["routing"], facts["deployments"]
    if not routing and not deployments:
        console.print("no version is deployed yet: `make run` trains and deploys the first", highlight=False)
        return
    roles = _roles(routing) if routing else {}
    title = f"Routing {routing['revision']}, {_minute(routing['at'])}, by {routing['by']}" if routing else "No routing"
    table = Table(title=escape(title), title_justify="left")
    table.add_column("version", justify="right", no_wrap=True)
    for name in ("role", "deployed at (UTC)", "by"):
        table.add_column(name, overflow="fold")
    for each in deployments:
        role = roles.get(each["model_version"], "not routed")
        table.add_row(str(each["model_version"]), role, _minute(each["at"]), escape(each["by"]))
    console.print(table)
    for each in deployments:
        line = f"version {each['model_version']}: POST {each['url']}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if facts["refusals"]:
        _print_refusals(console, facts["refusals"])


def _print_refusals(console: Console, refusals: list[Facts]) -> None:
    table = Table(title="Newest refusals", title_justify="left")
    for name in ("at (UTC)", "by", "reason"):
        table.add_column(name, overflow="fold")
    for each in refusals[:_MAX_REFUSALS]:
        table.add_row(_minute(each["at"]), escape(each["by"]), escape(each["reason"]))
    console.print(table)


def _roles(routing: Facts) -> dict[int, str]:
    """The role of each routed version, with its share of the riders."""
    shares = {each["version"]: each["share"] for each in routing["challengers"]}
    return {
        routing["champion"]: f"champion ({_percent(1 - sum(shares.values()))})",
        **{version: f"challenger ({_percent(share)})" for version, share in shares.items()},
        **dict.fromkeys(routing["shadows"], "shadow"),
    }


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"


def _minute(at: str) -> str:
    return at[:_TO_THE_MINUTE].replace("T", " ")
