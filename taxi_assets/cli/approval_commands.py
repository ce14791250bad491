"""Commands by which a person decides on a version that waits for approval."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_assets.cli.terminal import Json, load_home_settings, say, warn, write_json
from taxi_assets.errors import describe_error
from taxi_assets.months import Month

if TYPE_CHECKING:
    from taxi_assets.promotion.approval import Verdict
    from taxi_assets.settings import Settings
    from taxi_assets.warehouse.connection import Warehouse

Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of the version in MLflow's registry.")]
By = Annotated[str, typer.Option("--by", help="Your name, kept with the decision.")]
Why = Annotated[str, typer.Option("--why", help="Your reason, kept with the decision.")]
OfMonth = Annotated[
    str | None, typer.Option("--month", help="Month it was scored on, such as 2024-05; unset, its last decision's.")
]


def approve(version: Number, by: By, why: Why, month: OfMonth = None, to_json: Json = None) -> None:
    """Make a waiting version the champion, if the evidence on it still holds."""
    facts = _decide(version, "approved", by, why, month)
    if to_json != "-":
        _print_decision(facts, by)
        say("`make up` packages and deploys it; where it runs already, landing_sensor requests that")
    write_json(facts, to_json)


def reject(version: Number, by: By, why: Why, month: OfMonth = None, to_json: Json = None) -> None:
    """Keep the champion, and never promote the waiting version on the same evidence."""
    facts = _decide(version, "rejected", by, why, month)
    if to_json != "-":
        _print_decision(facts, by)
    write_json(facts, to_json)


def _decide(version: int, verdict: "Verdict", by: str, why: str, month: str | None) -> dict[str, Any]:
    from taxi_assets.promotion.approval import Approval, decide_waiting
    from taxi_assets.warehouse.connection import Warehouse

    settings = load_home_settings()
    approval = Approval(version, verdict, by, why, Month.parse(month) if month else None)
    warehouse = Warehouse(settings)
    decided = decide_waiting(settings, warehouse, approval)
    pack = _write_pack(settings, warehouse, version, Month(decided["month"].year, decided["month"].month))
    return decided | {"month": f"{decided['month']:%Y-%m}", "evidence_pack": pack}


def _write_pack(settings: "Settings", warehouse: "Warehouse", version: int, month: Month) -> str | None:
    """The folder of the evidence pack, now with the decision; without it the decision stands."""
    from taxi_assets.monitoring.evidence_pack.write_pack import write_evidence_pack

    try:
        return str(write_evidence_pack(settings, warehouse, version, month))
    except Exception as error:
        warn(f"the evidence pack was not written ({describe_error(error)}): repeat the command to write it")
        return None


def _print_decision(facts: dict[str, Any], by: str) -> None:
    before = " already" if facts["decided_by"] != by.strip() else ""
    champion = facts["champion_version"]
    compared = f"compared with champion {champion}" if champion else "there was no champion"
    say(
        f"version {facts['model_version']} is {facts['decision']}{before} by {facts['decided_by']} "
        f"({facts['decided_at']:%F %H:%M} UTC: {facts['why']}); {compared} on {facts['month']}"
    )
