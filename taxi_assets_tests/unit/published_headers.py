"""Published headers of TLC's files, and of the history of its columns."""

GREEN = (
    "VendorID lpep_pickup_datetime lpep_dropoff_datetime store_and_fwd_flag RatecodeID PULocationID "
    "DOLocationID passenger_count trip_distance fare_amount extra mta_tax tip_amount tolls_amount "
    "ehail_fee improvement_surcharge total_amount payment_type trip_type congestion_surcharge"
)
YELLOW = (
    "VendorID tpep_pickup_datetime tpep_dropoff_datetime passenger_count trip_distance RatecodeID "
    "store_and_fwd_flag PULocationID DOLocationID payment_type fare_amount extra mta_tax tip_amount "
    "tolls_amount improvement_surcharge total_amount"
)
COMPANY = (
    "hvfhs_license_num dispatching_base_num originating_base_num request_datetime on_scene_datetime "
    "pickup_datetime dropoff_datetime PULocationID DOLocationID trip_miles trip_time "
    "base_passenger_fare tolls bcf sales_tax congestion_surcharge airport_fee tips driver_pay "
    "shared_request_flag shared_match_flag access_a_ride_flag wav_request_flag wav_match_flag"
)
# Each with the number of columns the contract does not know.
WITH_ZONES = {
    "green from 2016-07": (GREEN.replace(" congestion_surcharge", ""), 0),
    "green from 2019-01": (GREEN, 0),
    "green from 2025-01": (f"{GREEN} cbd_congestion_fee", 0),
    "yellow from 2016-07": (YELLOW, 0),
    "yellow from 2019-01": (f"{YELLOW} congestion_surcharge airport_fee", 0),
    "yellow from 2023-02": (f"{YELLOW} congestion_surcharge Airport_fee", 0),
    "yellow from 2025-01": (f"{YELLOW} congestion_surcharge Airport_fee cbd_congestion_fee", 0),
    "yellow of one day": (f"{YELLOW} congestion_surcharge Airport_fee ride_time __index_level_0__", 2),
    "fhvhv from 2019-02": (
        "hvfhs_license_num dispatching_base_num pickup_datetime dropoff_datetime PULocationID DOLocationID SR_Flag",
        0,
    ),
    "fhvhv of today": (COMPANY, 0),
    "fhvhv from 2025-01": (f"{COMPANY} cbd_congestion_fee", 0),
}
FOR_HIRE = {
    "fhv from 2015-01": "Dispatching_base_num Pickup_date locationID",
    "fhv from 2017-01": "Dispatching_base_num Pickup_DateTime DropOff_datetime PUlocationID DOlocationID",
    "fhv from 2019-01": "dispatching_base_num pickup_datetime dropoff_datetime PULocationID DOLocationID SR_Flag",
    "fhv of today": (
        "dispatching_base_num pickup_datetime dropOff_datetime PUlocationID DOlocationID SR_Flag Affiliated_base_number"
    ),
}
WITHOUT_ZONES = {
    "yellow from 2009-01": (
        "vendor_name Trip_Pickup_DateTime Trip_Dropoff_DateTime Passenger_Count Trip_Distance "
        "Start_Lon Start_Lat Rate_Code store_and_forward End_Lon End_Lat Payment_Type Fare_Amt "
        "surcharge mta_tax Tip_Amt Tolls_Amt Total_Amt"
    ),
    "yellow from 2010-01": (
        "vendor_id pickup_datetime dropoff_datetime passenger_count trip_distance pickup_longitude "
        "pickup_latitude rate_code store_and_fwd_flag dropoff_longitude dropoff_latitude "
        "payment_type fare_amount surcharge mta_tax tip_amount tolls_amount total_amount"
    ),
    "yellow from 2015-01": (
        "VendorID tpep_pickup_datetime tpep_dropoff_datetime passenger_count trip_distance "
        "pickup_longitude pickup_latitude RateCodeID store_and_fwd_flag dropoff_longitude "
        "dropoff_latitude payment_type fare_amount extra mta_tax tip_amount tolls_amount "
        "improvement_surcharge total_amount"
    ),
    "green from 2013-08": (
        "VendorID lpep_pickup_datetime Lpep_dropoff_datetime Store_and_fwd_flag RateCodeID "
        "Pickup_longitude Pickup_latitude Dropoff_longitude Dropoff_latitude Passenger_count "
        "Trip_distance Fare_amount Extra MTA_tax Tip_amount Tolls_amount Ehail_fee Total_amount "
        "Payment_type Trip_type"
    ),
}
