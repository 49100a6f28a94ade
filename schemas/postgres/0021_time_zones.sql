/* migration
owner: data-platform
about: >
  In which zone local times without an offset are read: of a device, else of its site, else of its tenant, else of the
  stack (a setting). Names are of the IANA database; who writes them checks that there is such a zone.
*/
ALTER TABLE tenant
  ADD COLUMN timezone text CHECK (timezone ~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$'),
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE site ADD COLUMN timezone text CHECK (timezone ~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$');
ALTER TABLE device ADD COLUMN timezone text CHECK (timezone ~ '^[A-Za-z][A-Za-z0-9_+/-]{0,63}$');

-- Changes of tenants commit in the order of their times, as those of devices and sites do.
CREATE TRIGGER a_lock BEFORE UPDATE ON tenant FOR EACH STATEMENT EXECUTE FUNCTION registry_lock();
