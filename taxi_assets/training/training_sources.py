"""The source files that decide which model the same trips and parameters give."""

TRAINING_SOURCES = (
    "tlc/local_time.py",
    "features/trip_features.py",
    "features/zone_geometry.py",
    "features/target_encoding.py",
    "features/out_of_fold.py",
    "features/recent_traffic.py",
    "features/encoding.py",
    "features/trip_features.sql",
    "training/predictions.py",
    "training/intervals.py",
    "training/training_set.py",
    "training/estimators.py",
    "training/random_forest.py",
    "training/model.py",
    "training/training_trips.sql",
)
