"""TLC's columns in every service and era, with their canonical names, types and units.

Matching ignores case and blanks, which TLC has changed more than once. Sources: TLC's data dictionaries and the
headers of its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RawColumn:
    """One canonical column: its DuckDB type, the names TLC has published it under, whether it is required.

    `words` maps lower-case words, which TLC once published instead of codes, to the codes.
    """

    name: str
    type: str
    published_as: tuple[str, ...]
    description: str
    required: bool = False
    words: Mapping[str, int] = field(default_factory=dict)


_PAYMENTS = {
    **dict.fromkeys(("crd", "cre", "credit"), 1),
    **dict.fromkeys(("csh", "cas", "cash"), 2),
    **dict.fromkeys(("noc", "no", "no charge"), 3),
    **dict.fromkeys(("dis", "dispute"), 4),
    "unk": 5,
}

RAW_COLUMNS: tuple[RawColumn, ...] = (
    RawColumn("vendor_id", "SMALLINT", ("vendorid",), "Provider of the trip's record"),
    RawColumn("vendor_name", "VARCHAR", ("vendor_name", "vendor_id"), "Provider's name, in 2009 and 2010"),
    RawColumn(
        "pickup_at",
        "TIMESTAMP",
        ("lpep_pickup_datetime", "tpep_pickup_datetime", "pickup_datetime", "trip_pickup_datetime"),
        "Start of the trip, New York local time",
        required=True,
    ),
    RawColumn(
        "dropoff_at",
        "TIMESTAMP",
        ("lpep_dropoff_datetime", "tpep_dropoff_datetime", "dropoff_datetime", "trip_dropoff_datetime"),
        "End of the trip, New York local time",
        required=True,
    ),
    RawColumn("pickup_zone_id", "SMALLINT", ("pulocationid",), "TLC zone of the start, 1-265", required=True),
    RawColumn("dropoff_zone_id", "SMALLINT", ("dolocationid",), "TLC zone of the end, 1-265", required=True),
    RawColumn("pickup_longitude", "DOUBLE", ("pickup_longitude", "start_lon"), "Start, degrees east, until 2016-06"),
    RawColumn("pickup_latitude", "DOUBLE", ("pickup_latitude", "start_lat"), "Start, degrees north, until 2016-06"),
    RawColumn("dropoff_longitude", "DOUBLE", ("dropoff_longitude", "end_lon"), "End, degrees east, until 2016-06"),
    RawColumn("dropoff_latitude", "DOUBLE", ("dropoff_latitude", "end_lat"), "End, degrees north, until 2016-06"),
    RawColumn("passenger_count", "SMALLINT", ("passenger_count",), "Passengers, as the driver typed it"),
    RawColumn("trip_distance_miles", "DOUBLE", ("trip_distance", "trip_miles"), "Metered distance, miles"),
    RawColumn("rate_code_id", "SMALLINT", ("ratecodeid", "rate_code"), "Tariff in force at the end"),
    RawColumn(
        "store_and_forward_flag",
        "VARCHAR",
        ("store_and_fwd_flag", "store_and_forward"),
        "Y if the record was sent later",
    ),
    RawColumn("payment_type_id", "SMALLINT", ("payment_type",), "How the rider paid", words=_PAYMENTS),
    RawColumn("trip_type_id", "SMALLINT", ("trip_type",), "1 street hail, 2 dispatch"),
    RawColumn("fare_usd", "DOUBLE", ("fare_amount", "fare_amt", "base_passenger_fare"), "Fare, US dollars"),
    RawColumn("extra_usd", "DOUBLE", ("extra", "surcharge"), "Rush-hour and overnight extras, US dollars"),
    RawColumn("mta_tax_usd", "DOUBLE", ("mta_tax",), "MTA tax, US dollars"),
    RawColumn("tip_usd", "DOUBLE", ("tip_amount", "tip_amt", "tips"), "Tip, US dollars"),
    RawColumn("tolls_usd", "DOUBLE", ("tolls_amount", "tolls_amt", "tolls"), "Tolls, US dollars"),
    RawColumn("ehail_fee_usd", "DOUBLE", ("ehail_fee",), "E-hail fee, US dollars"),
    RawColumn("improvement_surcharge_usd", "DOUBLE", ("improvement_surcharge",), "Surcharge, US dollars"),
    RawColumn("congestion_surcharge_usd", "DOUBLE", ("congestion_surcharge",), "State's surcharge, US dollars"),
    RawColumn("airport_fee_usd", "DOUBLE", ("airport_fee",), "Airport pickup fee, US dollars"),
    RawColumn("cbd_congestion_fee_usd", "DOUBLE", ("cbd_congestion_fee",), "Manhattan congestion pricing, 2025 on"),
    RawColumn("total_usd", "DOUBLE", ("total_amount", "total_amt"), "Total charged, US dollars"),
    RawColumn("company_license", "VARCHAR", ("hvfhs_license_num",), "TLC's license of the company, for-hire trips"),
    RawColumn("dispatching_base", "VARCHAR", ("dispatching_base_num",), "Base that dispatched, for-hire trips"),
    RawColumn("originating_base", "VARCHAR", ("originating_base_num",), "Base that took the request, for-hire trips"),
    RawColumn("requested_at", "TIMESTAMP", ("request_datetime",), "Time of the request, for-hire trips"),
    RawColumn("on_scene_at", "TIMESTAMP", ("on_scene_datetime",), "Time the car reached the pickup, for-hire trips"),
    RawColumn("trip_seconds", "INTEGER", ("trip_time",), "Duration reported by the company, for-hire trips"),
    RawColumn("black_car_fund_usd", "DOUBLE", ("bcf",), "Black Car Fund, US dollars, for-hire trips"),
    RawColumn("sales_tax_usd", "DOUBLE", ("sales_tax",), "State's sales tax, US dollars, for-hire trips"),
    RawColumn("driver_pay_usd", "DOUBLE", ("driver_pay",), "Paid to the driver, US dollars, for-hire trips"),
    RawColumn("shared_ride_flag", "VARCHAR", ("sr_flag",), "1 if the trip was shared, for-hire trips until 2020"),
    RawColumn("shared_request_flag", "VARCHAR", ("shared_request_flag",), "Y if the rider agreed to share"),
    RawColumn("shared_match_flag", "VARCHAR", ("shared_match_flag",), "Y if the trip was shared"),
    RawColumn("access_a_ride_flag", "VARCHAR", ("access_a_ride_flag",), "Y if made for the MTA's paratransit"),
    RawColumn("wav_request_flag", "VARCHAR", ("wav_request_flag",), "Y if a wheelchair place was requested"),
    RawColumn("wav_match_flag", "VARCHAR", ("wav_match_flag",), "Y if the car had a wheelchair place"),
)
