/* migration
owner: data-platform
about: >
  Tags of devices, which rules may name in their scope. A change of tags is a change of the device like any other: the
  trigger on `device` numbers it, and it is published with the device's context.
*/
ALTER TABLE device
  ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT tags_are_short_names CHECK (
    cardinality(tags) <= 32
    -- No tag holds a space, so joined with spaces they come apart as they were, and none of them is null or empty.
    AND string_to_array(array_to_string(tags, ' '), ' ') = tags
    AND array_to_string(tags, ' ') ~ '^([A-Za-z0-9][A-Za-z0-9._:-]{0,63}( [A-Za-z0-9][A-Za-z0-9._:-]{0,63})*)?$'
  );

COMMENT ON COLUMN device.tags IS 'sorted, each once; empty = none';

-- The shape of what a function returns cannot be replaced.
DROP FUNCTION device_contexts;

CREATE FUNCTION device_contexts(as_of timestamptz)
RETURNS TABLE (
  tenant text, device_id text, site text, profile text, firmware text, tags text[],
  offline_after_s integer, expected_interval_s integer, windows_ms bigint[], change bigint
)
LANGUAGE sql STABLE AS $$
  SELECT
    d.tenant, d.device_id, coalesce(d.site, ''), coalesce(d.profile, 'default'), d.firmware, d.tags,
    p.offline_after_s, p.expected_interval_s,
    (
      SELECT array_agg(ARRAY[
        floor(extract(epoch FROM m.starts_at) * 1000)::bigint, floor(extract(epoch FROM m.ends_at) * 1000)::bigint
      ])
      FROM maintenance_window AS m
      WHERE m.tenant = d.tenant AND (m.device_id = d.device_id OR m.site = d.site) AND m.ends_at > as_of
    ),
    d.change
  FROM device AS d LEFT JOIN device_profile AS p ON p.profile = d.profile
  UNION ALL
  SELECT r.tenant, r.device_id, '', 'default', '', '{}', NULL, NULL, NULL, r.change
  FROM device_removed AS r
$$;

COMMENT ON FUNCTION device_contexts IS
  'what each device is judged by, removed ones included; NULL = built-in default; windows that have not ended';
