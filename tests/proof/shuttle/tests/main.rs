//! The pool under schedules that a machine may never show: thousands of them, each the same every time.
//!
//! A scenario is a plain function. [`explore`](explore::explore) runs it under many schedules; a thread that waits for what
//! nobody will bring, which is what a lost wake-up looks like, is reported as a deadlock, with the schedule in a form that
//! can be run again (CONTRIBUTING.md, "Proof").
#![forbid(unsafe_code)]

mod database;
mod explore;
mod faults;
mod handoff;
mod kinds;
mod lifecycle;
mod loan;
mod slow;
mod timeouts;
