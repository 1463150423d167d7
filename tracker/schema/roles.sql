-- Who may do what, where these roles exist: applied each time, because roles may be made later than tables. Whoever
-- applies it owns the tables, and must be a member of muster_recorder to hand the history over.
--
--   muster_recorder  trackers: write what was reported. It owns the history, because only a table's owner may attach
--                    and drop its days; of the rest it cannot delete or change anything but by the statements it needs.
--   muster_gateway   gateways: read what they show.
DO $$
DECLARE
  part regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'muster_recorder') THEN
    FOR part IN
      SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^position_history(_[0-9]{8})?$'
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'position_history'::regclass)
        AND relowner <> (SELECT oid FROM pg_roles WHERE rolname = 'muster_recorder')
    LOOP
      -- Its new owner must be able to make tables where it is.
      EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO muster_recorder', current_schema());
      EXECUTE format('ALTER TABLE %s OWNER TO muster_recorder', part);
    END LOOP;
    GRANT SELECT, INSERT, UPDATE ON worker, latest_position, session, stream_position TO muster_recorder;
    GRANT SELECT, INSERT, DELETE ON stream_mark TO muster_recorder;
    GRANT INSERT ON set_aside TO muster_recorder;
    GRANT SELECT ON schema_version TO muster_recorder;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'muster_gateway') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO muster_gateway', current_schema());
    GRANT SELECT ON worker, latest_position, position_history, stream_position TO muster_gateway;
  END IF;
END
$$;
