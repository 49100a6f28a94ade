/* table
owner: data-platform
about: >
  What each check of a data-quality suite found in one day of a table, a row each time it is made. The newest checked_at of
  (suite, check_name, day) is the answer; rows of one checked_at and suite are one look.
written_by: catalog/quality/results.py
*/
CREATE TABLE iot.quality (
  suite STRING NOT NULL COMMENT 'name of the suite, catalog/quality/suites',
  check_name STRING NOT NULL COMMENT 'check of the suite',
  table_name STRING NOT NULL COMMENT 'table of namespace iot that was looked at',
  day TIMESTAMP NOT NULL COMMENT 'begin of the day that was looked at, UTC',
  passed BOOLEAN NOT NULL,
  observed STRING NOT NULL COMMENT 'what was found, in words',
  expected STRING NOT NULL COMMENT 'the expectation and its arguments',
  unexpected_count BIGINT NOT NULL COMMENT 'rows of the view of the check that are not as expected',
  unexpected_percent DOUBLE NOT NULL COMMENT 'their share of the rows of the view that have a value',
  examples STRING NOT NULL COMMENT 'some of them as a JSON list: what names the row, and its values',
  snapshot_id BIGINT NOT NULL COMMENT 'snapshot of the table that was read',
  checked_at TIMESTAMP NOT NULL COMMENT 'when the look began, UTC'
)
USING iceberg
PARTITIONED BY (months(checked_at))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'suite, check_name, checked_at',
  'write.parquet.compression-codec' = 'zstd',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
