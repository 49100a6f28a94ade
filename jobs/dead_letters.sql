/* insert
owner: data-platform
position: 1
reads: [telemetry.dead-letter]
writes: [iot.dead_letters]
parallelism: 1
about: Every refused message, once, with its coordinates.
*/
INSERT INTO lake.iot.dead_letters
SELECT
  CONCAT(CAST(kafka_partition AS STRING), '-', CAST(kafka_offset AS STRING)) AS dead_letter_id,
  reason, detail, tenant, device_id, address,
  TO_TIMESTAMP_LTZ(received_at_ms, 3) AS received_at,
  source, original, kafka_partition, kafka_offset
FROM `telemetry.dead-letter`
