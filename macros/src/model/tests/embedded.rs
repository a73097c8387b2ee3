//! Structs of columns.

use proc_macro2::TokenStream;
use quote::quote;

use super::{found, says, with};
use crate::model::{embedded_impl, valid};

#[track_caller]
fn refuses(item: TokenStream, expected: &[&str]) {
    super::compare(
        &found(item, "Embedded", |read, errors| {
            valid::check_embedded(read, errors).map(drop)
        }),
        expected,
    );
}

fn address(fields: TokenStream) -> TokenStream {
    quote!(#[diesel(table_name = people)] struct Address { #fields })
}

#[test]
fn its_columns_are_counted_after_those_of_the_model() {
    says(
        with(quote!(#[diesel(embed)] a: A, id: i32, #[diesel(embed)] b: B, name: String)),
        &[
            quote! {
                columns: [
                    ::aludel::plumbing::Vec::from([
                        ::aludel::plumbing::column(aludel_table::id, "id", ::aludel::plumbing::Role::Plain),
                        ::aludel::plumbing::column(aludel_table::name, "name", ::aludel::plumbing::Role::Plain)
                    ]),
                    <A as ::aludel::Embedded>::columns(),
                    <B as ::aludel::Embedded>::columns()
                ].concat(),
            },
            quote!(.and(<B as ::aludel::Embedded>::changes(&self.b, &other.b)
                .moved_by(2 + <A as ::aludel::Embedded>::COLUMNS))),
            quote! {
                _ => {
                    let column = column - 2;
                    if column < <A as ::aludel::Embedded>::COLUMNS {
                        return <A as ::aludel::Embedded>::copy_column(&mut self.a, &from.a, column);
                    }
                    let column = column - <A as ::aludel::Embedded>::COLUMNS;
                    if column < <B as ::aludel::Embedded>::COLUMNS {
                        return <B as ::aludel::Embedded>::copy_column(&mut self.b, &from.b, column);
                    }
                    ::aludel::plumbing::no_column("Account", column)
                }
            },
        ],
    );
    let embedded = embedded_impl(address(quote!(street: String, #[diesel(embed)] post: Post))).to_string();
    for expected in [
        quote!(
            const COLUMNS: usize = 1 + <Post as ::aludel::Embedded>::COLUMNS;
        ),
        quote!(0 => ::aludel::plumbing::bind(aludel_table::street, &self.street, pass),),
    ] {
        assert!(embedded.contains(&expected.to_string()), "{embedded}");
    }
}

#[test]
fn it_says_nothing_of_a_whole_row() {
    refuses(
        quote! {
            #[diesel(table_name = people)]
            #[model(has_many(Letter))]
            struct Address {
                #[model(key, generated)] a: i32,
                #[model(version)] b: i32,
                #[model(soft_delete)] c: bool,
                #[model(belongs_to = D)] d: i32,
                #[model(server_default)] e: i32,
                #[model(updated_at)] f: Time
            }
        },
        &[
            "`has_many` is said by the model that embeds this struct",
            "`key` belongs on a field of the model itself",
            "`generated` belongs on a field of the model itself",
            "`version` belongs on a field of the model itself",
            "`soft_delete` belongs on a field of the model itself",
            "`belongs_to` belongs on a field of the model itself",
        ],
    );
    refuses(
        quote!(
            struct A<T> {
                a: T,
            }
        ),
        &["an embedded struct owns its values", "which table?"],
    );
    refuses(
        quote!(
            #[diesel(table_name = a)]
            enum A {
                B,
            }
        ),
        &["`#[derive(Embedded)]` maps the fields"],
    );
}

#[test]
fn the_field_says_nothing_of_its_columns_and_is_always_there() {
    super::refuses(
        with(quote!(id: i32, #[diesel(embed)] #[model(read_only)] a: Option<Address>)),
        &[
            "`read_only` is said of a column, and `a` is a struct of columns",
            "an embedded struct is always there",
        ],
    );
}

#[test]
fn after_a_mistake_it_is_still_one() {
    let fallback = embedded_impl(quote!(
        enum Address {
            A,
        }
    ))
    .to_string();
    let expected = quote!(::aludel::__embedded_fallback! { embedded: Address }).to_string();
    assert!(fallback.ends_with(&expected), "{fallback}");
}
