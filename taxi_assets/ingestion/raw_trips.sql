-- One file's trips under canonical names; the view `canonical_trips` applies the file's column mapping.
SELECT $service AS service, $month AS month, *
FROM canonical_trips
