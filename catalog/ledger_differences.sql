/* query
owner: data-platform
reads: [readings, rollups]
about: By device, metric and minute of event time, readings (those that count) against the highest revision of the rollup.
*/
WITH expected AS (
  SELECT tenant, device_id, metric, epoch_ms(event_time) // 60000 AS minute, count(*) AS expected
  FROM (SELECT tenant, device_id, event_time, unnest(map_keys(metrics)) AS metric FROM readings WHERE mark NOT IN ('duplicate', 'replaced'))
  GROUP BY ALL),
highest AS (
  SELECT tenant, device_id, metric, epoch_ms(window_start) // 60000 AS minute, "count", revision
  FROM rollups
  QUALIFY revision = max(revision) OVER (PARTITION BY tenant, device_id, metric, window_start)),
found AS (
  SELECT tenant, device_id, metric, minute, sum("count") AS found, max(revision) AS revision
  FROM highest
  GROUP BY ALL)
SELECT
  tenant, device_id, metric, CAST(minute AS BIGINT) AS minute,
  CAST(coalesce(expected, 0) AS BIGINT) AS expected,
  CAST(coalesce(found, 0) AS BIGINT) AS found,
  CAST(coalesce(revision, -1) AS BIGINT) AS revision
FROM expected
FULL JOIN found USING (tenant, device_id, metric, minute)
ORDER BY minute, tenant, device_id, metric
