-- How many messages the broker says it has dropped, when that was last known: what it dropped since
-- then, also while nobody listened, is missing from the counts.
alter table ingest_slots add column broker_dropped bigint;
