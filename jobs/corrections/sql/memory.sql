/* tables
owner: data-platform
about: >
  What the corrector has seen and what still waits. All of it follows from iot.readings: losing it costs time, no truth.
*/
CREATE TABLE IF NOT EXISTS progress (source VARCHAR, table_uuid VARCHAR, snapshot_id BIGINT);
CREATE TABLE IF NOT EXISTS taken (kafka_partition INTEGER, next_offset BIGINT);
CREATE TABLE IF NOT EXISTS touched_minute (
  tenant VARCHAR, device_id VARCHAR, minute_ms BIGINT, found_at_ms BIGINT);
CREATE TABLE IF NOT EXISTS remarked_pane (tenant VARCHAR, device_id VARCHAR, pane_ms BIGINT);
CREATE TABLE IF NOT EXISTS touched_range (
  tenant VARCHAR, device_id VARCHAR, hour_ms BIGINT, first_ms BIGINT, last_ms BIGINT,
  found_at_ms BIGINT, grown_at_ms BIGINT, reach_ms BIGINT, not_before_ms BIGINT);
CREATE TABLE IF NOT EXISTS touched_hour (
  tenant VARCHAR, device_id VARCHAR, hour_ms BIGINT, first_ms BIGINT, last_ms BIGINT,
  metrics VARCHAR[], located BOOLEAN, unmarked BOOLEAN, far INTEGER, found_at_ms BIGINT, grown_at_ms BIGINT);
CREATE TABLE IF NOT EXISTS followed_run (
  tenant VARCHAR, device_id VARCHAR, rule VARCHAR, form BIGINT, from_ms BIGINT, last_ms BIGINT,
  until_ms BIGINT, not_before_ms BIGINT, kept BLOB);
CREATE TABLE IF NOT EXISTS figure (name VARCHAR, value BIGINT);
