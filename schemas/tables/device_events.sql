/* table
owner: data-platform
about: >
  One row per event of a device or a site, as the topic `device-events` says it, for longer than the topic keeps it. The
  same event_id again is the same event.
written_by: jobs/told_events_kept.sql
*/
CREATE TABLE iot.device_events (
  event_id STRING NOT NULL COMMENT 'made from what happened, so the same change has the same id',
  type STRING NOT NULL COMMENT 'online, offline, rebooted, flapping, clock_skew, site_silent or site_back',
  tenant STRING NOT NULL,
  device_id STRING NOT NULL COMMENT 'empty for an event of a site',
  site STRING NOT NULL COMMENT 'empty for a device of no site',
  event_time TIMESTAMP NOT NULL COMMENT 'when it happened, in the time devices speak of, UTC',
  detected_at TIMESTAMP NOT NULL COMMENT 'when it was known, in the time of the log, UTC',
  cause STRING NOT NULL COMMENT 'silence, last_will, disconnected, first_reading ...',
  part_of STRING NOT NULL COMMENT 'event_id of the site event it belongs to, or empty',
  devices BIGINT NOT NULL COMMENT 'how many devices it is about',
  details MAP<STRING, STRING> COMMENT 'figures of the event, by name'
)
USING iceberg
PARTITIONED BY (months(event_time))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'device_id, tenant, event_time',
  'write.parquet.compression-codec' = 'zstd',
  'write.parquet.compression-level' = '1',
  'write.distribution-mode' = 'none',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
