/* insert
owner: data-platform
position: 2
reads: [classified]
writes: [iot.readings]
about: Every message of the topic, once, with its coordinates and its mark.
*/
INSERT INTO lake.iot.readings
SELECT
  tenant, device_id, event_id, event_time, metrics, location, attributes,
  TO_TIMESTAMP_LTZ(received_at_ms, 3) AS received_at,
  source, kafka_partition, kafka_offset,
  CASE WHEN verdict = 1 THEN 'duplicate' WHEN behind THEN 'late' ELSE 'on_time' END AS mark
FROM classified
