/* query
owner: data-platform
reads: [batch]
about: What the highest revisions of rollups hold by minute, as ledger_expected.sql counts it.
*/
SELECT
  CAST(epoch_ms(window_start) // 60000 AS BIGINT) AS minute,
  CAST(sum("count") AS UBIGINT) AS found,
  CAST(sum(hash(tenant, device_id, metric)::HUGEINT * "count") % 18446744073709551616::HUGEINT AS UBIGINT) AS found_hash
FROM (
  SELECT tenant, device_id, metric, window_start, "count"
  FROM batch
  QUALIFY revision = max(revision) OVER (PARTITION BY tenant, device_id, metric, window_start))
GROUP BY minute
