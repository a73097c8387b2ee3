//! Attribute arguments as a list of `word`, `key = value` and `key(list)`, for `#[retry(..)]`, `#[model(..)]` and
//! `#[diesel(..)]` alike.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Meta, Path, Token};

use crate::errors::Errors;

/// One argument. Written back to tokens it is what the user wrote.
pub(crate) struct Entry {
    pub(crate) key: Ident,
    pub(crate) form: Form,
    tokens: TokenStream,
}

/// What follows the key.
pub(crate) enum Form {
    /// Nothing: `version`.
    Word,
    /// `= ..`, read no further: a type, a path, a literal.
    Value(TokenStream),
    /// `( .. )`, read no further.
    List(TokenStream),
}

impl Entry {
    /// What stands after `=`, if it reads as a `T`.
    pub(crate) fn value<T: Parse>(&self) -> Option<T> {
        match &self.form {
            Form::Value(tokens) => syn::parse2(tokens.clone()).ok(),
            Form::Word | Form::List(_) => None,
        }
    }

    /// The names in `key(a, b, self)`, if there is at least one.
    pub(crate) fn names(&self) -> Option<Vec<Ident>> {
        let Form::List(tokens) = &self.form else { return None };
        names(tokens).filter(|names| !names.is_empty())
    }

    /// The paths in `key(a::B, c)`; none when they cannot be read.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let Form::List(tokens) = &self.form else {
            return Vec::new();
        };
        let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(tokens.clone());
        paths.into_iter().flatten().collect()
    }

    /// The path that `key(a::B, c = d)` begins with, and the arguments after it.
    pub(crate) fn path_and_arguments(&self, errors: &mut Errors) -> Option<(Path, Vec<Entry>)> {
        let Form::List(tokens) = &self.form else { return None };
        let mut arguments = split(tokens.clone()).into_iter();
        let path = syn::parse2(arguments.next()?).ok()?;
        let rest = arguments.filter_map(|argument| read_one(argument, errors)).collect();
        Some((path, rest))
    }

    /// The names in `key = (a, b)`, or the one in `key = a`.
    pub(crate) fn tuple(&self) -> Option<Vec<Ident>> {
        let Form::Value(tokens) = &self.form else { return None };
        let mut inside = tokens.clone().into_iter();
        match (inside.next(), inside.next()) {
            (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::Parenthesis => {
                names(&group.stream())
            }
            (Some(TokenTree::Ident(name)), None) => Some(vec![name]),
            _ => None,
        }
    }

    /// The tokens to point at: the value if there is one, else the whole argument.
    pub(crate) fn place(&self) -> TokenStream {
        match &self.form {
            Form::Value(tokens) if !tokens.is_empty() => tokens.clone(),
            Form::Word | Form::Value(_) | Form::List(_) => self.tokens.clone(),
        }
    }
}

impl ToTokens for Entry {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

/// The arguments in `tokens`. One that cannot be read costs an error and leaves the others as they are.
pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    split(tokens)
        .into_iter()
        .filter_map(|argument| read_one(argument, errors))
        .collect()
}

fn read_one(argument: TokenStream, errors: &mut Errors) -> Option<Entry> {
    let entry = entry(&argument);
    if entry.is_none() {
        errors.at(argument, "an argument is written `name`, `name = value` or `name(..)`");
    }
    entry
}

/// The arguments of all `#[name(..)]` among `attributes`.
pub(crate) fn of_attributes(attributes: &[Attribute], name: &str, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        match &attribute.meta {
            Meta::List(list) => entries.extend(read(list.tokens.clone(), errors)),
            Meta::Path(_) | Meta::NameValue(_) => {
                errors.at(
                    attribute,
                    format!("`{name}` takes its arguments in parentheses: `#[{name}(..)]`"),
                );
            }
        }
    }
    entries
}

fn names(tokens: &TokenStream) -> Option<Vec<Ident>> {
    let names = |input: ParseStream<'_>| Punctuated::<_, Token![,]>::parse_terminated_with(input, Ident::parse_any);
    Some(names.parse2(tokens.clone()).ok()?.into_iter().collect())
}

/// Splits at the commas outside of `(..)` and `<..>`.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut arguments = vec![TokenStream::new()];
    let (mut depth, mut previous) = (0_usize, ' ');
    for token in tokens {
        let sign = if let TokenTree::Punct(punct) = &token {
            punct.as_char()
        } else {
            ' '
        };
        match sign {
            '<' => depth += 1,
            '>' if previous != '-' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => arguments.push(TokenStream::new()),
            _ => {}
        }
        if let (false, Some(last)) = (sign == ',' && depth == 0, arguments.last_mut()) {
            last.extend([token]);
        }
        previous = sign;
    }
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

fn entry(argument: &TokenStream) -> Option<Entry> {
    let mut tokens = argument.clone().into_iter();
    let Some(TokenTree::Ident(key)) = tokens.next() else {
        return None;
    };
    let form = match tokens.next() {
        None => Form::Word,
        Some(TokenTree::Punct(sign)) if sign.as_char() == '=' => Form::Value(tokens.collect()),
        Some(TokenTree::Group(group)) if tokens.next().is_none() => Form::List(group.stream()),
        Some(_) => return None,
    };
    Some(Entry {
        key,
        form,
        tokens: argument.clone(),
    })
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn commas_inside_of_types_do_not_separate() {
        let mut errors = Errors::default();
        let entries = read(
            quote!(serialize_as = Map<A, fn() -> B, C>, embed, belongs_to(User, other = x),),
            &mut errors,
        );
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.to_string()).collect();
        assert_eq!(keys, ["serialize_as", "embed", "belongs_to"]);
        assert!(errors.finish(Some(())).is_ok());
    }

    #[test]
    fn an_argument_that_cannot_be_read_leaves_the_others() {
        let mut errors = Errors::default();
        let entries = read(quote!(5, attempts = 3, clone(a) b), &mut errors);
        assert_eq!(entries.len(), 1);
        assert_eq!(
            errors.finish(Some(())).expect_err("two mistakes").into_iter().count(),
            2
        );
    }
}
