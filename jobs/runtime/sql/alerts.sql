/* sink
owner: data-platform
about: >
  What became of each alert (schemas/avro/alerts.avsc, same fields in the same order). At least once: a transaction would
  hide an alert until the next checkpoint, and whoever reads it knows an alert by its id.
*/
CREATE TEMPORARY TABLE alerts (
  `key` STRING NOT NULL,
  alert_id STRING NOT NULL,
  tenant STRING NOT NULL,
  device_id STRING NOT NULL,
  site STRING NOT NULL,
  rule STRING NOT NULL,
  rule_version BIGINT NOT NULL,
  kind STRING NOT NULL,
  severity STRING NOT NULL,
  onset_ms BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  shadow BOOLEAN NOT NULL,
  retroactive BOOLEAN NOT NULL,
  evidence MAP<STRING NOT NULL, STRING NOT NULL> NOT NULL
) WITH (
  'connector' = 'kafka',
  'topic' = 'alerts',
  'properties.bootstrap.servers' = '{bootstrap}',
  'properties.linger.ms' = '5',
  'key.format' = 'raw',
  'key.fields' = 'key',
  'value.fields-include' = 'EXCEPT_KEY',
  'value.format' = 'avro',
  'sink.delivery-guarantee' = 'at-least-once'
)
