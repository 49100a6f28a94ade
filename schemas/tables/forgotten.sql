/* table
owner: data-platform
about: >
  Where messages of forgotten devices lay, and nothing of what they said: so that the ledger knows why their offsets are not
  stored. The same place again is the same message.
written_by: catalog/forgetting
*/
CREATE TABLE iot.forgotten (
  topic STRING NOT NULL COMMENT 'telemetry or telemetry.dead-letter',
  kafka_partition INT NOT NULL,
  kafka_offset BIGINT NOT NULL,
  received_at TIMESTAMP NOT NULL COMMENT 'the minute in which the gateway took it, UTC'
)
USING iceberg
PARTITIONED BY (months(received_at))
TBLPROPERTIES (
  'format-version' = '2',
  'write.parquet.compression-codec' = 'zstd',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
