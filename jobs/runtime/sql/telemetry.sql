/* source
owner: data-platform
about: >
  The telemetry topic, and the clock marks that let event time pass while it is silent: each subtask reads a partition
  of the clock, since one whose partitions are all silent would have no watermark after a restart. Flink deals out
  partitions of a topic one by one, and looks for new ones when a job starts. Flink drops NOT NULL inside a
  nullable ROW, so the Avro fields of `location` are nullable too. A device whose clock is ahead moves time no further
  than to the moment its reading was received.
*/
CREATE TEMPORARY TABLE telemetry (
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
  kafka_time TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL,
  event_time AS TO_TIMESTAMP_LTZ(event_time_ms, 3),
  WATERMARK FOR event_time AS
    LEAST(event_time, TO_TIMESTAMP_LTZ(received_at_ms, 3)) - INTERVAL '{out_of_orderness}' DAY TO SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'telemetry;telemetry.clock',
  'properties.bootstrap.servers' = '{bootstrap}',
  'properties.group.id' = 'millrace-jobs',
  'properties.fetch.min.bytes' = '65536',
  'properties.fetch.max.wait.ms' = '100',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.idle-timeout' = '{idle_partition_ms} ms',
  'format' = 'avro'
)
