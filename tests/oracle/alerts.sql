-- Alerts of one metric of one device by window functions, without any state machine. Given table `points`
-- (at_ms, value) and variables; equal rows are one, rows of one time are ordered by value.
CREATE OR REPLACE VIEW ordered AS
SELECT DISTINCT at_ms, value FROM points;

-- threshold: raise_above, clear_below, for_ms. A run is a stretch of readings above the limit; it raises at its
-- first reading at or after start + for_ms. Of runs with the same next clearing reading, the first is the alert.
CREATE OR REPLACE VIEW threshold_alerts AS
WITH marked AS (
  SELECT
    at_ms,
    value,
    value > getvariable('raise_above') AS above,
    min(CASE WHEN value <= getvariable('clear_below') THEN at_ms END) OVER (
      ORDER BY at_ms, value ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS next_clear_ms,
    count(*) FILTER (WHERE NOT value > getvariable('raise_above')) OVER (ORDER BY at_ms, value) AS run
  FROM ordered
),
placed AS (
  SELECT at_ms, value, next_clear_ms, run, first_value(at_ms) OVER (PARTITION BY run ORDER BY at_ms, value) AS start_ms
  FROM marked WHERE above
),
raised AS (
  SELECT at_ms, value, next_clear_ms, start_ms
  FROM placed WHERE at_ms >= start_ms + getvariable('for_ms')
  QUALIFY row_number() OVER (PARTITION BY run ORDER BY at_ms, value) = 1
)
SELECT start_ms AS onset_ms, at_ms AS raised_ms, next_clear_ms AS cleared_ms
FROM raised
QUALIFY row_number() OVER (PARTITION BY next_clear_ms ORDER BY at_ms, value) = 1
ORDER BY onset_ms;

-- count_in_window: above, times, within_ms, until_ms. Each reading that is the N-th in its window keeps the
-- condition true until the oldest of the N leaves it; alerts are the unions of these stretches.
CREATE OR REPLACE VIEW count_alerts AS
WITH matched AS (
  SELECT
    at_ms,
    value,
    lag(at_ms, getvariable('times') - 1) OVER (ORDER BY at_ms, value) + getvariable('within_ms') AS end_ms
  FROM ordered WHERE value > getvariable('above')
),
stretches AS (
  SELECT
    at_ms,
    end_ms,
    coalesce(
      at_ms > max(end_ms) OVER (ORDER BY at_ms, value ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true
    ) AS begins,
    value
  FROM matched WHERE end_ms > at_ms
),
grouped AS (
  SELECT at_ms, end_ms, count(*) FILTER (WHERE begins) OVER (ORDER BY at_ms, value) AS alert FROM stretches
)
SELECT
  min(at_ms) AS onset_ms,
  min(at_ms) AS raised_ms,
  CASE WHEN max(end_ms) <= getvariable('until_ms') THEN max(end_ms) END AS cleared_ms
FROM grouped GROUP BY alert ORDER BY onset_ms;
