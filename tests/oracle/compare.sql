-- `actual_readings` and `actual_windows` are registered by the caller, with the columns of iot.readings and
-- iot.rollups_1m. Each view lists differences: what it is, where, expected, found.
CREATE OR REPLACE MACRO near(a, b) AS a = b OR abs(a - b) <= 1e-9 * greatest(abs(a), abs(b));
-- A sum of values that cancel out has no relative precision of its own.
CREATE OR REPLACE MACRO near_sum(a, b, terms, largest) AS near(a, b) OR abs(a - b) <= 1e-12 * terms * largest;
CREATE OR REPLACE MACRO near_any(candidates, b) AS
  len(list_filter(candidates, lambda a: a = b OR abs(a - b) <= 1e-9 * greatest(abs(a), abs(b)))) > 0;
