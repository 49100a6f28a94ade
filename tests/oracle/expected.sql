-- From `measured` to what must be stored. Files are merged by time; a file's own order is never changed,
-- so a row that is older than one before it in its file travels with that newer one.
CREATE TABLE sent AS
SELECT * EXCLUDE (reached_ms, place)
FROM (
  SELECT *, row_number() OVER (ORDER BY reached_ms, file_no, row_no) AS place
  FROM (SELECT *, max(recorded_ms) OVER (PARTITION BY file_no ORDER BY row_no) AS reached_ms FROM measured)
)
WHERE place <= coalesce(getvariable('sent_limit'), 9223372036854775807);

CREATE TABLE expected_readings AS
SELECT
  getvariable('sent_prefix') || device AS device_id,
  event || CASE WHEN getvariable('sent_tag') = '' THEN '' ELSE '~' || getvariable('sent_tag') END AS event_id,
  CASE
    WHEN getvariable('sent_start_ms') IS NULL THEN recorded_ms
    ELSE getvariable('sent_start_ms')
      + (recorded_ms - (SELECT min(recorded_ms) FROM sent)) // getvariable('sent_compress')
  END AS event_time_ms,
  lat,
  lon,
  attributes,
  device,
  event
FROM sent;

CREATE TABLE expected_points AS
SELECT device_id, event_id, event_time_ms, metric, value
FROM (
  UNPIVOT (SELECT * EXCLUDE (file_no, row_no, recorded_ms, attributes, lat, lon) FROM sent)
  ON COLUMNS(* EXCLUDE (device, event)) INTO NAME metric VALUE value
)
JOIN expected_readings USING (device, event);

-- A row without any metric is not sent.
DELETE FROM expected_readings WHERE event_id NOT IN (SELECT event_id FROM expected_points);

-- The same content again is the same reading: of rows that say the same one counts.
CREATE TABLE content AS
SELECT device_id, event_id, any_value(event_time_ms) AS event_time_ms, list({m: metric, v: value} ORDER BY metric) AS points
FROM expected_points GROUP BY device_id, event_id;
CREATE TABLE repeated AS
SELECT event_id FROM content
QUALIFY row_number() OVER (PARTITION BY device_id, event_time_ms, points ORDER BY event_id) > 1;
DELETE FROM expected_points WHERE event_id IN (FROM repeated);
DELETE FROM expected_readings WHERE event_id IN (FROM repeated);
