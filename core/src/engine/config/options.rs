//! From the name of an option and its text to the builder's method.

use super::values::{
    access_mode, attempts, backoff, budget, classes, commit_policy, connections, deferrable, echo, isolation_level,
    on_exit, overflow, page, pool_kind, pre_ping, reset_on_return, switch, time, time_or_never,
};
use crate::classify::Class;
use crate::dialect::Dialect;
use crate::engine::EngineBuilder;
use crate::pool::AnyKind;
use crate::retry::RetryPolicy;

/// What is done to the builder, once all options are known to be good.
pub(super) type Step<C> = Box<dyn FnOnce(EngineBuilder<C>) -> EngineBuilder<C>>;

/// `None` for an option that there is not; an error says what the value must be, and not what it is.
pub(super) fn step<C: Dialect>(name: &str, text: &str) -> Option<Result<Step<C>, String>> {
    let text = text.trim();
    Some(match name {
        "pool" => with(pool_kind(text), |builder, kind: AnyKind<C>| builder.pool(kind)),
        "pool_size" => with(connections(text), EngineBuilder::pool_size),
        "max_overflow" => with(overflow(text), |builder, connections| match connections {
            Some(connections) => builder.max_overflow(connections),
            None => builder.unlimited_overflow(),
        }),
        "pool_timeout" => with(time(text), EngineBuilder::pool_timeout),
        "pool_recycle" => unless_never(text, EngineBuilder::pool_recycle),
        "pool_pre_ping" => with(pre_ping(text), EngineBuilder::pool_pre_ping),
        "pool_use_lifo" => with(switch(text), EngineBuilder::pool_use_lifo),
        "pool_reset_on_return" => with(reset_on_return(text), EngineBuilder::pool_reset_on_return),
        "pool_min_idle" => with(connections(text), EngineBuilder::pool_min_idle),
        "pool_idle_timeout" => unless_never(text, EngineBuilder::pool_idle_timeout),
        "pool_max_lifetime" => unless_never(text, EngineBuilder::pool_max_lifetime),
        "pool_keepalive" => unless_never(text, EngineBuilder::pool_keepalive),
        "leak_detection_threshold" => unless_never(text, EngineBuilder::leak_detection_threshold),
        "isolation_level" => with(isolation_level::<C>(text), EngineBuilder::isolation_level),
        "access_mode" => with(access_mode(text), EngineBuilder::access_mode),
        "deferrable" => with(deferrable(text), EngineBuilder::deferrable),
        "echo" => with(echo(text), EngineBuilder::echo),
        "echo_pool" => with(echo(text), EngineBuilder::echo_pool),
        "pool_logging_name" => with(Ok(text.to_owned()), EngineBuilder::pool_logging_name),
        "logging_token" => with(Ok(text.to_owned()), EngineBuilder::logging_token),
        "parameters_in_errors" => with(switch(text), EngineBuilder::parameters_in_errors),
        "verify_commits" => with(switch(text), EngineBuilder::verify_commits),
        "commit_token_retention" => with(time(text), EngineBuilder::commit_token_retention),
        "pool_metrics" => with(switch(text), EngineBuilder::pool_metrics),
        "hide_parameters" => with(switch(text), EngineBuilder::hide_parameters),
        "on_exit" => with(on_exit(text), EngineBuilder::on_exit),
        "refuse_implicit_commits" => with(switch(text), EngineBuilder::refuse_implicit_commits),
        "logging_name" => with(Ok(text.to_owned()), EngineBuilder::logging_name),
        "retry_attempts" => retry(attempts(text), RetryPolicy::attempts),
        "retry_deadline" => retry(time(text), RetryPolicy::deadline),
        "retry_commit" => retry(commit_policy(text), RetryPolicy::commit),
        "retry_on" => retry(classes(text), |policy, classes: Vec<Class>| policy.on(&classes)),
        "retry_backoff" => retry(backoff(text), RetryPolicy::backoff),
        "insertmanyvalues_page_size" => with(page(text), EngineBuilder::insertmanyvalues_page_size),
        "implicit_returning" => with(switch(text), EngineBuilder::implicit_returning),
        "retry_budget" => with(budget(text), EngineBuilder::retry_budget),
        _ => return None,
    })
}

/// Each part of a policy is an option of its own.
fn retry<C: Dialect, T: 'static>(
    value: Result<T, String>,
    say: impl FnOnce(RetryPolicy, T) -> RetryPolicy + 'static,
) -> Result<Step<C>, String> {
    with(value, |builder, value| {
        builder.retry_policy(say(RetryPolicy::new(), value))
    })
}

fn with<C: Dialect, T: 'static>(
    value: Result<T, String>,
    set: impl FnOnce(EngineBuilder<C>, T) -> EngineBuilder<C> + 'static,
) -> Result<Step<C>, String> {
    let value = value?;
    Ok(Box::new(move |builder| set(builder, value)))
}

/// "Never" is what the builder begins with.
fn unless_never<C: Dialect>(
    text: &str,
    set: impl FnOnce(EngineBuilder<C>, std::time::Duration) -> EngineBuilder<C> + 'static,
) -> Result<Step<C>, String> {
    with(time_or_never(text), |builder, time| match time {
        Some(time) => set(builder, time),
        None => builder,
    })
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use diesel::SqliteConnection;

    use super::*;
    use crate::names::Component;

    #[test]
    fn every_option_that_is_listed_is_known_here() {
        // These two are no steps: they make the URL that the builder begins with.
        const FIRST: [&str; 2] = ["url", "password"];
        let listed = Component::Engine.names().iter().chain(Component::Pool.names());
        for (name, _) in listed.filter(|(name, _)| !FIRST.contains(name)) {
            assert!(step::<SqliteConnection>(name, "?").is_some(), "{name}");
        }
        assert!(step::<SqliteConnection>("colour", "red").is_none());
    }
}
