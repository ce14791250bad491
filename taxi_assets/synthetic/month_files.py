"""Writes one month of synthetic trips as a file in TLC's format."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.synthetic import defects
from taxi_assets.synthetic.eras import Era, era_of
from taxi_assets.synthetic.fares import add_codes, add_money
from taxi_assets.synthetic.for_hire import add_base_fields, add_company_fields
from taxi_assets.synthetic.shifts import SHIFTS, Shift
from taxi_assets.synthetic.tables import add_coordinates, to_table
from taxi_assets.synthetic.trips import Piece, Plan, Trips, draw_trips, split_month


def write_month(  # noqa: PLR0913, PLR0917 - all of them define a month; the last two have defaults
    out: Path,
    service: str,
    month: Month,
    rows: int,
    seed: int,
    era: str | None = None,
    shifts: Sequence[Shift] = (),
) -> Path:
    """Writes one synthetic month; the same arguments give the same bytes.

    Args:
        out: The folder; created if missing.
        service: yellow, green, fhvhv or fhv.
        month: The trips' month; a few trips are of other months, as in TLC's files.
        rows: Rows of the file, including refunds.
        seed: The city's seed: months and services of one seed share the city and the weather.
        era: The file format, a key of `ERAS[service]`; by default that of TLC's parquet file of the month.
        shifts: Changes of the city, see `SHIFTS`.

    Returns:
        The file, `{service}_tripdata_{YYYY-MM}.parquet`, or `.csv` in text eras. The parquet footer has the keys
        `taxi.synthetic`, `taxi.seed`, `taxi.era` and `taxi.shifts`.

    Raises:
        TaxiError: no such service or era, rows or seed out of range, or a shift given twice.
    """
    published, plan = era_of(service, month, era), Plan(seed, service, month, tuple(shifts))
    _check(plan, rows)
    about = {
        "taxi.synthetic": "true",
        "taxi.seed": str(seed),
        "taxi.era": published.name,
        "taxi.shifts": " ".join(str(shift) for shift in shifts),
    }
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{service}_tripdata_{month}.{published.suffix}"
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        _write(unfinished, published, about, _tables(plan, published, rows))
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return file


def _check(plan: Plan, rows: int) -> None:
    """Rejects invalid arguments before anything is written."""
    if rows < 1:
        raise TaxiError(f"a month of {rows} rows cannot be written: ask for 1 or more")
    for name in SHIFTS:
        plan.shift(name)
    _ = plan.city


def _tables(plan: Plan, era: Era, rows: int) -> Iterator[pa.Table]:
    for piece in split_month(plan, rows, defects.unmetered_share(plan.service, plan.month)):
        trips = draw_trips(plan, piece)
        _complete(trips, plan, era, piece)
        _shift_records(trips, plan, piece)
        yield to_table(trips, era)


def _complete(trips: Trips, plan: Plan, era: Era, piece: Piece) -> None:
    """Adds the other recorded fields and the defects."""
    rng, rates = plan.random_draws(2, piece.number), defects.rates_of(plan.service, era.name)
    if plan.service != "fhv":
        add_codes(trips, plan, rng)
        add_money(trips, plan, rng)
    defects.add_defects(trips, rates, plan.month, rng)
    if plan.service == "fhv":
        add_base_fields(trips, rng)
    elif plan.service == "fhvhv":
        add_company_fields(trips, rng)
    elif piece.is_metered:
        defects.add_refunds(trips, rates, rng)
    else:
        defects.strip_unmetered(trips, plan.service)
    if era.has_coordinates:
        add_coordinates(trips, plan.city, rng)


def _shift_records(trips: Trips, plan: Plan, piece: Piece) -> None:
    """Applies the shifts of recorded values; `draw_trips` applies those of the city."""
    for name in trips.values:
        if name.endswith("_at"):
            trips.values[name] = trips.values[name] + round(3600 * plan.shift("shifted_clock"))
    trips.values["trip_distance"] = trips.values["trip_distance"] * plan.shift("changed_unit")
    if piece.is_metered and plan.shift("null_burst"):
        length = round(plan.shift("null_burst") * piece.total)
        start = round(plan.random_draws(3).random() * (piece.total - length)) - piece.start
        for name in defects.GAPS[plan.service]:
            trips.hide(name, slice(max(start, 0), max(start + length, 0)))


def _write(file: Path, era: Era, about: Mapping[str, str], tables: Iterator[pa.Table]) -> None:
    if era.suffix == "csv":
        options = pa_csv.WriteOptions(quoting_style="none", quoting_header="none")
        writer = pa_csv.CSVWriter(file, era.schema, write_options=options)
    else:
        writer = pq.ParquetWriter(file, era.schema.with_metadata(about), compression="zstd")
    with writer:
        for table in tables:
            writer.write_table(table)
