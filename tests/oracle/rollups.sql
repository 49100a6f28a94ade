-- A corrected window is written again with a higher revision: the newest one is the answer.
CREATE OR REPLACE TABLE newest_windows AS
SELECT *, epoch_ms(window_start) AS window_start_ms
FROM actual_windows
QUALIFY row_number() OVER (PARTITION BY device_id, metric, window_start ORDER BY revision DESC) = 1;

CREATE OR REPLACE VIEW window_differences AS
SELECT 'window written twice with one revision' AS what,
  device_id || ' ' || metric || ' ' || epoch_ms(window_start) AS place, '1 row' AS expected,
  count(*) || ' rows of revision ' || revision AS found
FROM actual_windows GROUP BY device_id, metric, window_start, revision HAVING count(*) > 1
UNION ALL
SELECT
  CASE WHEN e.count IS NULL THEN 'unexpected window' WHEN a.count IS NULL THEN 'missing window' ELSE 'window' END,
  device_id || ' ' || metric || ' ' || window_start_ms,
  format('min {} max {} sum {} count {} first {} last {}',
    e.min, e.max, e.sum, e.count, e.first_any::VARCHAR, e.last_any::VARCHAR),
  format('min {} max {} sum {} count {} first {} last {}', a.min, a.max, a.sum, a.count, a.first, a.last)
FROM expected_windows e
FULL JOIN newest_windows a USING (device_id, metric, window_start_ms)
WHERE e.count IS NULL OR a.count IS NULL OR NOT (
  near(e.min, a.min) AND near(e.max, a.max) AND e.count = a.count
  AND near_sum(e.sum, a.sum, e.count, greatest(abs(e.min), abs(e.max)))
  AND near_any(e.first_any, a.first) AND near_any(e.last_any, a.last)
);
