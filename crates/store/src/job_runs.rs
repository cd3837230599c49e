//! The ledger of jobs: did it run, when, how long, what did it do, and did it fail.
//!
//! Only a run that has something to do is noted. A run begins before its work and ends in the
//! transaction that holds the work, so `ok` means that the work is there. A row that is left
//! `running` by a process that died is found by the next run, which calls it `abandoned`.

use model::Instant;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::leases::Lease;
use crate::{Error, Result, Store};

/// The job that closes hours.
pub const CLOSE_HOURS: &str = "close_hours";

/// The same, asked for by a person.
pub const CLOSE_BY_HAND: &str = "close_by_hand";

/// The longest error kept, in bytes.
const MAX_ERROR_BYTES: usize = 500;

/// A run that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunNo(i64);

/// How a run is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It has begun and not ended.
    Running,
    /// Its work is done.
    Ok,
    /// It failed, and is tried again under the same number.
    Failed,
    /// Its process ended or was paused beyond its lease, and somebody else went on.
    Abandoned,
}

impl RunStatus {
    /// The word used in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        [Self::Running, Self::Ok, Self::Failed, Self::Abandoned]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Error::Corrupt {
                what: "status of a run",
                value: text.to_owned(),
            })
    }
}

/// A run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// When its first attempt began.
    pub started_at: Instant,
    /// When its last attempt ended; `None` while it runs.
    pub finished_at: Option<Instant>,
    /// How it is, or how it ended.
    pub status: RunStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// How many rows it wrote: for closing, hours.
    pub rows_written: i32,
    /// What the last attempt that failed said.
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    started_at: Instant,
    finished_at: Option<Instant>,
    status: String,
    attempts: i32,
    rows_written: i32,
    error: Option<String>,
}

impl TryFrom<Row> for JobRun {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            started_at: row.started_at,
            finished_at: row.finished_at,
            status: RunStatus::parse(&row.status)?,
            attempts: row.attempts,
            rows_written: row.rows_written,
            error: row.error,
        })
    }
}

impl Store {
    /// Notes that a job begins, if the lease is still ours. What an earlier owner left running is
    /// abandoned with this; a run that failed goes on under its number.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is not ours; otherwise the database is away.
    pub async fn begin_run(&self, lease: &Lease, job: &str, now: Instant) -> Result<RunNo> {
        let run: Option<i64> = Error::at(
            "begin_run",
            sqlx::query_scalar(
                "with held as (
                     select term from leases where name = $1 and term = $2 for share
                 ), abandoned as (
                     update job_runs
                     set status = 'abandoned', finished_at = $4,
                         error = 'its process ended, or was paused beyond its lease'
                     where job = $3 and status = 'running' and exists (select from held)
                 ), again as (
                     update job_runs
                     set status = 'running', finished_at = null, term = $2,
                         attempts = attempts + 1
                     where run_no = (select max(run_no) from job_runs where job = $3)
                       and status = 'failed' and exists (select from held)
                     returning run_no
                 ), fresh as (
                     insert into job_runs (job, term, started_at, status)
                     select $3, term, $4, 'running' from held
                     where not exists (select from again)
                     returning run_no
                 )
                 select run_no from again union all select run_no from fresh",
            )
            .bind(&lease.name)
            .bind(lease.term)
            .bind(job)
            .bind(now)
            .fetch_optional(&self.pool)
            .await,
        )?;
        run.map(RunNo)
            .ok_or_else(|| Error::LeaseLost(lease.name.clone()))
    }

    /// Notes that an attempt failed, if the lease is still ours.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is not ours; otherwise the database is away. The run is
    /// then found running by the next one, and abandoned.
    pub async fn fail_run(
        &self,
        lease: &Lease,
        run: RunNo,
        error: &str,
        now: Instant,
    ) -> Result<()> {
        let done = sqlx::query(
            "with held as (select from leases where name = $1 and term = $2 for share)
             update job_runs set status = 'failed', finished_at = $4, error = $5
             where run_no = $3 and exists (select from held)",
        )
        .bind(&lease.name)
        .bind(lease.term)
        .bind(run.0)
        .bind(now)
        .bind(shortened(error))
        .execute(&self.pool)
        .await;
        crate::slots::fenced(Error::at("fail_run", done)?.rows_affected(), &lease.name)
    }

    /// The newest run of a job, if there was one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_run(&self, job: &str) -> Result<Option<JobRun>> {
        let row: Option<Row> = Error::at(
            "last_run",
            sqlx::query_as(
                "select started_at, finished_at, status, attempts, rows_written, error
                 from job_runs where job = $1 order by run_no desc limit 1",
            )
            .bind(job)
            .fetch_optional(&self.pool)
            .await,
        )?;
        row.map(JobRun::try_from).transpose()
    }
}

/// Notes that a run has done its work, in the transaction that holds it. The run must have begun
/// before that transaction.
pub(crate) async fn finish(
    connection: &mut PgConnection,
    run: RunNo,
    rows_written: usize,
    now: Instant,
) -> Result<()> {
    let done = sqlx::query(
        "update job_runs set status = 'ok', finished_at = $2, rows_written = $3 where run_no = $1",
    )
    .bind(run.0)
    .bind(now)
    .bind(i32::try_from(rows_written).unwrap_or(i32::MAX))
    .execute(connection)
    .await;
    Error::at("finish run", done).map(drop)
}

/// Notes what a person asked for and what is done with this transaction.
pub(crate) async fn note_by_hand(
    transaction: &mut Transaction<'static, Postgres>,
    rows_written: usize,
    started_at: Instant,
    now: Instant,
) -> Result<()> {
    let done = sqlx::query(
        "insert into job_runs (job, started_at, finished_at, status, rows_written)
         values ($1, $2, $3, 'ok', $4)",
    )
    .bind(CLOSE_BY_HAND)
    .bind(started_at)
    .bind(now)
    .bind(i32::try_from(rows_written).unwrap_or(i32::MAX))
    .execute(&mut **transaction)
    .await;
    Error::at("note run", done).map(drop)
}

fn shortened(error: &str) -> &str {
    &error[..error.floor_char_boundary(MAX_ERROR_BYTES)]
}
