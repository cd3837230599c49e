-- A broker says only once that it has forgotten a session. From before a connection is made until what
-- it found is committed, it is not known whether the session is the one of before.
alter table ingest_slots add column session_in_doubt boolean not null default false;
