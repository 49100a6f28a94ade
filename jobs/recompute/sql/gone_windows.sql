/* query
owner: data-platform
reads: [published, minute_batch, recomputed_window]
about: Windows that were published and for which there is no reading any more.
*/
SELECT DISTINCT p.tenant, p.device_id, p.metric, epoch_ms(p.window_start) AS minute_ms
FROM published AS p
SEMI JOIN minute_batch AS b
  ON b.tenant = p.tenant AND b.device_id = p.device_id AND b.minute_ms = epoch_ms(p.window_start)
ANTI JOIN recomputed_window AS w
  ON w.tenant = p.tenant AND w.device_id = p.device_id AND w.metric = p.metric AND w.minute_ms = epoch_ms(p.window_start)
ORDER BY p.tenant, p.device_id, p.metric, minute_ms
