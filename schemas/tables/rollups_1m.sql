/* table
owner: data-platform
about: One row per device, metric, minute and revision; duplicates are not counted. The highest revision is the answer.
written_by: jobs/rollups.sql
*/
CREATE TABLE iot.rollups_1m (
  tenant STRING NOT NULL,
  device_id STRING NOT NULL,
  metric STRING NOT NULL,
  window_start TIMESTAMP NOT NULL COMMENT 'the minute [window_start, window_start + 1 min), event time, UTC',
  min DOUBLE NOT NULL,
  max DOUBLE NOT NULL,
  sum DOUBLE NOT NULL,
  count BIGINT NOT NULL COMMENT 'readings that carried the metric',
  first DOUBLE NOT NULL COMMENT 'value of the earliest event time',
  last DOUBLE NOT NULL COMMENT 'value of the latest event time',
  late_count BIGINT NOT NULL COMMENT 'counted readings that came behind the watermark',
  revision INT NOT NULL COMMENT '0 at first, + 1 with each correction',
  complete BOOLEAN NOT NULL COMMENT 'no reading of this minute was left out'
)
USING iceberg
PARTITIONED BY (months(window_start))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'device_id, tenant, metric, window_start',
  'write.parquet.compression-codec' = 'zstd',
  'write.parquet.compression-level' = '1',
  'write.parquet.dict-size-bytes' = '262144',
  'write.distribution-mode' = 'none',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
