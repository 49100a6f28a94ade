/* migration
owner: data-platform
about: >
  Which dead letters were replayed and what came of it. One row a letter; the key is what makes a replay happen once.
  pending = on its way (or cut off by a crash: the next request goes on with the same bytes), accepted = the gateway
  answered 202, refused = the gateway does not want it; nothing of a refused one was stored.
*/
CREATE TABLE dead_letter_replay (
  dead_letter_id text PRIMARY KEY CHECK (dead_letter_id ~ '^[0-9]+-[0-9]+$'),
  tenant text NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'accepted', 'refused')),
  payload bytea NOT NULL,
  readings text[] NOT NULL,
  fixes json NOT NULL DEFAULT '[]',
  reason text,
  detail text,
  sent_at timestamptz NOT NULL,
  answered_at timestamptz,
  CHECK ((state = 'pending') = (answered_at IS NULL))
);

COMMENT ON COLUMN dead_letter_replay.payload IS 'the bytes sent to the gateway, the same at every attempt';
COMMENT ON COLUMN dead_letter_replay.readings IS 'tenant/device_id/event_id of each reading in the payload';
COMMENT ON COLUMN dead_letter_replay.sent_at IS 'before the first attempt with this payload';

-- The same bytes refused twice are one event: the second is not replayed beside the first.
CREATE INDEX dead_letter_replay_readings ON dead_letter_replay USING gin (readings);
