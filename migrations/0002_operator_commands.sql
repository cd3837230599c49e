-- What operators can do: count messages that were set aside, and retire a slot.

-- Messages set aside can be named, and counted again once what kept them out is mended. The number
-- comes from a sequence and not from an identity column, because each partition would get a
-- sequence of its own.
create sequence quarantine_no as bigint;
alter table quarantine
    add column quarantine_no bigint not null default nextval('quarantine_no'),
    add column replayed_at   timestamptz;       -- null: still set aside
alter sequence quarantine_no owned by quarantine.quarantine_no;
create index quarantine_by_no on quarantine (quarantine_no);

-- A slot that nobody runs any more: nothing waits for its watermark. The row stays, because gaps
-- refer to it and because an ingest may start under its name again.
alter table ingest_slots add column retired_at timestamptz;
