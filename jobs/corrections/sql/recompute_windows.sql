/* query
owner: data-platform
reads: [stored, minute_batch]
writes: [recomputed_pane, recomputed_window]
about: >
  Panes and minutes of the batch from the readings of iot.readings, as jobs/panes.sql and jobs/rollups.sql make them.
  `place` orders values by event time, equal times by their text: readings of one device and millisecond are rare, so
  only those pay for the text.
*/
CREATE OR REPLACE TEMP TABLE counted AS
SELECT s.tenant, s.device_id, s.event_time_ms, s.metrics, s.late
FROM (
  SELECT tenant, device_id, epoch_ms(event_time) AS event_time_ms, metrics, (mark = 'late')::BIGINT AS late
  FROM stored) AS s
SEMI JOIN minute_batch AS b
  ON b.tenant = s.tenant AND b.device_id = s.device_id AND b.minute_ms = s.event_time_ms - s.event_time_ms % 60000;

CREATE OR REPLACE TEMP TABLE tied AS
SELECT tenant, device_id, event_time_ms FROM counted GROUP BY ALL HAVING count(*) > 1;

CREATE OR REPLACE TEMP TABLE recomputed_pane AS
WITH single AS (
  SELECT
    tenant, device_id, unnest(map_keys(metrics)) AS metric, unnest(map_values(metrics)) AS reading,
    event_time_ms, event_time_ms * 65536 AS place, late
  FROM counted
  ANTI JOIN tied USING (tenant, device_id, event_time_ms)
),
entries AS (
  SELECT
    tenant, device_id, unnest(map_keys(metrics)) AS metric, unnest(map_values(metrics)) AS reading,
    event_time_ms, late
  FROM counted
  SEMI JOIN tied USING (tenant, device_id, event_time_ms)
),
several AS (
  SELECT
    tenant, device_id, metric, reading, event_time_ms,
    event_time_ms * 65536 + row_number() OVER (
      PARTITION BY tenant, device_id, metric, event_time_ms ORDER BY reading::VARCHAR) AS place,
    late
  FROM entries
)
SELECT
  tenant, device_id, metric, event_time_ms - event_time_ms % 10000 AS start_ms,
  count(*) AS readings, min(reading) AS minimum, max(reading) AS maximum, sum(reading) AS total,
  arg_min(reading, place) AS first, arg_max(reading, place) AS last, sum(late)::BIGINT AS late_readings
FROM (FROM single UNION ALL FROM several)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE recomputed_window AS
SELECT
  tenant, device_id, metric, start_ms - start_ms % 60000 AS minute_ms,
  min(minimum) AS min, max(maximum) AS max, sum(total) AS sum, sum(readings)::BIGINT AS count,
  arg_min(first, start_ms) AS first, arg_max(last, start_ms) AS last, sum(late_readings)::BIGINT AS late_count
FROM recomputed_pane
GROUP BY ALL;
