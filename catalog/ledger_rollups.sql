/* query
owner: data-platform
reads: [batch]
about: What first revisions of rollups hold by minute, as ledger_expected.sql counts it; how many rows, and the highest revision.
*/
SELECT
  CAST(epoch_ms(window_start) // 60000 AS BIGINT) AS minute,
  CAST(coalesce(sum("count") FILTER (WHERE revision = 0), 0) AS UBIGINT) AS found,
  CAST(coalesce(sum(hash(tenant, device_id, metric)::HUGEINT * "count") FILTER (WHERE revision = 0), 0)
    % 18446744073709551616::HUGEINT AS UBIGINT) AS found_hash,
  CAST(count(*) AS UBIGINT) AS rollups,
  max(revision) AS revision
FROM batch
GROUP BY minute
