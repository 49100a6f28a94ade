/* table
owner: data-platform
about: >
  One row per change of an alert, as the topic `alerts` says it. A restart of the job may store a row again; the rows of one
  (tenant, alert_id, kind, at) are one change. The life of an alert among people is in PostgreSQL.
written_by: jobs/alert_events.sql
*/
CREATE TABLE iot.alert_events (
  tenant STRING NOT NULL,
  alert_id STRING NOT NULL COMMENT 'made from tenant, rule, device and onset',
  device_id STRING NOT NULL,
  site STRING NOT NULL COMMENT 'site of the device when it was told, empty = none',
  rule STRING NOT NULL,
  rule_version BIGINT NOT NULL COMMENT 'version of the rule that raised the alert',
  kind STRING NOT NULL COMMENT 'raised, escalated, downgraded, updated, cleared or withdrawn',
  severity STRING NOT NULL COMMENT 'info, warning or critical, after the change',
  onset TIMESTAMP NOT NULL COMMENT 'event time at which the condition began, UTC',
  at TIMESTAMP NOT NULL COMMENT 'event time of the change, UTC',
  shadow BOOLEAN NOT NULL COMMENT 'of a rule that only watches',
  retroactive BOOLEAN NOT NULL COMMENT 'found by late data',
  evidence MAP<STRING, STRING> COMMENT 'figures by name'
)
USING iceberg
PARTITIONED BY (months(onset))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'device_id, tenant, onset',
  'write.parquet.compression-codec' = 'zstd',
  'write.parquet.compression-level' = '1',
  'write.distribution-mode' = 'none',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
