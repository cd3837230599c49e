//! Private Postgres and Mosquitto servers as child processes: for tests and benches.
//!
//! Nothing has to be set up: each server gets a folder, a free port on 127.0.0.1 and a
//! configuration of its own, so any number of stacks run side by side. Nothing is left running
//! either, however the program that started them ends (see [below](self#how-a-server-ends)).
//!
//! ```no_run
//! use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
//!
//! let folder = DataDir::temporary()?;
//! let postgres = Postgres::start(&folder, PostgresOptions::fast())?;
//! let broker = Mosquitto::start(&folder, MosquittoOptions::default())?;
//! postgres.create_database("headcount")?;
//! println!("{} {}", postgres.url("headcount"), broker.url());
//! # Ok::<(), devstack::Error>(())
//! ```
//!
//! # How a server ends
//!
//! Every server runs under a small shell script, its *guard*, which holds the reading end of a
//! pipe. The writing end is here. When this process ends, by whatever means, the kernel closes the
//! pipe; the guard sees the end of file and stops the server. Guards have process groups of their
//! own, so Ctrl-C in a terminal reaches this process only, which then ends in order.
//!
//! Everything here blocks: call it outside of async code, or from a blocking task.

mod data_dir;
mod error;
mod guard;
mod mosquitto;
mod port;
mod postgres;
pub mod process;
mod program;

pub use data_dir::{DataDir, runs_as_root};
pub use error::Error;
pub use mosquitto::{Mosquitto, MosquittoOptions};
pub use postgres::{Durability, Postgres, PostgresOptions};
pub use program::{MissingProgram, find_program};
