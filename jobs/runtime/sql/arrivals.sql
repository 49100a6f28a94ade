/* source
owner: data-platform
job: sessions
apart: true
share: 0.5
about: >
  Everything that says something of a device's presence, in log time: readings, the marks of the clock, what the broker
  noticed and what the registry knows. All four topics hold Readings. A mark comes every second, so a subtask's partition
  of the clock is never idle; any other that has nothing for 3 s no longer holds log time back. Small fetches let partitions
  take turns while the job catches up, so that none of them passes for idle (see jobs/runtime/plan.py).
*/
CREATE TEMPORARY TABLE arrivals (
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
  WATERMARK FOR log_time AS log_time
) WITH (
  'connector' = 'kafka',
  'topic' = 'telemetry;telemetry.clock;device-signals;device-context',
  'properties.bootstrap.servers' = '{bootstrap}',
  'properties.group.id' = 'millrace-sessions',
  'properties.fetch.min.bytes' = '65536',
  'properties.fetch.max.wait.ms' = '50',
  'properties.max.partition.fetch.bytes' = '262144',
  'scan.startup.mode' = 'earliest-offset',
  'scan.watermark.idle-timeout' = '3 s',
  'format' = 'avro'
)
