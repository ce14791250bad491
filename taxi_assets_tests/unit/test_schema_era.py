"""The service and the era of a file follow from its columns alone."""

import pytest
from published_headers import FOR_HIRE, GREEN, WITH_ZONES, WITHOUT_ZONES

from taxi_assets.errors import TaxiError
from taxi_assets.synthetic import ERAS
from taxi_assets.tlc.contract import check_service, possible_services, schema_era
from taxi_assets.tlc.services import SERVICES


@pytest.mark.parametrize("era", FOR_HIRE)
@pytest.mark.parametrize("service", [*SERVICES, "fhv"])
def test_other_for_hire_trips_are_refused_with_the_reason(era: str, service: str) -> None:
    with pytest.raises(TaxiError, match=r"other for-hire trips \(fhv\) have no distance and no fare, and a third"):
        check_service(FOR_HIRE[era].split(), service)


@pytest.mark.parametrize("service", SERVICES)
def test_service_follows_from_columns(service: str) -> None:
    for era, header in {**{era: header for era, (header, _) in WITH_ZONES.items()}, **WITHOUT_ZONES}.items():
        theirs = era.split()[0]
        assert possible_services(header.split()) == {theirs}
        if service == theirs:
            check_service(header.split(), service)
        else:
            with pytest.raises(TaxiError, match=f"its columns are those of {theirs}, not of {service}: name it after"):
                check_service(header.split(), service)


def test_common_names_match_every_service_and_other_files_none() -> None:
    plain = ("pickup_datetime", "dropoff_datetime", "PULocationID", "DOLocationID")
    assert possible_services(plain) == frozenset(SERVICES)
    assert possible_services(("LocationID", "Borough", "Zone")) == frozenset()


ERA_NAMES = [(service, era) for service in SERVICES for era in ERAS[service]]
SAME = {("yellow", "2015-07-csv"): "2015-csv"}  # capitals do not matter


@pytest.mark.parametrize(("service", "era"), ERA_NAMES)
def test_era_follows_from_columns_and_types(service: str, era: str) -> None:
    columns = ERAS[service][era].columns
    types = ["string" if era.endswith("-csv") else str(column.type) for column in columns]
    assert schema_era([column.name for column in columns], types) == SAME.get((service, era), era)


def test_era_allows_unknown_columns_and_rejects_mixed_services() -> None:
    columns = [*GREEN.split(), "ride_time"]
    assert schema_era(columns, ["int64"] * len(columns)) == "A"
    assert schema_era([*columns, "tpep_pickup_datetime"], ["int64"] * (len(columns) + 1)) == "unknown"
    assert schema_era([], []) == "unknown"
    assert schema_era(["dispatching_base_num", "pickup_datetime"], ["string"] * 2) == "unknown"
