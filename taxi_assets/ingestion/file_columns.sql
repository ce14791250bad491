-- The columns of one month's file, as published.
SELECT
    $service AS service, $month AS month, generate_subscripts($names, 1) - 1 AS position, unnest($names) AS column_name,
    unnest($types) AS type, unnest($meanings) AS canonical_name, unnest($notes) AS read_as
