-- What all processes that serve one database have to agree on and nobody was told: the key that
-- sessions and links are signed with, made by the first that needs it.
create table secrets (
    name    text primary key,
    value   bytea not null,
    made_at timestamptz not null default clock_timestamp()
);
