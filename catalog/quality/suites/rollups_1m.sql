/* statements
owner: data-platform
about: One day of iot.rollups_1m by device and metric.
reads: rollups_1m (one day)
writes: nothing
*/

-- name: windows
SELECT
  tenant, device_id, metric, count(*) AS windows, min(count) AS smallest_count,
  -- A sum of equal values divided by their number may differ from them in the last digit.
  count(*) FILTER (
    min > max OR (count > 0 AND (
      sum / count < min - 1e-9 * greatest(abs(min), abs(max)) OR sum / count > max + 1e-9 * greatest(abs(min), abs(max))
    ))
  ) AS disordered
FROM rollups_1m
GROUP BY tenant, device_id, metric;

-- name: revisions
WITH told AS (
  SELECT tenant, device_id, metric, window_start, revision, count(*) AS copies
  FROM rollups_1m
  GROUP BY tenant, device_id, metric, window_start, revision
), newest AS (
  SELECT tenant, device_id, metric, window_start, arg_max(copies, revision) AS copies
  FROM told
  GROUP BY tenant, device_id, metric, window_start
)
SELECT
  tenant, device_id, metric, count(*) FILTER (copies > 1) AS repeated, min(window_start) FILTER (copies > 1) AS first_repeat
FROM newest
GROUP BY tenant, device_id, metric;
