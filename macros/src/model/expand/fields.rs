//! What is asked of the columns of a model and of an embedded struct alike. Columns are counted: first those of the struct
//! itself, then those of the structs that it embeds.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::{at, number};
use crate::model::valid::{Column, Embed, Fields};

/// All of them, as data.
pub(super) fn columns(fields: &Fields<'_>) -> TokenStream {
    let own = fields.columns.iter().map(
        |Column {
             field, name, options, ..
         }| {
            let text = field.unraw().to_string();
            let role = if options.read_only.is_some() {
                quote!(ReadOnly)
            } else if options.server_default.is_some() {
                quote!(ServerDefault)
            } else {
                quote!(Plain)
            };
            quote!(::aludel::plumbing::column(aludel_table::#name, #text, ::aludel::plumbing::Role::#role))
        },
    );
    let own = quote!(::aludel::plumbing::Vec::from([#(#own),*]));
    if fields.embedded.is_empty() {
        return own;
    }
    let embedded = fields.embedded.iter();
    let embedded = embedded.map(|Embed { ty, .. }| quote_spanned!(at(ty)=> <#ty as ::aludel::Embedded>::columns()));
    quote!([#own, #(#embedded),*].concat())
}

/// `changes`, `copy_column`, `unset` and `stamp`.
pub(super) fn methods(fields: &Fields<'_>, name: &str) -> TokenStream {
    let (changes, copy_column, unset, stamp) =
        (changes(fields), copy_column(fields, name), unset(fields), stamp(fields));
    quote!(#changes #copy_column #unset #stamp)
}

/// The value of a column.
pub(super) fn bind(fields: &Fields<'_>, name: &str) -> TokenStream {
    let arms = numbered(
        fields,
        |index, Column { field, ty, name, .. }| quote_spanned!(at(ty)=> #index => ::aludel::plumbing::bind(aludel_table::#name, &self.#field, pass),),
    );
    let embedded = of_embedded(fields, name, |Embed { field, ty }| {
        quote_spanned! {at(ty)=>
            <#ty as ::aludel::plumbing::BindEmbedded<AludelBackend>>::bind(&self.#field, column, pass)
        }
    });
    quote! {
        fn bind<'b>(
            &'b self,
            column: usize,
            pass: ::aludel::plumbing::AstPass<'_, 'b, AludelBackend>,
        ) -> ::aludel::plumbing::QueryResult<()> {
            match column {
                #(#arms)*
                _ => #embedded
            }
        }
    }
}

/// Whether a field has the default of its type.
pub(super) fn is_default(column: &Column<'_>) -> TokenStream {
    let Column { field, ty, .. } = column;
    quote_spanned!(at(ty)=> self.#field == <#ty as ::core::default::Default>::default())
}

fn changes(fields: &Fields<'_>) -> TokenStream {
    let differs = numbered(
        fields,
        |index, Column { field, ty, .. }| quote_spanned!(at(ty)=> .and(::aludel::plumbing::Columns::one_if(#index, self.#field != other.#field))),
    );
    let embedded = moved(
        fields,
        |Embed { field, ty }| quote_spanned!(at(ty)=> <#ty as ::aludel::Embedded>::changes(&self.#field, &other.#field)),
    );
    quote! {
        fn changes(&self, other: &Self) -> ::aludel::plumbing::Columns {
            ::aludel::plumbing::Columns::NONE #(#differs)* #(#embedded)*
        }
    }
}

fn copy_column(fields: &Fields<'_>, name: &str) -> TokenStream {
    let arms = numbered(
        fields,
        |index, Column { field, ty, .. }| quote_spanned!(at(ty)=> #index => ::core::clone::Clone::clone_from(&mut self.#field, &from.#field),),
    );
    let embedded = of_embedded(
        fields,
        name,
        |Embed { field, ty }| quote_spanned!(at(ty)=> <#ty as ::aludel::Embedded>::copy_column(&mut self.#field, &from.#field, column)),
    );
    quote! {
        fn copy_column(&mut self, from: &Self, column: usize) {
            match column {
                #(#arms)*
                _ => #embedded
            }
        }
    }
}

fn unset(fields: &Fields<'_>) -> Option<TokenStream> {
    let own: Vec<_> = numbered(fields, |index, column| {
        column.options.server_default.as_ref()?;
        let unset = is_default(column);
        Some(quote!(.and(::aludel::plumbing::Columns::one_if(#index, #unset))))
    })
    .flatten()
    .collect();
    let embedded = moved(
        fields,
        |Embed { field, ty }| quote_spanned!(at(ty)=> <#ty as ::aludel::Embedded>::unset(&self.#field)),
    );
    (!own.is_empty() || !fields.embedded.is_empty()).then(|| {
        quote! {
            fn unset(&self) -> ::aludel::plumbing::Columns {
                ::aludel::plumbing::Columns::NONE #(#own)* #(#embedded)*
            }
        }
    })
}

fn stamp(fields: &Fields<'_>) -> Option<TokenStream> {
    let own: Vec<_> = fields.columns.iter().filter_map(stamp_of).collect();
    let embedded = fields.embedded.iter().map(
        |Embed { field, ty }| quote_spanned!(at(ty)=> <#ty as ::aludel::Embedded>::stamp(&mut self.#field, what, now);),
    );
    (!own.is_empty() || !fields.embedded.is_empty()).then(|| {
        quote! {
            #[allow(unused_variables)]
            fn stamp(&mut self, what: ::aludel::plumbing::Stamp, now: ::aludel::plumbing::SystemTime) {
                #(#own)*
                #(#embedded)*
            }
        }
    })
}

fn stamp_of(column: &Column<'_>) -> Option<TokenStream> {
    let Column { field, ty, options, .. } = column;
    let now = quote_spanned!(at(ty)=> self.#field = <#ty as ::aludel::Timestamp>::from_time(now););
    let is_none = crate::types::is_option(ty).then(|| quote_spanned!(at(ty)=> && self.#field.is_none()));
    if options.updated_at.is_some() {
        // Each write is one, that of a mark as well.
        return Some(now);
    }
    if options.created_at.is_some() {
        return Some(quote!(if what == ::aludel::plumbing::Stamp::Created #is_none { #now }));
    }
    options.soft_delete.as_ref()?;
    let mark = if crate::types::is_bool(ty) {
        quote!(self.#field = true;)
    } else {
        now
    };
    Some(quote!(if what == ::aludel::plumbing::Stamp::Deleted #is_none { #mark }))
}

/// Something of each column of the struct itself, with its number.
fn numbered<T>(fields: &Fields<'_>, write: impl Fn(proc_macro2::Literal, &Column<'_>) -> T) -> impl Iterator<Item = T> {
    let columns = fields.columns.iter().enumerate();
    columns.map(move |(index, column)| write(number(index), column))
}

/// Sets of columns of the embedded structs, each moved to where its columns are.
fn moved(fields: &Fields<'_>, write: impl Fn(&Embed<'_>) -> TokenStream) -> Vec<TokenStream> {
    let own = number(fields.columns.len());
    let mut offset = quote!(#own);
    let mut all = Vec::new();
    for embed in &fields.embedded {
        let (ty, set) = (embed.ty, write(embed));
        all.push(quote!(.and(#set.moved_by(#offset))));
        offset.extend(quote_spanned!(at(ty)=> + <#ty as ::aludel::Embedded>::COLUMNS));
    }
    all
}

/// What is done with a column that is one of an embedded struct, or none at all; `column` is its number.
fn of_embedded(fields: &Fields<'_>, name: &str, write: impl Fn(&Embed<'_>) -> TokenStream) -> TokenStream {
    if fields.embedded.is_empty() {
        return quote!(::aludel::plumbing::no_column(#name, column),);
    }
    let own = number(fields.columns.len());
    let mut before = quote!(#own);
    let steps: Vec<_> = fields
        .embedded
        .iter()
        .map(|embed| {
            let (ty, write) = (embed.ty, write(embed));
            let count = quote_spanned!(at(ty)=> <#ty as ::aludel::Embedded>::COLUMNS);
            let step = quote! {
                let column = column - #before;
                if column < #count {
                    return #write;
                }
            };
            before = count;
            step
        })
        .collect();
    quote! {
        {
            #(#steps)*
            ::aludel::plumbing::no_column(#name, column)
        }
    }
}
