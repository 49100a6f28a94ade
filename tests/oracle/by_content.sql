-- Readings without an id of their own are told apart by what they say: both sides name them by event time and
-- the place of their values among those of the same time, whatever the id that was made for them.
CREATE OR REPLACE TEMP TABLE expected_names AS
SELECT device_id, event_id, event_time_ms || '#' || dense_rank() OVER (
  PARTITION BY device_id, event_time_ms ORDER BY said) AS name
FROM (
  SELECT device_id, event_id, event_time_ms, list(metric || round(value, 6) ORDER BY metric) AS said
  FROM expected_points GROUP BY ALL);
UPDATE expected_readings SET event_id = n.name FROM expected_names AS n
WHERE expected_readings.device_id = n.device_id AND expected_readings.event_id = n.event_id;
UPDATE expected_points SET event_id = n.name FROM expected_names AS n
WHERE expected_points.device_id = n.device_id AND expected_points.event_id = n.event_id;

CREATE OR REPLACE TEMP TABLE named_readings AS
SELECT * EXCLUDE (said) REPLACE (epoch_ms(event_time) || '#' || dense_rank() OVER (
  PARTITION BY device_id, event_time ORDER BY said) AS event_id)
FROM (
  SELECT *, list_sort(list_transform(map_entries(metrics), lambda e: e.key || round(e.value, 6))) AS said
  FROM actual_readings);
