//! Log lines, through `tracing`; and on standard error for those who asked with `echo` and have no subscriber.
//!
//! | File | What happens there |
//! |---|---|
//! | `echo` | how much is shown |
//! | `text` | the words and the level of each event: SQLAlchemy's where it has some |
//! | `values` | bind values and rows, cut to a length that a log can bear |
//! | `metrics` | the pool in OpenTelemetry's numbers |

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;
use tracing::{Level, dispatcher};

use crate::control::Control;
use crate::event::Event;
use crate::pool::ResetOnReturn;
use crate::sync::Arc;

mod echo;
mod metrics;
mod text;
mod values;

pub use echo::Echo;
pub(crate) use metrics::Meter;
pub use metrics::{PoolMetrics, Times};
pub use values::{show_bytes, show_list, show_text, shown_row};

use echo::Live;
use text::{Target, Told};

/// What is shown of an engine, and under which name; as its builder collects it.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    pub(crate) echo: Echo,
    pub(crate) echo_pool: Echo,
    pub(crate) hide_parameters: bool,
    pub(crate) parameters_in_errors: bool,
    pub(crate) name: Option<String>,
    pub(crate) pool_name: Option<String>,
    pub(crate) token: Option<String>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            echo: Echo::Off,
            echo_pool: Echo::Off,
            hide_parameters: true,
            parameters_in_errors: false,
            name: None,
            pool_name: None,
            token: None,
        }
    }
}

/// The log of one engine; cloning shares it.
#[derive(Clone)]
#[doc(hidden)]
pub struct Log(Arc<Inner>);

struct Inner {
    echo: Live,
    echo_pool: Live,
    hide_parameters: bool,
    parameters_in_errors: bool,
    name: String,
    pool_name: String,
    token: Option<Arc<str>>,
    reset: ResetOnReturn,
}

impl Log {
    pub(crate) fn new(options: LogOptions, reset: ResetOnReturn) -> Self {
        /// What tells engines apart that nobody has named.
        static ENGINES: AtomicU64 = AtomicU64::new(1);
        let name = options
            .name
            .unwrap_or_else(|| format!("e{}", ENGINES.fetch_add(1, Ordering::Relaxed)));
        Self(Arc::new(Inner {
            echo: Live::new(options.echo),
            echo_pool: Live::new(options.echo_pool),
            hide_parameters: options.hide_parameters,
            parameters_in_errors: options.parameters_in_errors,
            pool_name: options.pool_name.unwrap_or_else(|| name.clone()),
            name,
            token: options.token.map(Arc::from),
            reset,
        }))
    }

    /// The engine's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name of the engine's pool.
    pub fn pool_name(&self) -> &str {
        &self.0.pool_name
    }

    /// What a connection's lines begin with, unless it has a token of its own.
    pub fn token(&self) -> Option<&Arc<str>> {
        self.0.token.as_ref()
    }

    /// How much is shown of statements.
    #[inline]
    pub fn echo(&self) -> Echo {
        self.0.echo.get()
    }

    pub(crate) fn set_echo(&self, echo: Echo) {
        self.0.echo.set(echo);
    }

    /// How much is shown of the pool.
    #[inline]
    pub fn echo_pool(&self) -> Echo {
        self.0.echo_pool.get()
    }

    pub(crate) fn set_echo_pool(&self, echo: Echo) {
        self.0.echo_pool.set(echo);
    }

    /// Whether values are left out.
    pub fn hides_parameters(&self) -> bool {
        self.0.hide_parameters
    }

    /// Whether an error's text shows the statement and its values.
    pub fn parameters_in_errors(&self) -> bool {
        self.0.parameters_in_errors
    }

    /// Whether anybody might see a statement: rendering one costs an allocation.
    #[inline]
    pub fn wants_statements(&self) -> bool {
        self.echo() != Echo::Off
            || (LevelFilter::current() >= Level::DEBUG && tracing::enabled!(target: "aludel.engine", Level::DEBUG))
    }

    /// Whether anybody might see rows.
    #[inline]
    pub fn wants_rows(&self) -> bool {
        self.echo() == Echo::Debug
            || (LevelFilter::current() >= Level::TRACE && tracing::enabled!(target: "aludel.engine", Level::TRACE))
    }

    /// Whether anybody might see an event of the pool.
    #[inline]
    pub fn wants_events(&self) -> bool {
        self.echo_pool() != Echo::Off || self.echo() != Echo::Off || LevelFilter::current() >= Level::WARN
    }

    /// Shows a statement as it is sent.
    pub fn statement(&self, connection: u64, token: Option<&str>, text: &str) {
        let level = if self.echo() == Echo::Off {
            Level::DEBUG
        } else {
            Level::INFO
        };
        self.line(Target::Engine, level, connection, token, &text);
    }

    /// Shows a statement of transaction control, in SQLAlchemy's words.
    pub fn control(&self, connection: u64, token: Option<&str>, control: Control) {
        match control {
            Control::Begin => self.statement(connection, token, "BEGIN (implicit)"),
            other => self.statement(connection, token, &other.sql()),
        }
    }

    /// Shows the names of a result's columns, or one of its rows.
    pub fn row(&self, connection: u64, token: Option<&str>, text: &str) {
        let level = if self.echo() == Echo::Debug {
            Level::DEBUG
        } else {
            Level::TRACE
        };
        self.line(Target::Engine, level, connection, token, &text);
    }

    /// Shows an event.
    pub fn event(&self, event: &Event<'_>) {
        if let Some(told) = Told::of(event, self.0.reset) {
            self.line(told.target, told.level, told.connection, None, &told.text);
        }
    }

    fn line(&self, target: Target, level: Level, connection: u64, token: Option<&str>, text: &dyn fmt::Display) {
        let (echo, name) = match target {
            Target::Pool => (self.echo_pool(), self.pool_name()),
            Target::Engine | Target::Session => (self.echo(), self.name()),
        };
        let text = Line { token, text };
        if echo.shows(level) && !has_subscriber() {
            print(target, name, level, connection, &text);
        } else if LevelFilter::current() >= level {
            pass_on(target, name, level, connection, &text);
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("name", &self.0.name)
            .field("echo", &self.echo())
            .field("echo_pool", &self.echo_pool())
            .finish_non_exhaustive()
    }
}

/// A text behind its token, as SQLAlchemy writes it.
struct Line<'a> {
    token: Option<&'a str>,
    text: &'a dyn fmt::Display,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(token) = self.token {
            write!(f, "[{token}] ")?;
        }
        self.text.fmt(f)
    }
}

/// Whether the lines of this thread go to anybody.
fn has_subscriber() -> bool {
    dispatcher::has_been_set() && dispatcher::get_default(|subscriber| !subscriber.is::<NoSubscriber>())
}

fn print(target: Target, name: &str, level: Level, connection: u64, text: &dyn fmt::Display) {
    let mut line = format!("{level:5} {target}.{name} ");
    if connection != 0 {
        let _ = write!(line, "#{connection} ");
    }
    // eprintln!, which test harnesses capture, panics where nobody reads standard error any more: then the line is lost, and
    // not the transaction in whose middle it stands.
    let _ = catch_unwind(AssertUnwindSafe(|| eprintln!("{line}{text}")));
}

/// A callsite is static, its target and its level included: hence one for each.
fn pass_on(target: Target, name: &str, level: Level, connection: u64, text: &dyn fmt::Display) {
    macro_rules! at {
        ($target:literal, $($level:ident),*) => {
            match level {
                $(Level::$level => tracing::event!(
                    target: $target, Level::$level, engine = name, connection, "{text}"
                ),)*
            }
        };
    }
    match target {
        Target::Engine => at!("aludel.engine", ERROR, WARN, INFO, DEBUG, TRACE),
        Target::Pool => at!("aludel.pool", ERROR, WARN, INFO, DEBUG, TRACE),
        Target::Session => at!("aludel.session", ERROR, WARN, INFO, DEBUG, TRACE),
    }
}
