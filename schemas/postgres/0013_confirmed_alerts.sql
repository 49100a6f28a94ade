/* migration
owner: data-platform
about: >
  The stream tells of an alert at once, and again after a crash; what it told shortly before the crash it may find untrue on
  the second reading and never mention again. iot.alert_events holds only what a checkpoint stands behind. `confirmed` = the
  alert is known to be there.
*/
ALTER TABLE alert ADD COLUMN confirmed boolean NOT NULL DEFAULT true;
ALTER TABLE alert ALTER COLUMN confirmed SET DEFAULT false;

COMMENT ON COLUMN alert.confirmed IS 'the stream stands behind it: a checkpoint that held it was completed';

CREATE INDEX alert_unconfirmed ON alert (at_ms) WHERE NOT confirmed AND NOT retroactive AND NOT withdrawn;
