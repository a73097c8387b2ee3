//! Without a compiler: the messages in what is generated, and what both macros say of the same function.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::LitStr;

use crate::{retry, transactional};

/// What a macro makes of arguments and an item.
type Expand = fn(TokenStream, TokenStream) -> TokenStream;

const BOTH: [Expand; 2] = [retry::macro_impl, transactional::macro_impl];

/// The messages of the `compile_error!`s, in the order in which they are reported.
fn mistakes(expanded: TokenStream) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut tokens = expanded.into_iter();
    while let Some(token) = tokens.next() {
        if let TokenTree::Ident(name) = token
            && name == "compile_error"
            && let (Some(_), Some(TokenTree::Group(message))) = (tokens.next(), tokens.next())
        {
            let message: LitStr = syn::parse2(message.stream()).expect("an error is a text");
            mistakes.push(message.value());
        }
    }
    mistakes
}

/// Asserts that there are exactly these mistakes, each known by a part of its message.
#[track_caller]
pub(crate) fn says(expanded: TokenStream, expected: &[&str]) {
    let found = mistakes(expanded);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found:?} does not say {expected:?}");
    }
}

/// A function of these parameters with which nothing else is wrong.
pub(crate) fn with(parameters: TokenStream) -> TokenStream {
    quote!(fn f(session: &mut Session<C>, #parameters) -> Result<(), E> { Ok(()) })
}

/// A function of these parameters alone.
pub(crate) fn of(parameters: TokenStream) -> TokenStream {
    quote!(fn f(#parameters) -> Result<(), E> { Ok(()) })
}

#[track_caller]
fn both(arguments: TokenStream, item: TokenStream, expected: &[&str]) {
    for expand in BOTH {
        says(expand(arguments.clone(), item.clone()), expected);
    }
}

#[test]
fn only_functions() {
    both(
        quote!(),
        quote!(
            async fn f(session: &mut Session<C>) -> Result<(), E> {
                Ok(())
            }
        ),
        &["an `async fn` cannot be a transaction"],
    );
    both(
        quote!(),
        quote!(
            const unsafe extern "C" fn f(a: i32, ...) {
                Ok(())
            }
        ),
        &[
            "remove `const`",
            "remove `extern`",
            "take a slice",
            "answers a `Result`",
        ],
    );
    both(
        quote!(),
        quote!(
            fn f(session: &mut Session<C>) -> Result<(), E>;
        ),
        &["goes around a body"],
    );
    for item in [
        quote!(
            struct S;
        ),
        quote!(
            const X: i32 = 1;
        ),
        quote!(impl S { fn f() {} }),
        quote!(
            trait T {
                fn f();
            }
        ),
    ] {
        both(quote!(), item, &["goes on a `fn`"]);
    }
}

#[test]
fn a_function_is_under_one_of_the_two() {
    let under = |attribute: TokenStream| {
        quote!(
            #[must_use]
            #attribute
            fn f() -> Result<(), E> {
                Ok(())
            }
        )
    };
    for other in [quote!(#[retry]), quote!(#[aludel::retry(attempts = 2)])] {
        says(
            transactional::macro_impl(quote!(), under(other.clone())),
            &["keep `#[retry]` where"],
        );
        says(
            retry::macro_impl(quote!(), under(other)),
            &["`#[retry]` is on this function twice"],
        );
    }
    says(
        retry::macro_impl(quote!(), under(quote!(#[::aludel::transactional]))),
        &["keep `#[retry]` where"],
    );
    both(quote!(), under(quote!(#[other::retry])), &[]);
    // The other macro is not there any more, so it says nothing of its own.
    let left = retry::macro_impl(quote!(), under(quote!(#[transactional(nested)]))).to_string();
    assert!(left.contains("must_use") && !left.contains("nested"), "{left}");
}

#[test]
fn the_kind_of_transaction_is_checked() {
    let item = || with(quote!());
    let refuses = |arguments, expected: &[&str]| both(arguments, item(), expected);
    refuses(
        quote!(isolation = "READ-committed"),
        &["no text, but one of the words that the compiler knows; write `isolation = ReadCommitted`"],
    );
    refuses(
        quote!(isolation = "SERIALISABLE"),
        &["unknown isolation level `SERIALISABLE`; did you mean `Serializable`?"],
    );
    refuses(
        quote!(isolation = Serialisable),
        &["unknown isolation level `Serialisable`; did you mean `Serializable`?"],
    );
    refuses(
        quote!(isolation = Snapshot),
        &["known: `ReadUncommitted`, `ReadCommitted`, `RepeatableRead`, `Serializable`"],
    );
    refuses(
        quote!(isolation = IsolationLevel::RepeatableRead),
        &["`isolation` is the level alone: `isolation = RepeatableRead`"],
    );
    refuses(quote!(isolation), &["`isolation` is the level alone"]);
    refuses(quote!(isolation = Autocommit), &["AUTOCOMMIT"]);
    refuses(quote!(isolation_level = Serializable), &["did you mean `isolation`?"]);
    refuses(quote!(read_only = true), &["`read_only` takes no value; write `#["]);
    refuses(quote!(read_only, read_only), &["`read_only` is given twice"]);
    refuses(quote!(read_onyl), &["did you mean `read_only`?"]);
    for (arguments, fix) in [
        (quote!(deferrable), "add `read_only`"),
        (quote!(deferrable, isolation = Serializable), "add `read_only`"),
        (
            quote!(deferrable, read_only, isolation = RepeatableRead),
            "write `isolation = Serializable`",
        ),
    ] {
        refuses(arguments.clone(), &["PostgreSQL defers only"]);
        refuses(arguments, &[fix]);
    }
    // The engine's level may be SERIALIZABLE.
    refuses(quote!(deferrable, read_only), &[]);
    refuses(quote!(deferrable, isolation = Serializable, read_only), &[]);
}

#[test]
fn the_rest_of_what_both_take_is_checked() {
    let refuses = |arguments, expected: &[&str]| both(arguments, with(quote!()), expected);
    refuses(quote!(deadline = 10), &["in quotes"]);
    refuses(quote!(deadline = "0s"), &["a `deadline` of nothing"]);
    refuses(quote!(deadline = "soon"), &["\"1m 30s\": expected number"]);
    refuses(
        quote!(commit = "verifi"),
        &["unknown commit policy `verifi`; did you mean `verify`?"],
    );
    refuses(quote!(commit = verify), &["in quotes"]);
    refuses(quote!(session), &["`session` is the name of a parameter"]);
    refuses(quote!(session = "session"), &["`session` is the name of a parameter"]);
    refuses(
        quote!(7, deadlin = "10s", nested(a) b),
        &[
            "an argument is written `name`",
            "an argument is written `name`",
            "unknown key `deadlin`; did you mean `deadline`?",
        ],
    );
}

#[test]
fn the_session_is_a_parameter_or_the_ambient_one() {
    both(quote!(), of(quote!()), &[]);
    both(
        quote!(),
        of(quote!(a: i32, b: &str, f: impl FnOnce(&mut Session<C>))),
        &[],
    );
    both(
        quote!(),
        of(quote!(_: &mut Session<C>)),
        &["the session needs a plain name"],
    );
    both(quote!(), of(quote!(a: &Session<C>, session: &mut Session<C>)), &[]);
    both(quote!(session = store), of(quote!(store: &mut Db)), &[]);
    both(
        quote!(session = store),
        of(quote!(store: &Db)),
        &["take it as `&mut Db`"],
    );
    both(
        quote!(session = stor),
        of(quote!(store: &mut Db)),
        &["unknown parameter `stor`; did you mean `store`?"],
    );
    both(
        quote!(session = store),
        of(quote!()),
        &["unknown parameter `store`; there is none"],
    );
}

#[test]
fn what_looks_like_the_session_is_asked_about() {
    for (taken, fix) in [
        (quote!(session: Session<C>), "take it as `&mut Session<C>`"),
        (quote!(other: &a::Session<C>), "take it as `&mut a::Session<C>`"),
        (quote!(mut db: Session), "take it as `&mut Session`"),
    ] {
        both(quote!(), of(taken), &[fix]);
    }
    for meant in [
        quote!(it: &mut Connection<C>),
        quote!(it: &PgConnection),
        quote!(it: PooledConnection<M>),
        quote!(it: &mut DbSession),
        quote!(it: &mut impl diesel::Connection),
        quote!(it: &mut (dyn Connection + Send)),
        quote!(it: Option<&mut Session<C>>),
        quote!(it: &Mutex<Session<C>>),
    ] {
        both(quote!(), of(quote!(a: i32, #meant)), &["is `it` the session?"]);
        says(
            transactional::macro_impl(quote!(engine = "reports"), of(quote!(#meant))),
            &[],
        );
        says(retry::macro_impl(quote!(rerun_sees(it)), of(meant)), &[]);
    }
    both(
        quote!(),
        of(quote!(it: &diesel::PgConnection)),
        &["take it as `&mut Session<diesel::PgConnection>`"],
    );
    for name in ["session", "db", "conn", "connection"] {
        let name = quote::format_ident!("{name}");
        both(
            quote!(),
            of(quote!(mut #name: Store)),
            &[&format!("is `{name}` the session?")],
        );
    }
    says(
        retry::macro_impl(quote!(), of(quote!(conn: &mut Db))),
        &[
            "`#[retry(session = conn)]`; if it is not, and the ambient session is meant, say that: `#[retry(rerun_sees(conn))]`",
        ],
    );
    says(
        transactional::macro_impl(quote!(), of(quote!(conn: &mut Db))),
        &[
            "`#[transactional(session = conn)]`; if it is not, and the ambient session is meant, say that: `#[transactional(connection = ..)]`",
        ],
    );
}

#[test]
fn an_ambient_session_is_chosen_by_one_thing() {
    both(quote!(engine = "reports"), of(quote!()), &[]);
    both(quote!(connection = diesel::PgConnection), of(quote!()), &[]);
    both(quote!(engine = ""), of(quote!()), &["`engine` is the logging name"]);
    both(
        quote!(engine = reports),
        of(quote!()),
        &["in quotes: `engine = \"reports\"`"],
    );
    both(
        quote!(connection = "PgConnection"),
        of(quote!()),
        &["`connection` is the type of a connection: `connection = PgConnection`"],
    );
    both(quote!(connection = &mut C), of(quote!()), &["`connection` is the type"]);
    both(
        quote!(engine = "a", connection = C),
        of(quote!()),
        &["both choose the ambient session; keep one"],
    );
    both(
        quote!(engine = "a"),
        with(quote!()),
        &["`engine` chooses the ambient session, and this function is lent one as `session`"],
    );
    both(
        quote!(session = db, connection = C),
        of(quote!(db: &mut Db)),
        &["`connection` chooses the ambient session, and this function is lent one as `db`"],
    );
}

#[test]
fn the_answer_is_a_result() {
    let f = |output: TokenStream| quote!(fn f(session: &mut Session<C>, a: &str) #output { go() });
    both(quote!(), f(quote!()), &["write `-> aludel::Result<()>`"]);
    both(quote!(), f(quote!(-> !)), &["write `-> aludel::Result<()>`"]);
    both(
        quote!(),
        f(quote!(-> Option<Vec<i64>>)),
        &["write `-> aludel::Result<Option<Vec<i64>>>`"],
    );
    for no_result in [
        quote!(()),
        quote!(i64),
        quote!((i32, i32)),
        quote!(String),
        quote!(impl Sized),
        quote!(&'static str),
    ] {
        both(quote!(), f(quote!(-> #no_result)), &["answers a `Result`"]);
    }
    for result in [
        quote!(QueryResult<()>),
        quote!(Answer),
        quote!(Self::Answer),
        quote!(<T as Tr>::Out),
        quote!(m!()),
    ] {
        both(quote!(), f(quote!(-> #result)), &[]);
    }
}

#[test]
fn the_answer_does_not_borrow_from_the_session() {
    let borrows: &[&str] = &["the answer borrows from the session"];
    for (item, expected) in [
        (
            quote!(
                fn f(session: &mut Session<C>) -> Result<&str, E> {
                    go()
                }
            ),
            borrows,
        ),
        (
            quote!(
                fn f<'s>(session: &'s mut Session<C>) -> Result<Row<'s>, E> {
                    go()
                }
            ),
            borrows,
        ),
        (
            quote!(
                fn f<'s>(session: &'s mut Session<C>, a: &'s str) -> Result<&'s str, E> {
                    Ok(a)
                }
            ),
            &[],
        ),
        (
            quote!(
                fn f(session: &mut Session<C>) -> Result<Box<dyn Fn(&str) -> &str>, E> {
                    go()
                }
            ),
            &[],
        ),
        (
            quote!(
                fn f(&self, session: &mut Session<C>) -> Result<&str, E> {
                    go()
                }
            ),
            &[],
        ),
        (
            quote!(
                fn f(a: &str) -> Result<&str, E> {
                    go()
                }
            ),
            &[],
        ),
    ] {
        both(quote!(), item, expected);
    }
}

#[test]
fn after_a_mistake_the_function_is_still_there() {
    let body = |item: TokenStream| retry::macro_impl(quote!(attempts = 0), item).to_string();
    let plain = body(quote!(
        pub async fn f(session: &mut Session<C>) -> Result<(), E> {
            wrong()
        }
    ));
    assert!(
        plain.contains(
            "pub async fn f (session : & mut Session < C >) -> Result < () , E > { :: core :: unimplemented ! () }"
        ),
        "{plain}"
    );
    assert!(plain.contains("compile_error") && !plain.contains("wrong"), "{plain}");
    let hidden = body(quote!(
        fn f(session: &mut Session<C>) -> Result<impl Sized, E> {
            right()
        }
    ));
    assert!(hidden.contains("right"), "{hidden}");
    assert!(
        body(quote!(
            struct S;
        ))
        .ends_with("struct S ;")
    );
}

#[test]
fn a_key_is_made_before_the_body() {
    let expected = [
        ("retry", retry::macro_impl as Expand),
        ("transactional", transactional::macro_impl),
    ];
    for (name, expand) in expected {
        let ambient = expand(quote!(once = a + b), of(quote!(a: u32, b: u32))).to_string();
        let lent = expand(quote!(once = format!("pay-{a}")), with(quote!(a: u32))).to_string();
        let key = quote!("f", ::aludel::plumbing::once_key(&(a + b)), || -> Result<(), E> {
            Ok(())
        })
        .to_string();
        assert!(
            ambient.contains(&format!("plumbing :: {name}_once_ambient (")),
            "{ambient}"
        );
        assert!(ambient.contains(&key), "{ambient}");
        let key =
            quote!("f", ::aludel::plumbing::once_key(&format!("pay-{a}")), |session: &mut Session<C>|).to_string();
        assert!(lent.contains(&format!("plumbing :: {name}_once (session ,")), "{lent}");
        assert!(lent.contains(&key), "{lent}");
    }
}

#[test]
fn a_key_has_to_tell_calls_apart() {
    for nothing in [quote!(once), quote!(once(a))] {
        both(
            nothing,
            with(quote!(a: u32)),
            &["makes the key of the call: `once = format!("],
        );
    }
    for same in [quote!(once = "charge"), quote!(once = 7)] {
        both(same, with(quote!(a: u32)), &["every call would have the same key"]);
    }
    both(
        quote!(once = a, read_only),
        with(quote!(a: u32)),
        &["`once` writes the key and the result"],
    );
    for word in [quote!(never), quote!(supports), quote!(not_supported)] {
        says(
            transactional::macro_impl(quote!(#word, once = a), with(quote!(a: u32))),
            &["begins no transaction, so there is none that `once` could be said of"],
        );
    }
    says(
        retry::macro_impl(quote!(once = a, policy = PATIENT), with(quote!(a: u32))),
        &[],
    );
}
