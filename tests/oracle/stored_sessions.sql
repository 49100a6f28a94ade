-- The highest revision of a session is the answer, unless it says that the session is no more.
-- `actual_sessions` is registered by the caller with the columns of iot.sessions.
CREATE OR REPLACE TABLE newest_sessions AS
SELECT
  device_id, epoch_ms(session_start) AS start_ms, epoch_ms(session_end) AS end_ms, readings, gaps,
  battery_min, battery_max, signal_min, signal_max
FROM (
  FROM actual_sessions
  QUALIFY row_number() OVER (PARTITION BY device_id, session_start ORDER BY revision DESC) = 1
)
WHERE NOT superseded;

CREATE OR REPLACE MACRO session_text(end_ms, readings, gaps, battery_min, battery_max, signal_min, signal_max) AS
  format('end {} readings {} gaps {} battery {} to {} signal {} to {}', end_ms, readings, gaps,
    coalesce(battery_min::VARCHAR, '-'), coalesce(battery_max::VARCHAR, '-'),
    coalesce(signal_min::VARCHAR, '-'), coalesce(signal_max::VARCHAR, '-'));

CREATE OR REPLACE VIEW session_differences AS
SELECT 'session written twice with one revision' AS what, device_id || ' ' || epoch_ms(session_start) AS place,
  '1 row' AS expected, count(*) || ' rows of revision ' || revision AS found
FROM actual_sessions GROUP BY device_id, session_start, revision HAVING count(*) > 1
UNION ALL
SELECT
  CASE WHEN e.readings IS NULL THEN 'unexpected session' WHEN a.readings IS NULL THEN 'missing session' ELSE 'session' END,
  device_id || ' ' || start_ms,
  session_text(e.end_ms, e.readings, e.gaps, e.battery_min, e.battery_max, e.signal_min, e.signal_max),
  session_text(a.end_ms, a.readings, a.gaps, a.battery_min, a.battery_max, a.signal_min, a.signal_max)
FROM expected_sessions e
FULL JOIN newest_sessions a USING (device_id, start_ms)
WHERE (e.end_ms, e.readings, e.gaps, e.battery_min, e.battery_max, e.signal_min, e.signal_max)
  IS DISTINCT FROM (a.end_ms, a.readings, a.gaps, a.battery_min, a.battery_max, a.signal_min, a.signal_max);
