/* sink
owner: data-platform
about: >
  What happened to devices and sites (schemas/avro/device-events.avsc, same fields in the same order). At least once: a
  transaction would hide an event until the next checkpoint, and event_id tells a repetition.
*/
CREATE TEMPORARY TABLE `device-events` (
  `key` STRING NOT NULL,
  event_id STRING NOT NULL,
  type STRING NOT NULL,
  tenant STRING NOT NULL,
  device_id STRING NOT NULL,
  site STRING NOT NULL,
  event_time BIGINT NOT NULL,
  detected_at BIGINT NOT NULL,
  cause STRING NOT NULL,
  part_of STRING NOT NULL,
  devices BIGINT NOT NULL,
  details MAP<STRING NOT NULL, STRING NOT NULL> NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'device-events',
  'properties.bootstrap.servers' = '{bootstrap}',
  'properties.linger.ms' = '20',
  'key.format' = 'raw',
  'key.fields' = 'key',
  'value.fields-include' = 'EXCEPT_KEY',
  'value.format' = 'avro',
  'sink.delivery-guarantee' = 'at-least-once'
)
