/* table
owner: data-platform
about: >
  Readings that left iot.readings because they are older than their profile's warm_days. Both together hold every accepted
  message once; catalog/archive.py says how to read them as one. Columns are those of iot.readings.
written_by: catalog/tiering/moving.py
*/
CREATE TABLE iot_archive.readings (
  tenant STRING NOT NULL COMMENT 'who owns the device',
  device_id STRING NOT NULL COMMENT 'unique within the tenant',
  event_id STRING NOT NULL COMMENT 'the name the device gave the message, else content- and a hash of what it says; the same again is a duplicate',
  event_time TIMESTAMP NOT NULL COMMENT 'when it was measured, UTC',
  metrics MAP<STRING, DOUBLE> COMMENT 'metric name with unit to value',
  location STRUCT<lat: DOUBLE, lon: DOUBLE, alt_m: DOUBLE> COMMENT 'WGS 84, degrees and metres',
  attributes MAP<STRING, STRING>,
  received_at TIMESTAMP NOT NULL COMMENT 'when the gateway took it, UTC',
  source STRING NOT NULL COMMENT 'protocol it came by, behind what it declared for a conflict: replace:mqtt',
  kafka_partition INT NOT NULL,
  kafka_offset BIGINT NOT NULL,
  mark STRING NOT NULL COMMENT 'on_time or late (older than the watermark): counts; duplicate (the same reading again) or replaced (by another value for its time): does not. To count readings use iot.readings_valid, or leave duplicate and replaced out'
)
USING iceberg
PARTITIONED BY (months(event_time))
TBLPROPERTIES (
  'comment' = 'Every accepted message, also those that do not count: count rows whose mark is neither duplicate nor replaced (docs/readings_valid.md)',
  'format-version' = '2',
  'millrace.sorted-by' = 'device_id, tenant, event_time',
  'write.parquet.compression-codec' = 'zstd',
  'write.parquet.compression-level' = '12',
  'write.target-file-size-bytes' = '536870912',
  'write.distribution-mode' = 'none',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
