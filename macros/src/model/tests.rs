//! What is generated, token for token, and every message.

mod embedded;
mod relations;
mod writers;

use proc_macro2::TokenStream;
use quote::quote;

use super::{ast, macro_impl, valid};
use crate::errors::Errors;

/// Asserts that the expansion has all of these in it.
#[track_caller]
fn says(item: TokenStream, expected: &[TokenStream]) {
    let found = macro_impl(item).to_string();
    for expected in expected.iter().map(ToString::to_string) {
        // What is quoted in part has its braces closed.
        let expected = expected.trim_end_matches([' ', '}', ')']);
        assert!(found.contains(expected), "{found}\n\ndoes not say\n\n{expected}");
    }
}

/// Asserts that there are exactly these mistakes, each known by a part of its message.
#[track_caller]
fn refuses(item: TokenStream, expected: &[&str]) {
    compare(
        &found(item, "Model", |read, errors| valid::check(read, errors).map(drop)),
        expected,
    );
}

/// The messages of all mistakes.
fn found(
    item: TokenStream,
    derive: &str,
    check: impl FnOnce(&ast::Input<'_>, &mut Errors) -> Option<()>,
) -> Vec<String> {
    let input = syn::parse2(item).expect("a test derives on what can be derived on");
    let mut errors = Errors::default();
    let read = ast::read(&input, derive, &mut errors);
    let checked = check(&read, &mut errors);
    match errors.finish(checked) {
        Ok(()) => Vec::new(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

#[track_caller]
fn compare(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found:?} does not say {expected:?}");
    }
}

/// A struct of these fields with which nothing else is wrong.
fn with(fields: TokenStream) -> TokenStream {
    quote!(#[diesel(table_name = accounts)] struct Account { #fields })
}

#[test]
fn a_model() {
    let account = with(quote!(id: i32, owner: String, #[model(version)] version: i32));
    says(
        account,
        &[
            quote!(
                use accounts as aludel_table;
            ),
            quote! {
                #[automatically_derived]
                impl ::aludel::Model for Account {
                    type Key = i32;
                    const NAME: &'static str = "Account";
                }
            },
            quote! {
                fn key(&self) -> ::core::option::Option<Self::Key> {
                    if self.id == <i32 as ::core::default::Default>::default() {
                        return ::core::option::Option::None;
                    }
                    ::core::option::Option::Some(::core::clone::Clone::clone(&self.id))
                }
            },
            quote! {
                columns: ::aludel::plumbing::Vec::from([
                    ::aludel::plumbing::column(aludel_table::id, "id", ::aludel::plumbing::Role::Plain),
                    ::aludel::plumbing::column(aludel_table::owner, "owner", ::aludel::plumbing::Role::Plain),
                    ::aludel::plumbing::column(aludel_table::version, "version", ::aludel::plumbing::Role::Plain)
                ]),
                keys: 1,
                generated: true,
                version: ::core::option::Option::Some(2),
            },
            quote! {
                ::aludel::plumbing::Columns::NONE
                    .and(::aludel::plumbing::Columns::one_if(0, self.id != other.id))
                    .and(::aludel::plumbing::Columns::one_if(1, self.owner != other.owner))
                    .and(::aludel::plumbing::Columns::one_if(2, self.version != other.version))
            },
            quote! {
                ::aludel::__for_each_backend! {
                    #[automatically_derived]
                    impl ::aludel::Persist<AludelBackend> for Account {}
                }
            },
        ],
    );
}

#[test]
fn diesels_own_attributes_are_read() {
    says(
        quote! {
            #[diesel(check_for_backend(Pg), belongs_to(User, foreign_key = user))]
            #[diesel(table_name = crate::schema::lines, primary_key(number, order_id))]
            pub struct r#Line {
                #[diesel(deserialize_as = Map<A, B>, column_name = "type")]
                r#kind: Vec<Option<u8>>,
                #[diesel(column_name = order_id)]
                order: i64,
                number: i16,
            }
        },
        &[
            quote!(
                use crate::schema::lines as aludel_table;
            ),
            quote!(impl ::aludel::Model for r#Line { type Key = (i64, i16,); const NAME: &'static str = "Line"; }),
            quote!(::aludel::plumbing::column(
                aludel_table::order_id,
                "order",
                ::aludel::plumbing::Role::Plain
            )),
            quote!(2 => ::aludel::plumbing::bind(aludel_table::r#type, &self.r#kind, pass),),
            quote!(self.order = key.0; self.number = key.1;),
        ],
    );
}

#[test]
fn who_makes_the_key() {
    let database = |fields| says(with(fields), &[quote!(generated: true)]);
    let client = |fields| says(with(fields), &[quote!(generated: false)]);
    database(quote!(id: u64));
    database(quote!(#[model(generated)] id: i16));
    database(quote!(#[model(generated)] id: Uuid));
    client(quote!(#[model(assigned)] id: i64));
    client(quote!(id: Uuid));
    client(quote!(#[model(key, belongs_to = User)] user: i64));
    client(quote!(id: i32, #[model(key)] code: String));
    client(quote!(#[model(key)] a: i32, #[model(key, assigned)] b: i32));
}

#[test]
fn a_foreign_key() {
    says(
        with(quote!(id: i32, #[model(belongs_to = people::Author)] author_id: i32)),
        &[
            quote!(
                const REFERENCES: &'static [&'static dyn ::aludel::plumbing::Reference<Self>] = &[&Self::AUTHOR_ID];
            ),
            quote! {
                impl ::aludel::BelongsTo<people::Author> for Account {
                    const FOREIGN_KEY: ::aludel::ForeignKey<Self, people::Author> = Self::AUTHOR_ID;
                }
            },
            quote! {
                #[doc = "The foreign key `author_id`."]
                const AUTHOR_ID: ::aludel::ForeignKey<Self, people::Author> =
                    ::aludel::ForeignKey::<Self, people::Author>::new("author_id", &[1], false, |child|)
            },
        ],
    );
    let both = quote!(id: i32, #[model(belongs_to = A)] r#type: i32, #[model(belongs_to = A)] b: Option<i32>);
    says(with(both.clone()), &[quote!(&[&Self::TYPE, &Self::B])]);
    assert!(!macro_impl(with(both)).to_string().contains("BelongsTo"));
}

#[test]
fn there_is_a_key() {
    refuses(
        with(quote!(owner: String)),
        &[
            "which field is the key? mark it `#[model(key)]`, or name its column on the struct with \
             `#[diesel(primary_key(..))]`, or call it `id`",
        ],
    );
    let named = |key: TokenStream| {
        quote!(
            #[diesel(table_name = a, primary_key(#key))]
            struct A {
                id: i32,
                #[model(key)]
                code: i32,
            }
        )
    };
    refuses(
        named(quote!(cod, code)),
        &["unknown column `cod`; did you mean `code`?"],
    );
    refuses(named(quote!(id)), &["names another key"]);
    refuses(named(quote!()), &["`primary_key` takes the names of columns"]);
    refuses(named(quote!(code)), &[]);
    let malformed = quote!(
        #[diesel(table_name = a, primary_key = code)]
        struct A {
            code: i32,
        }
    );
    refuses(malformed, &["`primary_key` takes the names of columns"]);
    refuses(with(quote!(id: Option<i32>)), &["a key is never NULL"]);
}

#[test]
fn no_part_of_a_key_is_null() {
    refuses(
        with(quote!(#[model(key)] a: i32, #[model(key)] b: Option<i32>)),
        &["a key is never NULL"],
    );
}

#[test]
fn a_version_is_never_null() {
    for kind in [quote!(version(manual)), quote!(version(server)), quote!(version = next)] {
        refuses(
            with(quote!(id: i32, #[model(#kind)] v: Option<i32>)),
            &["a version is never NULL"],
        );
    }
}

#[test]
fn the_maker_of_a_key_is_said_once_and_on_the_key() {
    refuses(
        with(quote!(#[model(generated, assigned)] id: i32)),
        &["either `generated` by the database or `assigned`"],
    );
    refuses(
        with(quote!(id: i32, #[model(generated)] code: i32)),
        &["`generated` says who makes the key"],
    );
    refuses(
        with(quote!(id: i32, #[model(assigned)] code: i32)),
        &["`assigned` says who makes the key"],
    );
    refuses(
        with(quote!(#[model(key, generated)] a: i32, #[model(key)] b: i32)),
        &["a key of several columns"],
    );
}

#[test]
fn there_is_one_version_and_it_counts() {
    refuses(
        with(quote!(id: i32, #[model(version)] a: i32, #[model(version)] b: i64)),
        &["a model has one version, and `a` is it already"],
    );
    refuses(with(quote!(#[model(key, version)] a: i32)), &["a key does not change"]);
    refuses(with(quote!(#[model(version)] id: i32)), &["a key does not change"]);
    refuses(
        with(quote!(id: i32, #[model(version)] a: String)),
        &["a version is counted up"],
    );
}

#[test]
fn only_structs_with_named_fields_and_no_parameters() {
    let table = quote!(#[diesel(table_name = accounts)]);
    refuses(quote!(#table enum A { B }), &["an enum has none"]);
    refuses(quote!(#table union A { b: u8 }), &["a union has none"]);
    refuses(quote!(#table struct A(i32);), &["a tuple struct has no names"]);
    refuses(quote!(#table struct A;), &["a unit struct has none"]);
    refuses(quote!(#table struct A {}), &["needs a field for each column"]);
    refuses(
        quote!(#table struct A<'a, T> where T: B { id: &'a T }),
        &["cannot be generic; write the types out"],
    );
    refuses(
        quote!(#table struct A where u8: Copy { id: i32 }),
        &["remove the `where` clause"],
    );
}

#[test]
fn attributes_are_all_checked() {
    refuses(
        quote!(
            struct A {
                id: i32,
            }
        ),
        &["which table? name it: `#[diesel(table_name = accounts)]`"],
    );
    refuses(
        quote!(
            #[diesel(table_name)]
            struct A {
                id: i32,
            }
        ),
        &["`table_name` is the path of a table"],
    );
    refuses(
        quote!(
            #[diesel(table_name = a, table_name = b)]
            struct A {
                id: i32,
            }
        ),
        &["remove this second `table_name`"],
    );
    refuses(
        quote! {
            #[diesel(primary_key(id), primary_key(id))]
            #[model(key)]
            struct A {
                #[model]
                id: i32,
                #[model(verson)]
                a: i32,
                #[model(version = 1)]
                b: i32,
                #[model(key, key)]
                #[diesel(column_name = 5)]
                c: i32,
                #[diesel(embed)]
                d: D,
                #[diesel(column_name = a)]
                e: i32,
            }
        },
        &[
            "`#[model(key)]` belongs on a field",
            "name all of its columns in one `primary_key(..)`",
            "`model` takes its arguments in parentheses: `#[model(..)]`",
            "unknown key `verson`; did you mean `version`?",
            "a version is counted (`version`), made by a function",
            "`key` is given twice; keep one",
            "`column_name` is the name that the column has in `table!`",
            "which table?",
            "column `a` is mapped by the field `a` too",
            "names another key",
        ],
    );
}

#[test]
fn after_a_mistake_the_model_is_still_one() {
    let fallback = macro_impl(quote!(
        enum Account {
            A,
        }
    ))
    .to_string();
    assert!(
        fallback.ends_with(&quote!(::aludel::__model_fallback! { model: Account, key: i32 }).to_string()),
        "{fallback}"
    );
    assert!(
        !macro_impl(quote!(
            struct Account<T> {
                id: T,
            }
        ))
        .to_string()
        .contains("__model_fallback")
    );
}
