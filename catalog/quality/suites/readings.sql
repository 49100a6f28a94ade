/* statements
owner: data-platform
about: >
  One day of iot.readings as its checks look at it, small enough to judge row by row: what is wrong with any reading shows in
  the row of its device, metric or partition.
reads: readings (one day), expected (devices with a profile), ranges (of their metrics), asked (the day, now, the newest row)
writes: nothing
*/

-- name: devices
SELECT
  tenant, device_id, count(*) AS readings,
  count(*) FILTER (metrics IS NULL OR cardinality(metrics) = 0) AS without_metrics,
  max(epoch(event_time) - epoch(received_at)) AS ahead_s
FROM readings
GROUP BY tenant, device_id;

-- name: metrics
WITH points AS (
  SELECT tenant, device_id, unnest(map_keys(metrics)) AS metric, unnest(map_values(metrics)) AS value FROM readings
), found AS (
  SELECT
    tenant, device_id, metric, count(*) AS points,
    count(*) FILTER (value IS NULL OR NOT isfinite(value)) AS unusable,
    min(value) FILTER (isfinite(value)) AS least, max(value) FILTER (isfinite(value)) AS greatest
  FROM points
  GROUP BY tenant, device_id, metric
)
SELECT
  f.tenant, f.device_id, f.metric, coalesce(r.profile, '') AS profile, f.points, f.unusable, f.least, f.greatest, r.low,
  r.high
FROM found AS f LEFT JOIN ranges AS r ON r.tenant = f.tenant AND r.device_id = f.device_id AND r.metric = f.metric;

-- name: completeness
WITH due AS (
  -- What was sent in the last two minutes may not be committed yet.
  SELECT day_start, least(day_end, now - INTERVAL 2 MINUTE) AS until FROM asked
), seen AS (
  SELECT
    r.tenant, r.device_id, min(r.event_time) AS first,
    count(*) FILTER (r.mark NOT IN ('duplicate', 'replaced') AND r.event_time <= d.until) AS readings
  FROM readings AS r CROSS JOIN due AS d
  GROUP BY r.tenant, r.device_id
), owed AS (
  SELECT
    s.tenant, s.device_id, e.profile, s.first, s.readings,
    floor((epoch(d.until) - epoch(s.first) - coalesce(sum(
      greatest(0, epoch(least(p.until_time, d.until)) - epoch(greatest(p.from_time, s.first)))
    ) FILTER (p.device_id IS NOT NULL), 0)) / any_value(e.expected_interval_s)) AS promised
  FROM seen AS s
  JOIN expected AS e ON e.tenant = s.tenant AND e.device_id = s.device_id
  CROSS JOIN due AS d
  LEFT JOIN pauses AS p ON p.tenant = s.tenant AND p.device_id = s.device_id
  GROUP BY s.tenant, s.device_id, e.profile, s.first, s.readings, d.until
)
SELECT tenant, device_id, profile, first, readings, promised, readings / promised AS completeness
FROM owed
-- Of a handful of readings one that is on its way would count too much.
WHERE promised >= 10;

-- name: coordinates
WITH places AS (
  SELECT kafka_partition, kafka_offset, count(*) AS copies FROM readings GROUP BY kafka_partition, kafka_offset
)
SELECT
  kafka_partition, sum(copies)::BIGINT AS stored, count(*) AS offsets,
  coalesce(min(kafka_offset) FILTER (copies > 1), -1) AS repeats_from,
  coalesce(max(kafka_offset) FILTER (copies > 1), -1) AS repeats_to
FROM places
GROUP BY kafka_partition;

-- name: marks
SELECT mark, count(*) AS readings FROM readings GROUP BY mark;

-- name: freshness
-- A clock that runs ahead makes nothing fresher than now.
SELECT newest, greatest(epoch(now) - epoch(newest), 0) AS age_s
FROM asked
WHERE newest IS NOT NULL AND now >= day_start AND now < day_end;
