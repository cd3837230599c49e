-- What a job did: one row per run that had something to do. A run that failed and is tried again is
-- the same run, so that a database that refuses for hours makes one row and not one per second.
create table job_runs (
    run_no       bigint generated always as identity primary key,
    job          text not null,
    term         bigint,                        -- of the lease it ran under; null: a person asked for it
    started_at   timestamptz not null,
    finished_at  timestamptz,                   -- null while it runs
    status       text not null check (status in ('running', 'ok', 'failed', 'abandoned')),
    attempts     integer not null default 1,
    rows_written integer not null default 0,
    error        text,                          -- of the last attempt that failed
    check ((status = 'running') = (finished_at is null))
);
create index job_runs_by_job on job_runs (job, run_no);
