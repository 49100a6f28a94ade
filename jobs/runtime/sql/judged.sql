/* source
owner: data-platform
job: alerts
apart: true
batch_ms: 100
about: >
  Everything that rules are judged by: readings, the marks of the clock, what the registry knows of devices, and the rules
  themselves. All four topics hold Readings. Event time is that of `telemetry`; rules and contexts have none, and the marks
  of the clock on their partitions carry time on there. Small fetches let partitions take turns, so that a rule does not come
  long after the readings that were sent after it.
*/
CREATE TEMPORARY TABLE judged (
  topic STRING NOT NULL METADATA VIRTUAL,
  tenant STRING NOT NULL,
  device_id STRING NOT NULL,
  event_id STRING NOT NULL,
  event_time_ms BIGINT NOT NULL,
  metrics MAP<STRING NOT NULL, DOUBLE NOT NULL> NOT NULL,
  location ROW<lat DOUBLE, lon DOUBLE, alt_m DOUBLE>,
  attributes MAP<STRING NOT NULL, STRING NOT NULL>,
  received_at_ms BIGINT NOT NULL,
  source STRING NOT NULL,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  log_time TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL,
  moment AS TO_TIMESTAMP_LTZ(
    CASE WHEN topic IN ('rules', 'device-context') AND device_id <> '' THEN 0 ELSE LEAST(event_time_ms, received_at_ms) END,
    3),
  WATERMARK FOR moment AS moment - INTERVAL '{out_of_orderness}' DAY TO SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'telemetry;telemetry.clock;device-context;rules',
  'properties.bootstrap.servers' = '{bootstrap}',
  'properties.group.id' = 'millrace-alerts',
  'properties.fetch.min.bytes' = '65536',
  'properties.fetch.max.wait.ms' = '50',
  'properties.max.partition.fetch.bytes' = '65536',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.idle-timeout' = '{idle_partition_ms} ms',
  'format' = 'avro'
)
