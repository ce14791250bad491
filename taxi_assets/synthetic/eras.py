"""TLC's file formats by era: published column names in order, with their types.

A, B and C are the eras of today's parquet files. Other eras are named after their first year or month; `-csv` marks
the text files that TLC published until it republished its history as parquet in 2022. Sources: real green months
(A, B, C), TLC's samples of April 2020, TLC's data dictionaries, and footers published by others.

A column is written `Published_Name:field:kind`, or `name:kind` if the field has the same name. `ERAS` maps the kinds
to types.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month


@dataclass(frozen=True)
class Column:
    """One published column: its name, the field of `Trips` it shows, and its type."""

    name: str
    field: str
    type: pa.DataType


@dataclass(frozen=True)
class Era:
    """One file format: its name, its columns in their order, and the suffix of its files."""

    name: str
    columns: tuple[Column, ...]
    suffix: str

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(column.name, column.type) for column in self.columns])

    @property
    def has_coordinates(self) -> bool:
        return any(column.field == "pickup_longitude" for column in self.columns)


_MICROSECONDS = pa.timestamp("us")
_TYPES_A = {
    "id": pa.int64(),
    "count": pa.float64(),  # doubles, because some are null
    "code": pa.int64(),
    "real": pa.float64(),
    "time": _MICROSECONDS,
    "text": pa.string(),
    "none": pa.null(),
    "shared": pa.null(),
}
_TYPES_B = _TYPES_A | {
    "id": pa.int32(),
    "count": pa.int64(),
    "text": pa.large_string(),
    "none": pa.float64(),
    "shared": pa.int64(),
}
_TYPES_2011 = _TYPES_A | {"count": pa.int64()}
_TYPES_2009 = _TYPES_2011 | {"time": pa.string(), "none": pa.float64()}
_TYPES_CSV = _TYPES_A | {"count": pa.int64(), "time": pa.timestamp("s"), "shared": pa.int64()}

_FEES = "improvement_surcharge:improvement:real total_amount:total:real"
_PAID = "fare_amount:fare:real extra:real mta_tax:real tip_amount:tip:real tolls_amount:tolls:real"
_CBD = "cbd_congestion_fee:cbd_fee:real"
_CONGESTION = "congestion_surcharge:congestion:real"

_YELLOW_2009 = """
vendor_name:text Trip_Pickup_DateTime:pickup_at:time Trip_Dropoff_DateTime:dropoff_at:time
Passenger_Count:passenger_count:count Trip_Distance:trip_distance:real Start_Lon:pickup_longitude:real
Start_Lat:pickup_latitude:real Rate_Code:nothing:none store_and_forward:nothing:none
End_Lon:dropoff_longitude:real End_Lat:dropoff_latitude:real Payment_Type:payment_word:text Fare_Amt:fare:real
surcharge:extra:real mta_tax:nothing:none Tip_Amt:tip:real Tolls_Amt:tolls:real Total_Amt:total:real
"""
_YELLOW_2010 = """
vendor_id:vendor_name:text pickup_datetime:pickup_at:time dropoff_datetime:dropoff_at:time
passenger_count:count trip_distance:real pickup_longitude:real pickup_latitude:real rate_code:text
store_and_fwd_flag:store_flag:text dropoff_longitude:real dropoff_latitude:real
payment_type:payment_short:text fare_amount:fare:real surcharge:extra:real mta_tax:real tip_amount:tip:real
tolls_amount:tolls:real total_amount:total:real
"""
_YELLOW_START = """
VendorID:vendor_id:id tpep_pickup_datetime:pickup_at:time tpep_dropoff_datetime:dropoff_at:time
passenger_count:count trip_distance:real
"""
_YELLOW_2015 = f"""
{_YELLOW_START} pickup_longitude:real pickup_latitude:real RatecodeID:rate_code:count
store_and_fwd_flag:store_flag:text dropoff_longitude:real dropoff_latitude:real payment_type:code {_PAID}
{_FEES}
"""
_YELLOW_2016 = f"""
{_YELLOW_START} RatecodeID:rate_code:count store_and_fwd_flag:store_flag:text PULocationID:pickup_zone:id
DOLocationID:dropoff_zone:id payment_type:code {_PAID} {_FEES}
"""
_YELLOW_A = f"{_YELLOW_2016} {_CONGESTION} airport_fee:real"
_YELLOW_B = f"{_YELLOW_2016} {_CONGESTION} Airport_fee:airport_fee:real"

_GREEN_2013 = """
VendorID:vendor_id:id lpep_pickup_datetime:pickup_at:time Lpep_dropoff_datetime:dropoff_at:time
Store_and_fwd_flag:store_flag:text RateCodeID:rate_code:count Pickup_longitude:pickup_longitude:real
Pickup_latitude:pickup_latitude:real Dropoff_longitude:dropoff_longitude:real
Dropoff_latitude:dropoff_latitude:real Passenger_count:passenger_count:count Trip_distance:trip_distance:real
Fare_amount:fare:real Extra:extra:real MTA_tax:mta_tax:real Tip_amount:tip:real Tolls_amount:tolls:real
Ehail_fee:nothing:none Total_amount:total:real Payment_type:payment_type:count Trip_type:trip_type:count
"""
_GREEN_2015 = _GREEN_2013.replace("Total_amount", "improvement_surcharge:improvement:real Total_amount")
_GREEN_2016 = f"""
VendorID:vendor_id:id lpep_pickup_datetime:pickup_at:time lpep_dropoff_datetime:dropoff_at:time
store_and_fwd_flag:store_flag:text RatecodeID:rate_code:count PULocationID:pickup_zone:id
DOLocationID:dropoff_zone:id passenger_count:count trip_distance:real {_PAID} ehail_fee:nothing:none {_FEES}
payment_type:count trip_type:count
"""
_GREEN_A = f"{_GREEN_2016} {_CONGESTION}"

_COMPANY_2019 = """
hvfhs_license_num:license:text dispatching_base_num:dispatching_base:text pickup_datetime:pickup_at:time
dropoff_datetime:dropoff_at:time PULocationID:pickup_zone:id DOLocationID:dropoff_zone:id SR_Flag:nothing:none
"""
_COMPANY_A = f"""
hvfhs_license_num:license:text dispatching_base_num:dispatching_base:text
originating_base_num:originating_base:text request_datetime:request_at:time on_scene_datetime:on_scene_at:time
pickup_datetime:pickup_at:time dropoff_datetime:dropoff_at:time PULocationID:pickup_zone:id
DOLocationID:dropoff_zone:id trip_miles:trip_distance:real trip_time:trip_seconds:code
base_passenger_fare:fare:real tolls:real bcf:black_car_fund:real sales_tax:real {_CONGESTION} airport_fee:real
tips:tip:real driver_pay:real shared_request_flag:no_flag:text shared_match_flag:no_flag:text
access_a_ride_flag:access_flag:text wav_request_flag:no_flag:text wav_match_flag:wheelchair_flag:text
"""
_BASE_2015 = "Dispatching_base_num:dispatching_base:text Pickup_date:pickup_at:time locationID:pickup_zone:count"
_BASE_2017 = """
Dispatching_base_num:dispatching_base:text Pickup_DateTime:pickup_at:time DropOff_datetime:dropoff_at:time
PUlocationID:pickup_zone:count DOlocationID:dropoff_zone:count
"""
_BASE_2019 = """
dispatching_base_num:dispatching_base:text pickup_datetime:pickup_at:time dropoff_datetime:dropoff_at:time
PULocationID:pickup_zone:count DOLocationID:dropoff_zone:count SR_Flag:nothing:shared
"""
_BASE_A = """
dispatching_base_num:dispatching_base:text pickup_datetime:pickup_at:time dropOff_datetime:dropoff_at:time
PUlocationID:pickup_zone:count DOlocationID:dropoff_zone:count SR_Flag:nothing:shared
Affiliated_base_number:affiliated_base:text
"""


def _columns(text: str, types: Mapping[str, pa.DataType]) -> tuple[Column, ...]:
    parts = [part.split(":") for part in text.split()]
    return tuple(Column(part[0], part[-2], types[part[-1]]) for part in parts)


def _eras(formats: Mapping[str, tuple[str, Mapping[str, pa.DataType]]]) -> dict[str, Era]:
    return {
        name: Era(name, _columns(text, types), "csv" if name.endswith("-csv") else "parquet")
        for name, (text, types) in formats.items()
    }


ERAS: dict[str, dict[str, Era]] = {
    "yellow": _eras(
        {
            "2009": (_YELLOW_2009, _TYPES_2009),
            "2009-csv": (_YELLOW_2009, _TYPES_CSV),
            "2010": (_YELLOW_2010, _TYPES_2009),
            "2010-csv": (_YELLOW_2010, _TYPES_CSV),
            "2011": (f"{_YELLOW_2016} congestion_surcharge:nothing:none airport_fee:nothing:none", _TYPES_2011),
            "2015-csv": (_YELLOW_2015.replace("RatecodeID", "RateCodeID"), _TYPES_CSV),
            "2015-07-csv": (_YELLOW_2015, _TYPES_CSV),
            "2016-07-csv": (_YELLOW_2016, _TYPES_CSV),
            "2019": (f"{_YELLOW_2016} {_CONGESTION} airport_fee:nothing:none", _TYPES_A),
            "2019-csv": (f"{_YELLOW_2016} {_CONGESTION}", _TYPES_CSV),
            "A": (_YELLOW_A, _TYPES_A),
            "B": (_YELLOW_B, _TYPES_B),
            "C": (f"{_YELLOW_B} {_CBD}", _TYPES_B),
        }
    ),
    "green": _eras(
        {
            "2013-08-csv": (_GREEN_2013, _TYPES_CSV),
            "2015-csv": (_GREEN_2015, _TYPES_CSV),
            "2016-07-csv": (_GREEN_2016, _TYPES_CSV),
            "2019-csv": (_GREEN_A, _TYPES_CSV),
            "A": (_GREEN_A, _TYPES_A),
            "B": (_GREEN_A, _TYPES_B),
            "C": (f"{_GREEN_A} {_CBD}", _TYPES_B),
        }
    ),
    "fhvhv": _eras(
        {
            "2019-02-csv": (_COMPANY_2019, _TYPES_CSV),
            "A": (_COMPANY_A, _TYPES_A),
            "B": (_COMPANY_A, _TYPES_B),
            "C": (f"{_COMPANY_A} {_CBD}", _TYPES_B),
        }
    ),
    "fhv": _eras(
        {
            "2015-csv": (_BASE_2015, _TYPES_CSV),
            "2017-csv": (_BASE_2017, _TYPES_CSV),
            "2019-csv": (_BASE_2019, _TYPES_CSV),
            "A": (_BASE_A, _TYPES_A),
            "B": (_BASE_A, _TYPES_B),
        }
    ),
}
# First month of each format of TLC's parquet files.
_BEGINS: dict[str, tuple[tuple[Month, str], ...]] = {
    "yellow": (
        (Month(2009, 1), "2009"),
        (Month(2010, 1), "2010"),
        (Month(2011, 1), "2011"),
        (Month(2019, 1), "2019"),
        (Month(2020, 8), "A"),
        (Month(2020, 10), "2019"),  # one month back to the old format: the fee's column is empty
        (Month(2020, 11), "A"),
        (Month(2023, 2), "B"),
        (Month(2025, 1), "C"),
    ),
    "green": ((Month(2013, 8), "A"), (Month(2023, 2), "B"), (Month(2025, 1), "C")),
    "fhvhv": ((Month(2019, 2), "A"), (Month(2023, 2), "B"), (Month(2025, 1), "C")),
    "fhv": ((Month(2015, 1), "A"), (Month(2023, 2), "B")),
}


def era_of(service: str, month: Month, name: str | None = None) -> Era:
    """The file format of that name, by default that of TLC's parquet file of the month.

    Raises:
        TaxiError: the service or era is unknown, or TLC published no file of the service in that month.
    """
    if service not in ERAS:
        raise TaxiError(f"there is no service '{service}': choose one of {', '.join(ERAS)}")
    eras_so_far = [era for first, era in _BEGINS[service] if first <= month]
    if not eras_so_far:
        raise TaxiError(f"there are no {service} trips in {month}: they begin in {_BEGINS[service][0][0]}")
    if name is not None and name not in ERAS[service]:
        raise TaxiError(f"{service} has no era '{name}': choose one of {', '.join(ERAS[service])}")
    return ERAS[service][eras_so_far[-1] if name is None else name]
