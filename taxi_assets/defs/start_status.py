"""Sensors and schedules start by themselves in dev only: elsewhere a person turns them on in Dagster.

Dagster keeps what a person chose, and a promotion of a release changes no state of Dagster.
"""

import os

import dagster as dg

IS_STARTED = os.environ.get("TAXI_ENV", "dev") == "dev"
SENSOR_STATUS = dg.DefaultSensorStatus.RUNNING if IS_STARTED else dg.DefaultSensorStatus.STOPPED
SCHEDULE_STATUS = dg.DefaultScheduleStatus.RUNNING if IS_STARTED else dg.DefaultScheduleStatus.STOPPED
