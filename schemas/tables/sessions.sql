/* table
owner: data-platform
about: >
  One row per device, session and revision; readings no further apart than the device's offline_after are one session.
  The highest revision of (tenant, device_id, session_start) is the answer; superseded = merged into another session.
written_by: jobs/sessions.sql, corrections
*/
CREATE TABLE iot.sessions (
  tenant STRING NOT NULL,
  device_id STRING NOT NULL,
  session_start TIMESTAMP NOT NULL COMMENT 'event time of the first reading, UTC',
  session_end TIMESTAMP NOT NULL COMMENT 'event time of the last reading, UTC',
  readings BIGINT NOT NULL COMMENT 'readings that are no duplicates',
  gaps INT NOT NULL COMMENT 'silences longer than max(2 x expected interval, 10 s) inside the session',
  battery_min DOUBLE COMMENT 'smallest battery_pct, null when never sent',
  battery_max DOUBLE COMMENT 'largest battery_pct, null when never sent',
  signal_min DOUBLE COMMENT 'smallest signal_dbm, null when never sent',
  signal_max DOUBLE COMMENT 'largest signal_dbm, null when never sent',
  site STRING NOT NULL COMMENT 'site of the device when the session was told, empty = none',
  profile STRING NOT NULL COMMENT 'profile of the device when the session was told',
  late_count BIGINT NOT NULL COMMENT 'counted readings that came behind the watermark',
  revision INT NOT NULL COMMENT '0 at first, + 1 with each correction',
  superseded BOOLEAN NOT NULL COMMENT 'the session is part of another one since a late reading joined them'
)
USING iceberg
PARTITIONED BY (months(session_start))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'device_id, tenant, session_start',
  'write.parquet.compression-codec' = 'zstd',
  'write.parquet.compression-level' = '1',
  'write.distribution-mode' = 'none',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
