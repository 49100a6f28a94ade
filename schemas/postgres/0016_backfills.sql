/* migration
owner: data-platform
about: >
  The book of imports, as Kafka is the book of what gateways accepted. Each import of rows has a range of offsets of its own
  in iot.readings, in partition -1, without a gap; it is written before the rows are, and `stored` once they are. A
  `pending` one was cut off: the next import looks whether its rows are there, and keeps it or gives the range back.
*/
CREATE TABLE backfill (
  backfill_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  files text[] NOT NULL,
  mapping text NOT NULL,
  first_offset bigint NOT NULL UNIQUE CHECK (first_offset >= 0),
  rows bigint NOT NULL CHECK (rows > 0),
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'stored')),
  at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN backfill.files IS 'names as they were given, without folders';

CREATE TABLE backfill_refused (
  tenant text NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (tenant, digest)
);
COMMENT ON TABLE backfill_refused IS 'rows that are dead letters already, by a digest of their bytes and how often those came before in the import: the same content makes no second ones, in whatever file';
