/* insert
owner: data-platform
position: 3
reads: [closed_sessions]
writes: [iot.sessions]
about: Each session once the watermark has passed its end and the device's `offline_after`.
*/
INSERT INTO lake.iot.sessions
SELECT
  tenant, device_id,
  TO_TIMESTAMP_LTZ(session_start, 3) AS session_start, TO_TIMESTAMP_LTZ(session_end, 3) AS session_end,
  readings, CAST(gaps AS INT) AS gaps, battery_min, battery_max, signal_min, signal_max, site, profile, late_count,
  0 AS revision, FALSE AS superseded
FROM closed_sessions
