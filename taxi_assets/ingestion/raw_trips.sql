-- One file's trips under canonical names; `canonical_trips` is the file read through its column mapping.
SELECT $service AS service, $month AS month, *
FROM canonical_trips
