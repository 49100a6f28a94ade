/* table
owner: data-platform
about: >
  The conservation ledger, one row per minute and revision; the highest revision is the answer. For messages a minute means
  received_at, for rollups event time: a recording fills rows of both.
written_by: catalog/ledger_writer.py
*/
CREATE TABLE iot.ledger (
  minute TIMESTAMP NOT NULL COMMENT 'the minute [minute, minute + 1 min), UTC',
  accepted_gateway BIGINT NOT NULL COMMENT 'readings the gateways told to have in Kafka, received in this minute',
  accepted_kafka BIGINT NOT NULL COMMENT 'readings Kafka acknowledged: of gateways, untold ones, those sent straight to it; and imported ones',
  stored BIGINT NOT NULL COMMENT 'rows of iot.readings',
  on_time BIGINT NOT NULL,
  late BIGINT NOT NULL,
  duplicate BIGINT NOT NULL COMMENT 'the same reading again',
  replaced BIGINT COMMENT 'another value for the same device, time and metric counts instead',
  dead_letters BIGINT NOT NULL COMMENT 'messages refused in this minute',
  rollup_count BIGINT NOT NULL COMMENT 'sum of count over all metrics of iot.rollups_1m, highest revision, of this minute of event time',
  expected_rollup_count BIGINT NOT NULL COMMENT 'metrics of all readings of this minute of event time, of those that count',
  balanced BOOLEAN NOT NULL,
  note STRING NOT NULL COMMENT 'what is open, untold or wrong, in words',
  revision INT NOT NULL COMMENT '0 at first, + 1 each time the figures changed',
  taken_at TIMESTAMP NOT NULL COMMENT 'when the ledger was taken, UTC'
)
USING iceberg
PARTITIONED BY (months(minute))
TBLPROPERTIES (
  'format-version' = '2',
  'millrace.sorted-by' = 'minute, revision',
  'write.parquet.compression-codec' = 'zstd',
  'write.metadata.delete-after-commit.enabled' = 'true',
  'write.metadata.previous-versions-max' = '20'
)
