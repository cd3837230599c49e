//! What people mark on the axis of time: deploys, firmware roll-outs, notes, planned maintenance.

use model::{Carrier, Country, Instant};

use crate::countries::read_country;
use crate::{Error, Result, Store};

/// What a mark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// Something of ours was rolled out.
    Deploy,
    /// New firmware went to devices.
    Firmware,
    /// Anything else that explains a number.
    Note,
    /// Work that was announced: fewer devices are expected meanwhile.
    Maintenance,
}

impl MarkKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Deploy, Self::Firmware, Self::Note, Self::Maintenance];

    /// The word used in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Firmware => "firmware",
            Self::Note => "note",
            Self::Maintenance => "maintenance",
        }
    }

    /// Reads the word that [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A mark as somebody makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMark {
    /// What it is about.
    pub kind: MarkKind,
    /// The country concerned; `None` for all.
    pub country: Option<Country>,
    /// The carrier concerned; `None` for all of the country.
    pub carrier: Option<Carrier>,
    /// When it begins.
    pub from: Instant,
    /// When it ends; `None` for a moment. Maintenance always ends.
    pub to: Option<Instant>,
    /// In words.
    pub title: String,
    /// Where to read on.
    pub link: Option<String>,
}

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its number.
    pub number: i64,
    /// What was made.
    pub mark: NewMark,
    /// Who made it: the name of an account.
    pub created_by: String,
    /// When.
    pub created_at: Instant,
}

/// Which marks are asked for.
#[derive(Debug, Clone, Copy)]
pub struct MarkSelection<'a> {
    /// Of these kinds.
    pub kinds: &'a [MarkKind],
    /// Those that concern this country; all where none is named.
    pub country: Option<Country>,
    /// Those that touch `[from, to)`.
    pub from: Instant,
    /// The end of it.
    pub to: Instant,
    /// Those after this one, by start and number.
    pub after: Option<(Instant, i64)>,
    /// At most so many.
    pub limit: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    mark_no: i64,
    kind: String,
    country: Option<String>,
    carrier: Option<String>,
    from_at: Instant,
    to_at: Option<Instant>,
    title: String,
    link: Option<String>,
    created_by: String,
    created_at: Instant,
}

impl TryFrom<Row> for Mark {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let kind = MarkKind::parse(&row.kind).ok_or_else(|| Error::Corrupt {
            what: "kind of mark",
            value: row.kind.clone(),
        })?;
        Ok(Self {
            number: row.mark_no,
            mark: NewMark {
                kind,
                country: row.country.as_deref().map(read_country).transpose()?,
                carrier: row.carrier.as_deref().map(Carrier::slug),
                from: row.from_at,
                to: row.to_at,
                title: row.title,
                link: row.link,
            },
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

impl Store {
    /// The marks that were asked for, by their start.
    ///
    /// # Errors
    /// When the database is away, or takes longer than allowed.
    pub async fn marks(&self, selection: MarkSelection<'_>) -> Result<Vec<Mark>> {
        let kinds: Vec<_> = selection.kinds.iter().map(|kind| kind.as_str()).collect();
        let (after_from, after_number) = selection.after.unzip();
        let rows: Vec<Row> = Error::at(
            "marks",
            sqlx::query_as(
                "select mark_no, kind, country, carrier, from_at, to_at, title, link, created_by,
                        created_at
                 from marks
                 where kind = any($1) and ($2::text is null or country is null or country = $2)
                   and from_at < $4 and coalesce(to_at, from_at + interval '1 microsecond') > $3
                   and ($5::timestamptz is null or (from_at, mark_no) > ($5, $6))
                 order by from_at, mark_no limit $7",
            )
            .bind(kinds)
            .bind(selection.country.map(|country| country.to_string()))
            .bind(selection.from)
            .bind(selection.to)
            .bind(after_from)
            .bind(after_number)
            .bind(i64::from(selection.limit))
            .fetch_all(&self.pool)
            .await,
        )?;
        rows.into_iter().map(TryInto::try_into).collect()
    }

    /// Makes a mark, and notes who did, in one statement: a transaction that is abandoned while it
    /// begins, as a request that is given up may be, would poison the pool.
    ///
    /// # Errors
    /// When the database is away; nothing is made then.
    pub async fn add_mark(&self, new: &NewMark, actor: &str, now: Instant) -> Result<Mark> {
        let row: Row = Error::at(
            "add a mark",
            sqlx::query_as(
                "with made as (
                     insert into marks (kind, country, carrier, from_at, to_at, title, link,
                                        created_by, created_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *
                 ), noted as (
                     insert into audit (noted_at, actor, action, subject, detail)
                     select $9, $8, 'mark.add', mark_no::text, to_jsonb(made) - 'mark_no' from made
                 )
                 select * from made",
            )
            .bind(new.kind.as_str())
            .bind(new.country.map(|country| country.to_string()))
            .bind(new.carrier.as_ref().map(Carrier::as_str))
            .bind(new.from)
            .bind(new.to)
            .bind(&new.title)
            .bind(&new.link)
            .bind(actor)
            .bind(now)
            .fetch_one(&self.pool)
            .await,
        )?;
        row.try_into()
    }

    /// Takes a mark of one of these kinds away, and notes who did and what it was. Returns it;
    /// `None` when there is none.
    ///
    /// # Errors
    /// When the database is away; nothing is taken away then.
    pub async fn remove_mark(
        &self,
        number: i64,
        kinds: &[MarkKind],
        actor: &str,
        now: Instant,
    ) -> Result<Option<Mark>> {
        let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
        let row: Option<Row> = Error::at(
            "remove a mark",
            sqlx::query_as(
                "with gone as (
                     delete from marks where mark_no = $1 and kind = any($2) returning *
                 ), noted as (
                     insert into audit (noted_at, actor, action, subject, detail)
                     select $4, $3, 'mark.remove', mark_no::text, to_jsonb(gone) - 'mark_no'
                     from gone
                 )
                 select * from gone",
            )
            .bind(number)
            .bind(kinds)
            .bind(actor)
            .bind(now)
            .fetch_optional(&self.pool)
            .await,
        )?;
        row.map(TryInto::try_into).transpose()
    }
}
