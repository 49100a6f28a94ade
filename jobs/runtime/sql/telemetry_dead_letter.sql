/* source
owner: data-platform
about: What the gateway refused. No watermark, nothing here waits for event time.
*/
CREATE TEMPORARY TABLE `telemetry.dead-letter` (
  reason STRING NOT NULL,
  detail STRING NOT NULL,
  original BYTES NOT NULL,
  tenant STRING,
  device_id STRING,
  address STRING NOT NULL,
  received_at_ms BIGINT NOT NULL,
  source STRING NOT NULL,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = 'telemetry.dead-letter',
  'properties.bootstrap.servers' = '{bootstrap}',
  'properties.group.id' = 'millrace-dead-letters',
  'properties.fetch.min.bytes' = '65536',
  'properties.fetch.max.wait.ms' = '500',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'avro'
)
