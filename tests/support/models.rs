//! Objects, as stories for any database.

pub mod programs;
