/* migration
owner: data-platform
about: How long readings of a profile's devices stay in iot.readings, and how long they are kept at all.
*/
ALTER TABLE device_profile
  ADD COLUMN warm_days integer CHECK (warm_days BETWEEN 1 AND 36500),
  ADD COLUMN cold_days integer CHECK (cold_days BETWEEN 1 AND 36500),
  ADD CONSTRAINT cold_is_longer_than_warm CHECK (cold_days IS NULL OR (warm_days IS NOT NULL AND cold_days > warm_days));

COMMENT ON COLUMN device_profile.warm_days IS
  'readings older than this (event time) move to iot_archive.readings; NULL = never';
COMMENT ON COLUMN device_profile.cold_days IS 'readings older than this (event time) are deleted, once they are in the archive; NULL = never';
