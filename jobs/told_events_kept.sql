/* insert
owner: data-platform
position: 4
reads: [kept_events]
writes: [iot.device_events]
about: What happened to devices and sites, for longer than the topic holds it.
*/
INSERT INTO lake.iot.device_events
SELECT
  event_id, type, tenant, device_id, site,
  TO_TIMESTAMP_LTZ(event_time, 3) AS event_time, TO_TIMESTAMP_LTZ(detected_at, 3) AS detected_at,
  cause, part_of, devices, details
FROM kept_events
