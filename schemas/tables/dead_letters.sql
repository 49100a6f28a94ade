/* table
owner: data-platform
about: >
  Every message the gateway refused, once: why, and the bytes exactly as they came. (kafka_partition, kafka_offset) has no
  gap and no repeat; dead_letter_id names the two in one text.
written_by: jobs/dead_letters.sql
*/
CREATE TABLE iot.dead_letters (
  dead_letter_id STRING NOT NULL COMMENT 'kafka_partition-kafka_offset',
  reason STRING NOT NULL COMMENT 'stable code of the refusal',
  detail STRING NOT NULL COMMENT 'what was wrong, where in the payload',
  tenant STRING COMMENT 'null when the address named none',
  device_id STRING COMMENT 'null when neither address nor payload named one',
  address STRING NOT NULL COMMENT 'MQTT topic or HTTP path it came to',
  received_at TIMESTAMP NOT NULL COMMENT 'when the gateway refused it, UTC',
  source STRING NOT NULL COMMENT 'protocol it came by',
  original BINARY NOT NULL COMMENT 'the refused bytes; of an oversize payload the first 256 KiB',
  kafka_partition INT NOT NULL,
  kafka_offset BIGINT NOT NULL
)
USING iceberg
PARTITIONED BY (months(received_at))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'received_at, kafka_partition, kafka_offset',
  'write.parquet.compression-codec' = 'zstd',
  'write.parquet.compression-level' = '1',
  'write.metadata.metrics.column.original' = 'none',
  'write.distribution-mode' = 'none',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
