-- What an operator can do about messages set aside.

-- Messages set aside can be named, and counted again once what kept them out is mended. The number
-- comes from a sequence and not from an identity column, because each partition would get a
-- sequence of its own.
create sequence quarantine_no as bigint;
alter table quarantine
    add column quarantine_no bigint not null default nextval('quarantine_no'),
    add column replayed_at   timestamptz;       -- null: still set aside
alter sequence quarantine_no owned by quarantine.quarantine_no;
create index quarantine_by_no on quarantine (quarantine_no);
