"""The model card of a decision: purpose, data, errors by slice, intervals, noise floor, limits."""

from collections.abc import Iterable

from taxi_assets.evaluation.diagnostics import MATCHED_PAIRS, NOISE_FLOOR
from taxi_assets.evaluation.metrics import MODEL
from taxi_assets.monitoring.evidence_pack.documents import Cell, Document, Link, Section, Table
from taxi_assets.monitoring.evidence_pack.pack_facts import PackFacts, Row
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE
from taxi_assets.training.intervals import COVERAGE

_OVERALL = "overall"
_REPORTS = "../../"  # the report server shows the packs in a folder of the reports
_USES = {"training": "its training files", "scored": "the scored file"}
_LIMITS = (
    "It knows the zones, the time, the passengers and past trips. It knows neither the route nor the weather, events "
    "or road works, and recent traffic only from completed trips that are sent to the endpoint.",
    "It was trained on trips of 1 to 60 minutes, so longer trips are predicted too short. Pairs of zones with few "
    "trips are predicted from their neighbourhood, with larger errors.",
    "Its errors below are those of one month. A change of the city after the training, such as a new toll, makes them "
    "larger until a later version is trained.",
    "It is for planning a ride. It is not for fares, for the pay or assessment of drivers, or for emergencies.",
    "The data has no riders and no drivers: it shows errors by borough, and cannot show errors by group of people.",
)


def model_card(facts: PackFacts) -> Document:
    """The model card of the version decided on."""
    tags = facts.version.tags
    kind = "made of synthetic months" if tags.get("synthetic") == "true" else "made of TLC's files"
    return Document(
        f"Model card: {facts.version.name} version {facts.version.version}",
        (
            f"Decision on {facts.month}: {facts.state}. This version is {kind}.",
            *facts.decision["reasons"],
        ),
        (
            Section(
                "Purpose",
                (
                    "Predicts the duration of a taxi ride in New York, in minutes, from what is known at the pickup. "
                    f"Its interval should contain {COVERAGE:.0%} of the actual durations.",
                    f"It serves trips of {tags['services'].replace(',', ', ')}.",
                ),
            ),
            _training(facts),
            _data(facts),
            _scores(facts),
            _slices(facts),
            _coverage(facts),
            _noise_floor(facts),
            _importance(facts),
            Section("Limits", _LIMITS),
        ),
    )


def _training(facts: PackFacts) -> Section:
    tags = facts.version.tags
    named = {
        "training months": tags["months"].replace(",", ", "),
        "estimator": tags.get("estimator"),
        "libraries": tags.get("libraries"),
        "code": tags.get("git_commit"),
        "warehouse snapshot": tags["data_snapshot"],
        "digest of the training trips": tags["data_digest"],
        "SHA-256 of the model": tags.get("model_sha256"),
        "MLflow run": facts.version.run_id,
        "Dagster run": tags.get("dagster_run_id"),
    }
    parameters = {f"parameter {name}": value for name, value in sorted(facts.parameters.items())}
    return Section("Training", table=Table(("Fact", "Value"), tuple((named | parameters).items())))


def _data(facts: PackFacts) -> Section:
    notes = [f"The snapshot of {_USES[use]} has expired: the files listed are those of today." for use in facts.expired]
    accepted = sorted({(row["file_name"], row["accepted_by"]) for row in facts.files if row["accepted_by"]})
    notes += [f"{name} lacks much of its month and was accepted by {person}." for name, person in accepted]
    header = ("Use", "Month", "Service", "File", "Table", "Rows", "Checks passed", "Checks failed", "Data Docs")
    return Section(
        "Data",
        ("Each file, and the checks of each table made of it. data_files.csv has the SHA-256.", *notes),
        Table(header, tuple(map(_file_cells, facts.files))),
    )


def _file_cells(row: Row) -> tuple[Cell, ...]:
    names = ("use", "month", "service", "file_name", "table", "rows", "checks_passed", "checks_failed")
    return (*(row[name] for name in names), Link("checks", f"{_REPORTS}{row['data_docs']}"))


def _scores(facts: PackFacts) -> Section:
    rows = [row for row in facts.evaluations if row["slice"] == _OVERALL]
    cells = [
        (row["condition"].replace("_", " "), EVALUATION_SCOPES[row["scope"]].label, row["model"], *_errors(row))
        for row in rows
    ]
    return Section(
        "Errors",
        (f"On trips of {facts.month}, in minutes, beside the baselines. Bias is predicted minus actual.",),
        Table(("Predicted", "On", "Model", "Trips", "RMSE", "MAE", "Bias"), tuple(cells)),
    )


def _slices(facts: PackFacts) -> Section:
    rows = [
        row
        for row in _of_model(facts.evaluations)
        if row["slice"] not in (_OVERALL, MATCHED_PAIRS) and row["scope"] == PRIMARY_SCOPE.name
    ]
    cells = tuple((row["slice"].replace("_", " "), row["value"], *_errors(row)) for row in rows)
    return Section(
        "Errors by slice",
        (f"On {PRIMARY_SCOPE.label}, in minutes.",),
        Table(("Slice", "Value", "Trips", "RMSE", "MAE", "Bias"), cells),
    )


def _coverage(facts: PackFacts) -> Section:
    rows = [row for row in facts.coverage if row["condition"] == facts.decision["condition"]]
    trips, inside = (sum(row[name] for row in rows) for name in ("trips", "inside"))
    if not trips:
        return Section("Intervals", ("This version predicts no intervals.",))
    cells = [("all", "all", trips, f"{inside / trips:.1%}")]
    cells += [
        (row["pickup_borough"], row["hour_band"], row["trips"], f"{row['inside'] / row['trips']:.1%}") for row in rows
    ]
    return Section(
        "Intervals",
        (f"Share of trips that ended inside their {COVERAGE:.0%} interval.",),
        Table(("Pickup borough", "Part of the day", "Trips", "Inside"), tuple(cells)),
    )


def _noise_floor(facts: PackFacts) -> Section:
    rows = [row for row in facts.evaluations if row["slice"] == MATCHED_PAIRS and row["scope"] == PRIMARY_SCOPE.name]
    if not rows:
        return Section("Noise floor", ("No trip has a matched pair, so the noise floor is unknown.",))
    rows.sort(key=lambda row: row["model"] != NOISE_FLOOR)
    return Section(
        "Noise floor",
        ("The lowest RMSE that zones and time allow, from pairs of trips between the same zones at the same time.",),
        Table(("Model", "Trips with a match", "RMSE"), tuple((r["model"], r["trips"], r["rmse"]) for r in rows)),
    )


def _importance(facts: PackFacts) -> Section:
    cells = tuple((row["feature"], row["rmse_growth_minutes"]) for row in facts.importance)
    return Section(
        "Importance of the inputs",
        ("Growth of the RMSE, in minutes, if an input is shuffled among trips.",),
        Table(("Input", "Growth"), cells),
    )


def _of_model(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row["model"] == MODEL]


def _errors(row: Row) -> tuple[Cell, ...]:
    return row["trips"], row["rmse"], row["mae"], row["bias"]
