/* query
owner: data-platform
reads: [published, recomputed_window]
about: >
  Recomputed windows that differ from the highest revision published. Sums depend on the order of adding: values that
  cancel out leave a sum without relative precision of its own.
*/
WITH newest AS (
  SELECT
    tenant, device_id, metric, epoch_ms(window_start) AS minute_ms, arg_max(
      struct_pack(
        min := min, max := max, sum := sum, count := count, first := first, last := last, late_count := late_count,
        complete := complete, revision := revision),
      revision) AS told
  FROM published
  GROUP BY ALL
)
SELECT
  w.tenant, w.device_id, w.metric, make_timestamptz(w.minute_ms * 1000) AS window_start,
  w.min, w.max, w.sum, w.count, w.first, w.last, w.late_count,
  (coalesce(n.told.revision, -1) + 1)::INTEGER AS revision, TRUE AS complete
FROM recomputed_window AS w
LEFT JOIN newest AS n USING (tenant, device_id, metric, minute_ms)
WHERE n.told IS NULL
  OR (w.min, w.max, w.count, w.first, w.last, w.late_count)
    <> (n.told.min, n.told.max, n.told.count, n.told.first, n.told.last, n.told.late_count)
  OR NOT n.told.complete
  OR abs(w.sum - n.told.sum)
    > greatest(1e-9 * greatest(abs(w.sum), abs(n.told.sum)), 1e-12 * w.count * greatest(abs(w.min), abs(w.max)))
ORDER BY window_start, w.tenant, w.device_id, w.metric
